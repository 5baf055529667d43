#include "reconcile/key_file.h"

#include <fmt/format.h>

#include <system_error>

namespace rookery::reconcile {

namespace fs = std::filesystem;

std::optional<std::string> exposureOf(const fs::path& file, std::string_view what) {
  std::error_code error;
  const fs::perms mode = fs::status(file, error).permissions();
  if (error || (mode & fs::perms::others_read) == fs::perms::none) return std::nullopt;
  return fmt::format("The {} {} can be read by everybody on this machine (mode {:04o}). Run `chmod 600 {}`.",
                     what, file.string(), static_cast<unsigned>(mode), file.string());
}

}  // namespace rookery::reconcile
