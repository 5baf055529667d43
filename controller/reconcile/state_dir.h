#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "error.h"
#include "reconcile/inventory.h"

namespace rookery::reconcile {

/// What the controller must remember beyond its own life: the inventory, one small file per entry, and the
/// objects' generations. One process at a time holds it. Every write is atomic and on the disk when it
/// returns. Thread-safe.
class StateDir {
 public:
  /// Creates the folder if missing, locks it and reads what is in it. Errors: StateDirLocked (says the
  /// process that has it), StateUnwritable. A file that cannot be read as an entry is set aside (".corrupt")
  /// and listed in warnings(): a lost entry destroys nothing.
  static Result<std::unique_ptr<StateDir>> open(const std::filesystem::path& path);

  /// $XDG_STATE_HOME/rookery, ~/.local/state/rookery, or /var/lib/rookery for root.
  static std::filesystem::path defaultPath();

  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::vector<std::string>& warnings() const { return warnings_; }

  std::vector<Entry> entries() const;
  Inventory inventoryOf(const std::string& serverKey) const;
  /// Errors: StateUnwritable (a full disk, for one): then nothing may be sent that needs the entry.
  Result<void> put(const Entry& entry);
  Result<void> erase(const Entry& entry);

  /// Whether a restart was seen to change a unikernel's memory on this server; unknown: absent.
  std::optional<bool> restartChangesMemory(const std::string& serverKey) const;
  void setRestartChangesMemory(const std::string& serverKey, bool changes);

  /// The object's generation: 1 at first sight, one more whenever specDigest is another than last time. Kept
  /// on the disk by saveGenerations().
  std::int64_t generation(const api::ObjectKey& key, const std::string& specDigest);
  Result<void> saveGenerations();

 private:
  StateDir(std::filesystem::path path, int lock);
  void readEntries();
  void readEntry(const std::filesystem::path& file);
  void readGenerations();
  std::filesystem::path fileOf(const Entry& entry) const;

  struct Generation {
    std::int64_t number = 1;
    std::string specDigest;
  };

  std::filesystem::path path_;
  int lock_;
  std::vector<std::string> warnings_;
  mutable std::mutex mutex_;
  std::map<std::string, Inventory> inventories_;  // by server key
  std::map<std::string, bool> restartChangesMemory_;
  std::map<std::string, Generation> generations_;  // by ObjectKey::toString()
  bool generationsChanged_ = false;
};

}  // namespace rookery::reconcile
