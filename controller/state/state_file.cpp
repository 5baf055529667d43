#include "state/state_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <vector>

#include "file/atomic.h"
#include "file/content.h"

namespace rookery::state {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t randomLetters = 6;  // in place of mkostemp's X

/// Whether a file has a name that is for the time of writing; a former version had others.
bool isHalfWritten(const fs::path& file) {
  if (file::isDraft(file)) return true;
  const std::string name = file.filename().string();
  constexpr std::string_view suffix = ".json.";
  const std::size_t end = name.size() - std::min(name.size(), randomLetters);
  return name.starts_with('.') && std::string_view(name).substr(0, end).ends_with(suffix);
}

std::unexpected<Error> unreadable(const fs::path& path, std::string_view why) {
  return fail(
      Reason::StateUnreadable,
      fmt::format("The state directory cannot be read: {}: {}. It says what is ours, so nothing is done "
                  "without it. Let the user that rookery runs as read it, or move it away to do without.",
                  path.string(), why));
}

}  // namespace

std::unexpected<Error> stateUnreadable(const fs::path& path, int cause) {
  return unreadable(path, std::generic_category().message(cause));
}

std::unexpected<Error> stateUnwritable(const fs::path& path, int cause) {
  return fail(Reason::StateUnwritable,
              fmt::format("The state directory cannot be written: {}: {}. Nothing is sent to a "
                          "server that could not be remembered. {}",
                          path.string(), std::generic_category().message(cause),
                          file::remedyFor(cause, path.parent_path())));
}

Result<std::optional<std::string>> readStateFile(const fs::path& path, std::size_t limit) {
  auto content = file::read(path, limit);
  if (content) return std::move(content->bytes);
  if (content.error().cause == ENOENT || content.error().kind == file::Unread::Kind::Directory)
    return std::nullopt;
  return unreadable(path, content.error().why);
}

Result<void> writeStateFile(const fs::path& path, const std::string& content) {
  if (const int cause = file::writeWhole(path, content); cause != 0) return stateUnwritable(path, cause);
  return {};
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
  if (const int cause = file::syncFolder(folder); cause != 0) return stateUnwritable(folder, cause);
  return {};
}

}  // namespace rookery::state
