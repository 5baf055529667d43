#include "state/other_states.h"

#include <pwd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "file/content.h"
#include "state/state_dir.h"

namespace rookery::state {

namespace fs = std::filesystem;

namespace {

constexpr const char* belowHome = ".local/state/rookery";

/// Root's, and those of who runs this and of who became root for it.
std::vector<fs::path> likelyFolders() {
  std::vector<fs::path> folders = {"/var/lib/rookery", StateDir::defaultPath()};
  if (const char* home = std::getenv("HOME")) folders.push_back(fs::path(home) / belowHome);
  if (const char* user = std::getenv("SUDO_USER")) {
    if (const passwd* entry = ::getpwnam(user)) folders.push_back(fs::path(entry->pw_dir) / belowHome);
  }
  return folders;
}

/// Those that a process of this program holds, as far as this one may see what files another has open.
std::vector<fs::path> heldFolders() {
  std::vector<fs::path> folders;
  for (const fs::path& process : file::entriesOf("/proc")) {
    std::ifstream name(process / "comm");
    std::string program;
    if (!std::getline(name, program) || program != "rookery") continue;
    for (const fs::path& opened : file::entriesOf(process / "fd")) {
      std::error_code ignored;
      const fs::path file = fs::read_symlink(opened, ignored);
      if (file.filename() == "lock") folders.push_back(file.parent_path());
    }
  }
  return folders;
}

}  // namespace

OtherStates::OtherStates(const fs::path& own) {
  std::error_code error;
  std::vector<fs::path> folders = likelyFolders();
  std::ranges::copy(heldFolders(), std::back_inserter(folders));
  for (const fs::path& folder : folders) {
    const bool known = std::ranges::find(folders_, folder) != folders_.end();
    if (!known && fs::weakly_canonical(folder, error) != fs::weakly_canonical(own, error))
      folders_.push_back(folder);
  }
}

std::map<albatross::Name, fs::path> OtherStates::ownedOn(const std::string& serverKey) const {
  std::map<albatross::Name, fs::path> owned;
  for (const fs::path& folder : folders_) {
    std::error_code error;
    if (!fs::exists(folder, error)) continue;
    const auto state = StateDir::read(folder);
    if (!state) continue;
    for (const auto& [name, entry] : (*state)->inventoryOf(serverKey)) {
      if (!entry.destroyedAt) owned.emplace(name, folder);
    }
  }
  return owned;
}

}  // namespace rookery::state
