#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"
#include "state/state.h"

namespace rookery::state {

/// The state in a folder: the inventory, one small file per entry, and the objects' identities. One process
/// at a time holds it. Every write is atomic and on the disk when it returns.
class StateDir : public State {
 public:
  /// Creates the folder if missing, locks it and reads what is in it. Errors: StateDirLocked (says the
  /// process that has it), StateUnwritable, StateUnreadable (says which file: what cannot be read is not
  /// lost). A file whose bytes are no entry is set aside (".corrupt") and listed in warnings(): a lost entry
  /// destroys nothing.
  static Result<std::unique_ptr<StateDir>> open(const std::filesystem::path& path);

  /// Reads what is in the folder now, and changes nothing of it: beside the process that has it, too. It can
  /// remember nothing: what is to be written fails with StateUnwritable. A folder that is missing is an empty
  /// one. Error: StateUnreadable.
  static Result<std::unique_ptr<StateDir>> read(const std::filesystem::path& path);

  /// $XDG_STATE_HOME/rookery, ~/.local/state/rookery, or /var/lib/rookery for root.
  static std::filesystem::path defaultPath();

  ~StateDir() override;
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::vector<std::string>& warnings() const { return warnings_; }

  /// Errors: StateDirLost, when the folder was removed or replaced, whereupon another process may have it;
  /// StateUnreadable, when that cannot be told. Nothing is written then.
  Result<void> held() const override;

  std::vector<plan::Entry> entries() const override;
  plan::Inventory inventoryOf(const std::string& serverKey) const override;
  boost::asio::awaitable<Result<void>> record(plan::Entry entry) override;
  boost::asio::awaitable<Result<void>> discard(plan::Entry entry) override;
  /// record() and discard() without a coroutine. Errors: StateUnwritable (a full disk, for one).
  Result<void> put(const plan::Entry& entry);
  Result<void> erase(const plan::Entry& entry);

  std::optional<bool> restartChangesMemory(const std::string& serverKey) const override;
  void setRestartChangesMemory(const std::string& serverKey, bool changes) override;

  api::Identity identify(const api::ObjectKey& key, const std::string& specDigest,
                         api::SystemTime now) override;
  std::optional<api::Identity> identityOf(const api::ObjectKey& key) const override;
  /// Somebody asks for an object to be deleted, which is not declared any more: the wish is on the disk when
  /// this returns. It ends when the object is declared again or forgotten. Errors: StateUnwritable.
  Result<void> requestDeletion(const api::Object& object, api::SystemTime now);
  std::set<api::ObjectKey> deletionRequests() const override;
  /// What an object says now that nobody declares any more is on the disk when this returns, until it is
  /// declared again or forgotten; another spec is its next generation. Nothing: there is none with this uid.
  /// Errors: StateUnwritable.
  Result<std::optional<api::Identity>> amendDeletion(const api::Object& object, const std::string& uid);
  struct Deletion {
    api::ObjectPtr object;  // as it was declared last, or amended since
    api::Identity identity;
  };
  /// The objects that are requested to be deleted, or of which amendDeletion() was told, for who must show
  /// them after a restart.
  std::vector<Deletion> deletions() const;
  void forgetIdentity(const api::ObjectKey& key) override;
  Result<void> saveIdentities() override;

 private:
  StateDir(std::filesystem::path path, int lock);
  bool readsOnly() const;
  Result<void> readAll();
  Result<void> readEntries();
  Result<void> readEntry(const std::filesystem::path& file);
  Result<void> readIdentities();
  void readIdentity(const nlohmann::json& item);
  Result<void> setAside(const std::filesystem::path& file, std::string_view what, std::string_view loss);
  Result<void> mayWrite() const;
  std::filesystem::path fileOf(const plan::Entry& entry) const;

  struct Known {
    api::Identity identity;
    std::string specDigest;
    std::string manifest = {};                   // of an object that is being deleted, as JSON
    std::filesystem::path root = {}, file = {};  // that it came from
    /// Nobody declares it any more: what it says is kept here.
    void keep(const api::Object& object);
    friend bool operator==(const Known&, const Known&) = default;
  };

  std::filesystem::path path_;
  int lock_;  // of the lock file; of one that only reads: none
  std::vector<std::string> warnings_;
  std::mutex saving_;  // one at a time writes the identities
  mutable std::mutex mutex_;
  std::map<std::string, plan::Inventory> inventories_;  // by server key
  std::map<std::string, bool> restartChangesMemory_;
  std::map<api::ObjectKey, Known> identities_;
  bool identitiesChanged_ = false;
};

}  // namespace rookery::state
