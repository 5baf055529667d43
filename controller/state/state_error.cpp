#include "state/state_error.h"

#include <fmt/format.h>

#include <string>
#include <system_error>

#include "file/atomic.h"

namespace rookery::state {

namespace fs = std::filesystem;

namespace {

std::string reasonOf(const DatabaseError& error) {
  return error.cause == 0 ? error.message : std::generic_category().message(error.cause);
}

std::unexpected<Error> unwritable(const fs::path& path, std::string_view why, int cause) {
  return fail(Reason::StateUnwritable,
              fmt::format("The state directory cannot be written: {}: {}. Nothing is sent to a "
                          "server that could not be remembered. {}",
                          path.string(), why, file::remedyFor(cause, path.parent_path())));
}

}  // namespace

std::unexpected<Error> stateUnreadable(const fs::path& path, std::string_view why) {
  return fail(
      Reason::StateUnreadable,
      fmt::format("The state directory cannot be read: {}: {}. It says what is ours, so nothing is done "
                  "without it. Let the user that rookery runs as read it, or move it away to do without.",
                  path.string(), why));
}

std::unexpected<Error> stateUnreadable(const fs::path& path, int cause) {
  return stateUnreadable(path, std::generic_category().message(cause));
}

std::unexpected<Error> stateUnreadable(const fs::path& path, const DatabaseError& error) {
  return stateUnreadable(path, reasonOf(error));
}

std::unexpected<Error> stateUnwritable(const fs::path& path, int cause) {
  return unwritable(path, std::generic_category().message(cause), cause);
}

std::unexpected<Error> stateUnwritable(const fs::path& path, const DatabaseError& error) {
  return unwritable(path, reasonOf(error), error.cause);
}

}  // namespace rookery::state
