#include "source/git.h"

#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace rookery::source {

namespace fs = std::filesystem;

std::optional<fs::path> gitFolder(const fs::path& entry) {
  std::error_code error;
  const fs::file_type type = fs::status(entry, error).type();
  if (type == fs::file_type::directory) return entry;
  if (type != fs::file_type::regular) return std::nullopt;
  constexpr std::string_view label = "gitdir: ";
  std::string line;
  std::ifstream file(entry);
  if (!std::getline(file, line) || !line.starts_with(label)) return std::nullopt;
  return entry.parent_path() / line.substr(label.size());
}

std::optional<fs::path> enclosingGit(const fs::path& folder) {
  std::error_code error;
  for (fs::path at = fs::canonical(folder, error); !at.empty(); at = at.parent_path()) {
    if (fs::exists(at / ".git", error)) return at / ".git";
    if (at == at.root_path()) break;
  }
  return std::nullopt;
}

}  // namespace rookery::source
