#include "reconcile/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <vector>

namespace rookery::reconcile {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t randomLetters = 6;  // that mkostemp puts in place of its X

/// Writes all of `content`; returns 0 or errno.
int writeAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

/// Reads to the end, or one byte beyond `limit`; returns 0 or errno.
int readAll(int fd, std::size_t limit, std::string& text) {
  std::array<char, 65536> buffer{};
  while (text.size() <= limit) {
    const ssize_t length = ::read(fd, buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return errno;
    if (length == 0) return 0;
    text.append(buffer.data(), static_cast<std::size_t>(length));
  }
  return EFBIG;
}

/// Whether writeStateFile() gave a file its name for the time of writing.
bool isHalfWritten(const fs::path& file) {
  const std::string name = file.filename().string();
  constexpr std::string_view suffix = ".json.";
  const std::size_t end = name.size() - std::min(name.size(), randomLetters);
  return name.starts_with('.') && std::string_view(name).substr(0, end).ends_with(suffix);
}

}  // namespace

std::unexpected<Error> stateUnreadable(const fs::path& path, int cause) {
  return fail(
      Reason::StateUnreadable,
      fmt::format("The state directory cannot be read: {}: {}. It says what is ours, so nothing is done "
                  "without it. Let the user that rookery runs as read it, or move it away to do without.",
                  path.string(), std::generic_category().message(cause)));
}

std::unexpected<Error> stateUnwritable(const fs::path& path, int cause) {
  return fail(Reason::StateUnwritable,
              fmt::format("The state directory cannot be written: {}: {}. Nothing is sent to a "
                          "server that could not be remembered.",
                          path.string(), std::generic_category().message(cause)));
}

Result<std::optional<std::string>> readStateFile(const fs::path& path, std::size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return std::nullopt;
  if (fd < 0) return stateUnreadable(path, errno);
  struct stat status{};
  std::string text;
  int cause = ::fstat(fd, &status) == 0 ? 0 : errno;
  const bool folder = cause == 0 && S_ISDIR(status.st_mode);
  if (cause == 0 && !folder) cause = S_ISREG(status.st_mode) ? readAll(fd, limit, text) : EINVAL;
  ::close(fd);
  if (cause != 0) return stateUnreadable(path, cause);
  if (folder) return std::nullopt;
  return text;
}

Result<void> writeStateFile(const fs::path& path, const std::string& content) {
  const fs::path folder = path.parent_path();
  std::string temporary = folder / fmt::format(".{}.XXXXXX", path.filename().string());
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return stateUnwritable(path, errno);
  int cause = writeAll(fd, content);
  if (::close(fd) != 0 && cause == 0) cause = errno;
  if (cause == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) cause = errno;
  if (cause != 0) {
    ::unlink(temporary.c_str());
    return stateUnwritable(path, cause);
  }
  return syncStateFolder(folder);
}

void removeHalfWritten(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> left;
  for (fs::directory_iterator item(folder, error), end; !error && item != end; item.increment(error)) {
    if (isHalfWritten(item->path())) left.push_back(item->path());
  }
  for (const fs::path& file : left) ::unlink(file.c_str());
}

Result<void> syncStateFolder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return stateUnwritable(folder, errno);
  const int result = ::fsync(fd);
  const int cause = errno;
  ::close(fd);
  if (result != 0) return stateUnwritable(folder, cause);
  return {};
}

}  // namespace rookery::reconcile
