// The state as earlier releases kept it: objects.json, then an entry of the inventory, then what was known of
// a server. Taken over, it says the same.

#include "state/former_files.h"

#include "fixtures/temp_dir.h"
#include "fuzz/target.h"
#include "state/stored.h"

namespace rookery::fuzz {
namespace {

namespace fs = std::filesystem;

const Target formerFiles("former_files", [](std::string_view input) {
  static const fixtures::TempDir folder;
  const auto parts = partsOf(input, 3);
  folder.write("objects.json", partAt(parts, 0));
  folder.write("inventory/5f/entry.json", partAt(parts, 1));
  folder.write("inventory/5f/server.json", partAt(parts, 2));
  auto stored = state::readStored(folder.path(), state::Others::Rest);
  check(stored.has_value() && !stored->damage && stored->odd.empty(), "what is none of ours is passed over");
  state::Content& former = stored->content;
  // Where an object came from is kept with what it says only.
  for (auto& [key, known] : former.identities) {
    if (!known.manifest.empty()) continue;
    known.root.clear();
    known.file.clear();
  }
  if (former.inventories.empty() && former.identities.empty() && former.restartChangesMemory.empty()) return;
  check(state::openStored(folder.path(), *stored).has_value(), "what was read can be written");
  const auto taken = state::readStored(folder.path(), state::Others::Rest);
  check(taken && taken->isDatabase && !taken->damage && taken->odd.empty(), "what was written can be read");
  check(taken->content.inventories == former.inventories && taken->content.identities == former.identities &&
            taken->content.restartChangesMemory == former.restartChangesMemory,
        "the state survives being taken over");
  for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove_all(entry);
});

}  // namespace
}  // namespace rookery::fuzz
