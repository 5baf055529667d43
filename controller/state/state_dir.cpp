#include "state/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>
#include <tuple>

#include "api/manifest.h"
#include "api/uid.h"
#include "image/image.h"
#include "state/state_file.h"
#include "yaml/writer.h"

namespace rookery::state {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr auto identitiesFile = "objects.json";
constexpr auto inventoryFolder = "inventory";
constexpr auto serverFile = "server.json";
constexpr auto lockFile = "lock";
constexpr int noLock = -1;
/// Of a file. An entry takes about a kilobyte; identities some hundred bytes for each object, and the
/// manifest of those that are being deleted.
constexpr std::size_t maxEntryBytes = std::size_t{1} << 20;
constexpr std::size_t maxIdentitiesBytes = std::size_t{256} << 20;

json parse(const std::string& text) { return json::parse(text, nullptr, false); }

/// Whether the lock is that of the file which is called `path` now. Error: StateUnreadable.
Result<bool> locks(int lock, const fs::path& path) {
  struct stat ours{}, there{};
  if (::fstat(lock, &ours) != 0) return stateUnreadable(path, errno);
  if (::stat(path.c_str(), &there) == 0) return ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return stateUnreadable(path, errno);
}

std::string holderOf(int lock) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(lock, text.data(), text.size() - 1, 0);
  return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : "unknown";
}

/// Takes the folder: the descriptor of its lock.
Result<int> take(const fs::path& folder) {
  const fs::path file = folder / lockFile;
  for (;;) {
    const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return stateUnwritable(file, errno);
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
      const std::string holder = holderOf(lock);
      ::close(lock);
      return fail(
          Reason::StateDirLocked,
          fmt::format(
              "The state directory {} is in use by the rookery process {}. Stop that one first, or give "
              "this one another --state-dir.",
              folder.string(), holder));
    }
    const Result<bool> same = locks(lock, file);
    if (same && *same) return lock;
    ::close(lock);
    if (!same) return std::unexpected(same.error());
  }
}

}  // namespace

fs::path StateDir::defaultPath() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return fs::path(state) / "rookery";
  if (::geteuid() == 0) return "/var/lib/rookery";
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "." : home) / ".local/state/rookery";
}

Result<std::unique_ptr<StateDir>> StateDir::open(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path / inventoryFolder, error);
  if (error) return stateUnwritable(path, error.value());
  const Result<int> lock = take(path);
  if (!lock) return std::unexpected(lock.error());
  std::unique_ptr<StateDir> state(new StateDir(path, *lock));
  const std::string self = std::to_string(::getpid());
  if (::ftruncate(*lock, 0) != 0 || ::pwrite(*lock, self.data(), self.size(), 0) < 0)
    return stateUnwritable(path / lockFile, errno);
  if (auto read = state->readAll(); !read) return std::unexpected(read.error());
  return state;
}

Result<std::unique_ptr<StateDir>> StateDir::read(const fs::path& path) {
  std::unique_ptr<StateDir> state(new StateDir(path, noLock));
  if (auto read = state->readAll(); !read) return std::unexpected(read.error());
  return state;
}

StateDir::StateDir(fs::path path, int lock) : path_(std::move(path)), lock_(lock) {}

StateDir::~StateDir() {
  if (!readsOnly()) ::close(lock_);
}

bool StateDir::readsOnly() const { return lock_ == noLock; }

Result<void> StateDir::held() const {
  if (readsOnly()) return {};
  const Result<bool> same = locks(lock_, path_ / lockFile);
  if (!same) return std::unexpected(same.error());
  if (*same) return {};
  return fail(
      Reason::StateDirLost,
      fmt::format("The state directory {} was removed or replaced while it was in use; another process "
                  "may have it. Nothing more is sent to any server. Start rookery again.",
                  path_.string()));
}

Result<void> StateDir::mayWrite() const {
  if (!readsOnly()) return held();
  return fail(Reason::StateUnwritable,
              fmt::format("The state directory {} was opened for reading only.", path_.string()));
}

Result<void> StateDir::readAll() {
  if (!readsOnly()) removeHalfWritten(path_);
  if (auto read = readEntries(); !read) return read;
  return readIdentities();
}

Result<void> StateDir::readEntries() {
  const fs::path folder = path_ / inventoryFolder;
  std::error_code error;
  fs::recursive_directory_iterator item(folder, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  std::vector<fs::path> files, folders = {folder};
  for (const fs::recursive_directory_iterator end; !error && item != end; item.increment(error)) {
    if (item->path().extension() == ".json") files.push_back(item->path());
    std::error_code ignored;
    if (item->is_directory(ignored)) folders.push_back(item->path());
  }
  if (error) return stateUnreadable(folder, error.value());
  for (const fs::path& file : files) {
    if (auto read = readEntry(file); !read) return read;
  }
  if (!readsOnly()) std::ranges::for_each(folders, removeHalfWritten);
  return {};
}

Result<void> StateDir::readEntry(const fs::path& file) {
  const auto text = readStateFile(file, maxEntryBytes);
  if (!text) return std::unexpected(text.error());
  if (!*text) return {};  // it has been erased meanwhile
  try {
    const json value = parse(**text);
    if (file.filename() == serverFile) {
      restartChangesMemory_[file.parent_path().filename()] = value.at("restartChangesMemory");
    } else {
      const plan::Entry entry = plan::entryFromJson(value);
      inventories_[entry.serverKey][entry.name] = entry;
    }
    return {};
  } catch (const json::exception&) {
    return setAside(file, "is not an inventory entry", "what it stood for counts as not owned");
  }
}

/// What was read of a file is not what it should be.
Result<void> StateDir::setAside(const fs::path& file, std::string_view what, std::string_view loss) {
  const std::string aside = file.string() + ".corrupt";
  if (readsOnly()) {
    warnings_.push_back(fmt::format("{} {}: {}.", file.string(), what, loss));
    return {};
  }
  if (::rename(file.c_str(), aside.c_str()) != 0) return stateUnwritable(file, errno);
  warnings_.push_back(fmt::format("{} {}; it is set aside as {}, and {}.", file.string(), what,
                                  fs::path(aside).filename().string(), loss));
  return {};
}

Result<void> StateDir::readIdentities() {
  const fs::path file = path_ / identitiesFile;
  const auto text = readStateFile(file, maxIdentitiesBytes);
  if (!text) return std::unexpected(text.error());
  if (!*text) return {};
  const json value = parse(**text);
  if (!value.is_array()) {
    return setAside(file, "does not list the objects' identities",
                    "all objects begin anew, those that were asked to be deleted as not asked");
  }
  for (const json& item : value) {
    try {
      readIdentity(item);
    } catch (const json::exception&) {
      continue;  // costs the object its age
    }
  }
  return {};
}

/// Throws json::exception where it is none, and else leaves out what is not one of ours.
void StateDir::readIdentity(const json& item) {
  const auto kind = api::kindNamed(item.at("kind").get_ref<const std::string&>());
  if (!kind || !item.at("generation").is_number_integer()) return;
  Known known{
      {item.at("uid"), plan::timeFromJson(item.at("creationTimestamp")), std::nullopt, item.at("generation")},
      item.at("specDigest")};
  if (item.contains("deletionTimestamp"))
    known.identity.deletionTimestamp = plan::timeFromJson(item["deletionTimestamp"]);
  known.manifest = item.value("manifest", "");
  known.root = item.value("root", "");
  known.file = item.value("file", "");
  identities_[{*kind, item.at("namespace"), item.at("name")}] = std::move(known);
}

fs::path StateDir::fileOf(const plan::Entry& entry) const {
  return path_ / inventoryFolder / entry.serverKey / (entry.name.toString() + ".json");
}

std::vector<plan::Entry> StateDir::entries() const {
  std::vector<plan::Entry> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, inventory] : inventories_) {
    for (const auto& [name, entry] : inventory) all.push_back(entry);
  }
  return all;
}

plan::Inventory StateDir::inventoryOf(const std::string& serverKey) const {
  const std::lock_guard lock(mutex_);
  const auto it = inventories_.find(serverKey);
  return it == inventories_.end() ? plan::Inventory{} : it->second;
}

boost::asio::awaitable<Result<void>> StateDir::record(plan::Entry entry) { co_return put(entry); }

boost::asio::awaitable<Result<void>> StateDir::discard(plan::Entry entry) { co_return erase(entry); }

Result<void> StateDir::put(const plan::Entry& entry) {
  if (auto may = mayWrite(); !may) return may;
  const fs::path file = fileOf(entry);
  std::error_code error;
  if (fs::create_directories(file.parent_path(), error)) {
    if (auto synced = syncStateFolder(file.parent_path().parent_path()); !synced) return synced;
  }
  if (error) return stateUnwritable(file.parent_path(), error.value());
  // A path need not be UTF-8. One that is not is of no source after a restart, and so nothing of it is
  // pruned.
  const std::string content = yaml::dump(toJson(entry), 1);
  if (auto written = writeStateFile(file, content); !written) return written;
  const std::lock_guard lock(mutex_);
  inventories_[entry.serverKey][entry.name] = entry;
  return {};
}

Result<void> StateDir::erase(const plan::Entry& entry) {
  if (auto may = mayWrite(); !may) return may;
  const fs::path file = fileOf(entry);
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) return stateUnwritable(file, errno);
  const std::lock_guard lock(mutex_);
  inventories_[entry.serverKey].erase(entry.name);
  return {};
}

std::optional<bool> StateDir::restartChangesMemory(const std::string& serverKey) const {
  const std::lock_guard lock(mutex_);
  const auto it = restartChangesMemory_.find(serverKey);
  return it == restartChangesMemory_.end() ? std::nullopt : std::optional(it->second);
}

void StateDir::setRestartChangesMemory(const std::string& serverKey, bool changes) {
  {
    const std::lock_guard lock(mutex_);
    restartChangesMemory_[serverKey] = changes;
  }
  if (!mayWrite()) return;
  const fs::path folder = path_ / inventoryFolder / serverKey;
  std::error_code error;
  fs::create_directories(folder, error);
  // Losing this costs one restart in vain after the next start: not worth an error.
  std::ignore = writeStateFile(folder / serverFile, json{{"restartChangesMemory", changes}}.dump());
}

api::Identity StateDir::identify(const api::ObjectKey& key, const std::string& specDigest,
                                 api::SystemTime now) {
  const std::lock_guard lock(mutex_);
  const auto [it, added] = identities_.try_emplace(key);
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
  if (!(known == before)) identitiesChanged_ = true;
  return known.identity;
}

std::optional<api::Identity> StateDir::identityOf(const api::ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto known = identities_.find(key);
  return known == identities_.end() ? std::nullopt : std::optional(known->second.identity);
}

Result<void> StateDir::requestDeletion(const api::Object& object, api::SystemTime now) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = identities_.find(object.key());
    if (known == identities_.end()) return {};
    known->second.identity.deletionTimestamp = now;
    known->second.keep(object);
    identitiesChanged_ = true;
  }
  return saveIdentities();
}

Result<std::optional<api::Identity>> StateDir::amendDeletion(const api::Object& object,
                                                             const std::string& uid) {
  api::Identity identity;
  {
    const std::lock_guard lock(mutex_);
    const auto found = identities_.find(object.key());
    if (found == identities_.end() || found->second.identity.uid != uid) return std::nullopt;
    Known& known = found->second;
    if (known.specDigest != object.specDigest) ++known.identity.generation;
    known.specDigest = object.specDigest;
    known.keep(object);
    identitiesChanged_ = true;
    identity = known.identity;
  }
  if (auto saved = saveIdentities(); !saved) return std::unexpected(saved.error());
  return identity;
}

void StateDir::Known::keep(const api::Object& object) {
  manifest = yaml::dump(object.manifest);
  root = object.origin.root;
  file = object.origin.file;
}

std::set<api::ObjectKey> StateDir::deletionRequests() const {
  std::set<api::ObjectKey> requests;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, known] : identities_) {
    if (known.identity.deletionTimestamp) requests.insert(key);
  }
  return requests;
}

std::vector<StateDir::Deletion> StateDir::deletions() const {
  std::vector<Deletion> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, known] : identities_) {
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
  if (identities_.erase(key) > 0) identitiesChanged_ = true;
}

Result<void> StateDir::saveIdentities() {
  if (auto may = mayWrite(); !may) return may;
  const std::lock_guard saving(saving_);
  json value = json::array();
  {
    const std::lock_guard lock(mutex_);
    if (!identitiesChanged_) return {};
    for (const auto& [key, known] : identities_) {
      json item = {{"kind", api::toString(key.kind)},
                   {"namespace", key.nameSpace},
                   {"name", key.name},
                   {"uid", known.identity.uid},
                   {"creationTimestamp", plan::toMillis(known.identity.creationTimestamp)},
                   {"generation", known.identity.generation},
                   {"specDigest", known.specDigest}};
      if (known.identity.deletionTimestamp)
        item["deletionTimestamp"] = plan::toMillis(*known.identity.deletionTimestamp);
      if (!known.manifest.empty()) {
        item["manifest"] = known.manifest;
        item["root"] = known.root.string();
        item["file"] = known.file.string();
      }
      value.push_back(std::move(item));
    }
    identitiesChanged_ = false;
  }
  Result<void> written = writeStateFile(path_ / identitiesFile, value.dump());
  if (!written) {
    const std::lock_guard lock(mutex_);
    identitiesChanged_ = true;  // to be tried again with the next
  }
  return written;
}

}  // namespace rookery::state
