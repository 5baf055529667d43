#include "state/state_dir.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/manifest.h"
#include "api/uid.h"
#include "file/atomic.h"
#include "state/state_error.h"
#include "state/stored.h"
#include "state/writer.h"
#include "yaml/writer.h"

namespace rookery::state {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

EntryKey keyOf(const plan::Entry& entry) { return {entry.serverKey, entry.name, entry.isVolume()}; }

}  // namespace

fs::path StateDir::defaultPath() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return fs::path(state) / "rookery";
  if (::geteuid() == 0) return "/var/lib/rookery";
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "." : home) / ".local/state/rookery";
}

StateDir::StateDir(fs::path path) : path_(std::move(path)) {}

StateDir::~StateDir() = default;

Result<std::unique_ptr<StateDir>> StateDir::open(const fs::path& path, asio::any_io_executor executor) {
  if (const int cause = file::makeFolder(path); cause != 0) return stateUnwritable(path, cause);
  auto lock = FolderLock::take(path);
  if (!lock) return std::unexpected(lock.error());
  auto stored = readStored(path, Others::Rest);
  if (!stored) return std::unexpected(stored.error());
  auto database = openStored(path, *stored);
  if (!database) return std::unexpected(database.error());
  std::unique_ptr<StateDir> state(new StateDir(path));
  state->lock_.emplace(*std::move(lock));
  state->warnings_ = warningsAbout(path, *stored, true);
  state->take(std::move(stored->content));
  if (auto started = state->startWriting(*std::move(database), std::move(executor)); !started)
    return std::unexpected(started.error());
  return state;
}

Result<std::unique_ptr<StateDir>> StateDir::read(const fs::path& path) {
  auto stored = readStored(path, FolderLock::isHeld(path) ? Others::Write : Others::Rest);
  if (!stored) return std::unexpected(stored.error());
  std::unique_ptr<StateDir> state(new StateDir(path));
  state->warnings_ = warningsAbout(path, *stored, false);
  state->take(std::move(stored->content));
  return state;
}

Result<void> StateDir::startWriting(Database database, asio::any_io_executor executor) {
  const fs::path file = databaseIn(path_);
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return stateUnreadable(file, errno);
  database_ = {status.st_dev, status.st_ino};
  auto writer = Writer::start(std::move(database), file, [this] { return held(); }, std::move(executor));
  if (!writer) return std::unexpected(writer.error());
  writer_ = *std::move(writer);
  return {};
}

Result<void> StateDir::held() const {
  if (!lock_) return {};
  const Result<bool> stands = lock_->stands();
  if (!stands) return std::unexpected(stands.error());
  struct stat status{};
  if (*stands && ::stat(databaseIn(path_).c_str(), &status) == 0 && status.st_dev == database_->device &&
      status.st_ino == database_->inode)
    return {};
  return fail(
      Reason::StateDirLost,
      fmt::format("The state directory {} was removed or replaced while it was in use; another process "
                  "may have it. Nothing more is sent to any server. Start rookery again.",
                  path_.string()));
}

Result<void> StateDir::mayWrite() const {
  if (writer_) return {};
  return fail(Reason::StateUnwritable,
              fmt::format("The state directory {} was opened for reading only.", path_.string()));
}

std::vector<plan::Entry> StateDir::entries() const {
  std::vector<plan::Entry> all;
  const std::lock_guard lock(mutex_);
  for (const auto* kept : {&content_.inventories, &content_.volumes}) {
    for (const auto& [key, inventory] : *kept) {
      for (const auto& [name, entry] : inventory) all.push_back(entry);
    }
  }
  return all;
}

plan::Inventories StateDir::inventories() const {
  const std::lock_guard lock(mutex_);
  return content_.inventories;
}

plan::SharedInventory StateDir::inventoryOf(const std::string& serverKey) const {
  const std::lock_guard lock(mutex_);
  const auto it = content_.inventories.find(serverKey);
  return it == content_.inventories.end() ? plan::SharedInventory{} : it->second;
}

plan::Inventories StateDir::volumes() const {
  const std::lock_guard lock(mutex_);
  return content_.volumes;
}

asio::awaitable<Result<void>> StateDir::record(plan::Entry entry) {
  const auto begin = [this, &entry](Tell tell) { submit(keyOf(entry), entry, std::move(tell)); };
  co_return co_await toldOf(begin);
}

asio::awaitable<Result<void>> StateDir::discard(plan::Entry entry) {
  const auto begin = [this, &entry](Tell tell) { submit(keyOf(entry), std::nullopt, std::move(tell)); };
  co_return co_await toldOf(begin);
}

/// The thread that asks for it writes it.
Result<void> StateDir::written(const std::function<void(Tell tell)>& begin) {
  return waitFor(begin, [this] {
    if (writer_) writer_->flush();
  });
}

Result<void> StateDir::put(const plan::Entry& entry) {
  return written([&](Tell tell) { submit(keyOf(entry), entry, std::move(tell)); });
}

Result<void> StateDir::erase(const plan::Entry& entry) {
  return written([&](Tell tell) { submit(keyOf(entry), std::nullopt, std::move(tell)); });
}

/// Under the mutex until the writer has it: the order of the calls is that on the disk.
void StateDir::submit(const EntryKey& key, const std::optional<plan::Entry>& entry, Tell tell) {
  if (auto may = mayWrite(); !may) return tell(std::move(may));
  const std::lock_guard lock(mutex_);
  auto end = [this, key, entry, call = ++calls_, tell = std::move(tell)](Result<void> ended) mutable {
    if (ended) remember(key, entry, call);
    tell(std::move(ended));
  };
  std::vector<Change> changes;
  changes.push_back(entry ? Change(*entry) : Change(key));
  writer_->write(std::move(changes), std::move(end));
}

/// It is on the disk. What recordSoon() was told after that call has been seen, and is not undone.
void StateDir::remember(const EntryKey& key, const std::optional<plan::Entry>& entry, std::uint64_t call) {
  const std::lock_guard lock(mutex_);
  const auto later = soon_.find(key);
  if (later != soon_.end() && later->second > call) return;
  plan::SharedInventory& inventory = content_.inventoryFor(key.volume, key.serverKey);
  if (entry) {
    inventory.set(key.name, *entry);
  } else {
    inventory.erase(key.name);
  }
}

asio::awaitable<Result<void>> StateDir::recordSoon(plan::Entry entry) {
  if (auto may = mayWrite(); !may) co_return may;
  if (auto may = held(); !may) co_return may;
  const std::lock_guard lock(mutex_);
  const EntryKey key = keyOf(entry);
  const std::uint64_t call = ++calls_;
  content_.inventoryFor(key.volume, key.serverKey).set(key.name, entry);
  soon_[key] = call;
  writer_->writeSoon(std::move(entry), [this, key, call] {
    const std::lock_guard relock(mutex_);
    const auto last = soon_.find(key);
    if (last != soon_.end() && last->second == call) soon_.erase(last);
  });
  co_return Result<void>{};
}

std::optional<bool> StateDir::restartChangesMemory(const std::string& serverKey) const {
  const std::lock_guard lock(mutex_);
  const auto it = content_.restartChangesMemory.find(serverKey);
  return it == content_.restartChangesMemory.end() ? std::nullopt : std::optional(it->second);
}

// Losing this costs one restart in vain after the next start: not worth an error.
void StateDir::setRestartChangesMemory(const std::string& serverKey, bool changes) {
  const std::lock_guard lock(mutex_);
  content_.restartChangesMemory[serverKey] = changes;
  if (writer_) writer_->writeSoon(ServerMemory{serverKey, changes});
}

void StateDir::note(const std::string& key, const std::optional<std::string>& value,
                    std::move_only_function<void()> written) {
  if (writer_) writer_->writeSoon(Note{key, value}, std::move(written));
}

api::Identity StateDir::identify(const api::ObjectKey& key, const std::string& specDigest,
                                 api::SystemTime now) {
  const std::lock_guard lock(mutex_);
  const auto [it, added] = content_.identities.try_emplace(key);
  Known& known = it->second;
  const Known before = known;
  if (added) {
    known = {{api::newUid(), std::chrono::floor<std::chrono::seconds>(now), std::nullopt, 1}, specDigest};
  } else if (known.specDigest != specDigest) {
    ++known.identity.generation;
    known.specDigest = specDigest;
  }
  known.identity.deletionTimestamp.reset();
  known.manifest.clear();
  if (!(known == before)) changed(key);
  return known.identity;
}

std::optional<api::Identity> StateDir::identityOf(const api::ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto known = content_.identities.find(key);
  return known == content_.identities.end() ? std::nullopt : std::optional(known->second.identity);
}

Result<void> StateDir::requestDeletion(const api::Object& object, api::SystemTime now) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = content_.identities.find(object.key());
    if (known == content_.identities.end()) return {};
    known->second.identity.deletionTimestamp = now;
    known->second.keep(object);
    changed(object.key());
    ++identityChanges_;
  }
  return saveIdentities();
}

Result<std::optional<api::Identity>> StateDir::amendDeletion(const api::Object& object,
                                                             const std::string& uid) {
  api::Identity identity;
  {
    const std::lock_guard lock(mutex_);
    const auto found = content_.identities.find(object.key());
    if (found == content_.identities.end() || found->second.identity.uid != uid) return std::nullopt;
    Known& known = found->second;
    if (known.specDigest != object.specDigest) ++known.identity.generation;
    known.specDigest = object.specDigest;
    known.keep(object);
    changed(object.key());
    ++identityChanges_;
    identity = known.identity;
  }
  if (auto saved = saveIdentities(); !saved) return std::unexpected(saved.error());
  return identity;
}

void Known::keep(const api::Object& object) {
  manifest = yaml::dump(object.manifest.unpack());
  root = object.origin.root;
  file = object.origin.file;
}

std::set<api::ObjectKey> StateDir::deletionRequests() const {
  const std::lock_guard lock(mutex_);
  return requested_;
}

/// What is known of an object is other than before.
void StateDir::changed(const api::ObjectKey& key) {
  unsaved_.insert(key);
  const auto known = content_.identities.find(key);
  if (known != content_.identities.end() && known->second.identity.deletionTimestamp) {
    requested_.insert(key);
  } else {
    requested_.erase(key);
  }
}

/// All that is known, as it was read.
void StateDir::take(Content content) {
  content_ = std::move(content);
  for (const auto& [key, known] : content_.identities) {
    if (known.identity.deletionTimestamp) requested_.insert(key);
  }
}

std::vector<StateDir::Deletion> StateDir::deletions() const {
  std::vector<Deletion> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, known] : content_.identities) {
    if (known.manifest.empty()) continue;
    const api::Manifest parsed = api::readDocument(json::parse(known.manifest, nullptr, false),
                                                   {.root = known.root, .file = known.file});
    for (const api::ObjectPtr& object : parsed.objects) {
      if (object->key() == key) all.push_back({object, known.identity});
    }
  }
  return all;
}

void StateDir::forgetIdentity(const api::ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  if (content_.identities.erase(key) == 0) return;
  changed(key);
  ++identityChanges_;
}

std::optional<std::uint64_t> StateDir::identityChanges() const {
  const std::lock_guard lock(mutex_);
  return identityChanges_;
}

Result<void> StateDir::saveIdentities() {
  if (auto may = mayWrite(); !may) return may;
  return written([this](Tell tell) {
    const std::lock_guard lock(mutex_);
    if (unsaved_.empty()) return tell({});
    auto end = [this, keys = unsaved_, tell = std::move(tell)](Result<void> ended) mutable {
      if (!ended) {
        const std::lock_guard relock(mutex_);
        unsaved_.merge(keys);  // to be tried again with the next
      }
      tell(std::move(ended));
    };
    writer_->write(takeUnsaved(), std::move(end));
  });
}

/// The identities that are to be written, which then are not any more.
std::vector<Change> StateDir::takeUnsaved() {
  std::vector<Change> changes;
  for (const api::ObjectKey& key : std::exchange(unsaved_, {})) {
    const auto known = content_.identities.find(key);
    if (known == content_.identities.end()) {
      changes.emplace_back(key);
    } else {
      changes.emplace_back(KnownObject{key, known->second});
    }
  }
  return changes;
}

}  // namespace rookery::state
