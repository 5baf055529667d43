#include "file/watched.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "file/content.h"

namespace rookery::file {
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

Result<std::string> readCredentialFile(const std::filesystem::path& file, std::string_view what,
                                       Settling* settling) {
  auto content = read(file, maxBytes, settling);
  if (content) return std::move(content->bytes);
  const Unread& unread = content.error();
  switch (unread.kind) {
    case Unread::Kind::BeingWritten:
      return fail(Reason::BeingWritten,
                  fmt::format("The {} does not count before it is whole: {}.", what, unread.why));
    case Unread::Kind::Directory:
    case Unread::Kind::NotRegular:
      return fail(Reason::CredentialInvalid, fmt::format("The {} is not a regular file.", what));
    case Unread::Kind::TooLarge:
      return fail(Reason::CredentialInvalid,
                  fmt::format("The {} is larger than {} bytes: is it the right file?", what, maxBytes));
    case Unread::Kind::Missing:
    case Unread::Kind::Unreadable:
      break;
  }
  return fail(Reason::CredentialInvalid,
              fmt::format("The {} cannot be read: {}. Give the path of a file that this user may read.", what,
                          unread.why));
}

bool ToldOfFiles::isNews(const std::string& version, const Error& error) {
  if (error.reason == Reason::BeingWritten) return !std::exchange(writing_, true);
  writing_ = false;
  return version != std::exchange(version_, version);
}

}  // namespace rookery::file
