#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "error.h"
#include "state/content.h"
#include "state/folder_lock.h"
#include "state/state.h"
#include "state/waiting.h"

namespace rookery::state {

class Database;
class Writer;

/// The state in a folder: a database, `state.db`, of which there is a copy in memory. One process at a time
/// holds it. What callers ask for at the same time is written together.
class StateDir : public State {
 public:
  /// Creates the folder if missing, locks it and reads what is in it; what an earlier release left there is
  /// taken over. Errors: StateDirLocked (says the process that has it), StateUnwritable, StateUnreadable
  /// (says which file: what cannot be read is not lost; also where a later release wrote it). A database that
  /// is damaged is set aside (".corrupt"), as is a row that is none of ours, and listed in warnings(): a lost
  /// entry destroys nothing. What coroutines ask for is written on `executor`, which must be run by one
  /// thread, that which destroys it; empty: on a thread of its own.
  static Result<std::unique_ptr<StateDir>> open(const std::filesystem::path& path,
                                                boost::asio::any_io_executor executor = {});

  /// Reads what is in the folder now, and changes nothing of it: beside the process that has it, too. It can
  /// remember nothing: what is to be written fails with StateUnwritable. A folder that is missing is an empty
  /// one. Error: StateUnreadable.
  static Result<std::unique_ptr<StateDir>> read(const std::filesystem::path& path);

  /// $XDG_STATE_HOME/rookery, ~/.local/state/rookery, or /var/lib/rookery for root.
  static std::filesystem::path defaultPath();

  /// Writes what recordSoon() was told.
  ~StateDir() override;
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::vector<std::string>& warnings() const { return warnings_; }

  /// Errors: StateDirLost, when the folder was removed or replaced, whereupon another process may have it;
  /// StateUnreadable, when that cannot be told. Nothing is written then.
  Result<void> held() const override;

  std::vector<plan::Entry> entries() const override;
  plan::Inventories inventories() const override;
  plan::SharedInventory inventoryOf(const std::string& serverKey) const override;
  plan::Inventories volumes() const override;
  boost::asio::awaitable<Result<void>> record(plan::Entry entry) override;
  boost::asio::awaitable<Result<void>> discard(plan::Entry entry) override;
  boost::asio::awaitable<Result<void>> recordSoon(plan::Entry entry) override;
  /// record() and discard() without a coroutine: the thread waits. Errors: StateUnwritable (a full disk, for
  /// one).
  Result<void> put(const plan::Entry& entry);
  Result<void> erase(const plan::Entry& entry);

  std::optional<bool> restartChangesMemory(const std::string& serverKey) const override;
  void setRestartChangesMemory(const std::string& serverKey, bool changes) override;

  api::Identity identify(const api::ObjectKey& key, const std::string& specDigest,
                         api::SystemTime now) override;
  std::optional<api::Identity> identityOf(const api::ObjectKey& key) const override;
  std::optional<std::uint64_t> identityChanges() const override;
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

  /// What others than the reconciler have to remember, by keys of theirs, as it was when the folder was
  /// opened.
  const std::map<std::string, std::string>& notes() const { return content_.notes; }
  /// Remembers a value in place of the one before, or none any more. It rides on the next commit, in the
  /// order of the calls, and is tried again until it is on the disk, or another is remembered by that key.
  /// `written`: see Writer::writeSoon.
  void note(
      const std::string& key, const std::optional<std::string>& value,
      std::move_only_function<void()> written = [] {});

 private:
  struct FileId {
    dev_t device;
    ino_t inode;
  };

  explicit StateDir(std::filesystem::path path);
  Result<void> startWriting(Database database, boost::asio::any_io_executor executor);
  Result<void> written(const std::function<void(Tell tell)>& begin);
  Result<void> mayWrite() const;
  void submit(const EntryKey& key, const std::optional<plan::Entry>& entry, Tell tell);
  void remember(const EntryKey& key, const std::optional<plan::Entry>& entry, std::uint64_t call);
  std::vector<Change> takeUnsaved();
  void changed(const api::ObjectKey& key);
  void take(Content content);

  const std::filesystem::path path_;
  std::vector<std::string> warnings_;
  std::optional<FolderLock> lock_;  // of one that only reads: none
  std::optional<FileId> database_;  // the one that is written to
  mutable std::mutex mutex_;
  Content content_;
  std::set<api::ObjectKey> unsaved_;  // identities that are other than on the disk
  std::uint64_t identityChanges_ = 0;
  std::set<api::ObjectKey> requested_;  // to be deleted: the identities that have a time of it
  std::uint64_t calls_ = 0;             // of record(), recordSoon() and discard()
  /// Of entries that recordSoon() was told and that are not on the disk yet: the last call about each.
  std::map<EntryKey, std::uint64_t> soon_;
  std::unique_ptr<Writer> writer_;  // goes first: it uses the others
};

}  // namespace rookery::state
