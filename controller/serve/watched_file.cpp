#include "serve/watched_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace rookery::serve {
namespace {

constexpr std::size_t maxBytes = std::size_t{1} << 20;

}  // namespace

std::string versionOf(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return "absent";
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec);
}

Result<std::string> readCredentialFile(const std::filesystem::path& file, std::string_view what) {
  std::error_code error;
  const auto type = std::filesystem::status(file, error).type();
  if (!error && type != std::filesystem::file_type::regular) {
    return fail(Reason::CredentialInvalid, fmt::format("The {} is not a regular file.", what));
  }
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    const int code = error ? error.value() : errno;
    return fail(Reason::CredentialInvalid,
                fmt::format("The {} cannot be read: {}. Give the path of a file that this user may read.",
                            what, std::generic_category().message(code)));
  }
  std::string text(maxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return fail(Reason::CredentialInvalid, fmt::format("The {} cannot be read.", what));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > maxBytes) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The {} is larger than {} bytes: is it the right file?", what, maxBytes));
  }
  return text;
}

}  // namespace rookery::serve
