#include "reconcile/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>

#include "api/manifest.h"
#include "api/uid.h"
#include "image/image.h"

namespace rookery::reconcile {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr auto identitiesFile = "objects.json";

std::unexpected<Error> unwritable(const fs::path& path, int error) {
  return fail(Reason::StateUnwritable,
              fmt::format("The state directory cannot be written: {}: {}. Nothing is sent to a "
                          "server that could not be remembered.",
                          path.string(), std::strerror(error)));
}

Result<void> syncFolder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return unwritable(folder, errno);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (result != 0) return unwritable(folder, error);
  return {};
}

/// Writes all of `content`; returns 0 or errno.
int writeAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

Result<void> writeAtomically(const fs::path& path, const std::string& content) {
  const fs::path temporary = path.string() + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return unwritable(temporary, errno);
  int error = writeAll(fd, content);
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    return unwritable(path, error);
  }
  return syncFolder(path.parent_path());
}

std::optional<json> readJson(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  json value = json::parse(in, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::string holderOf(int lock) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(lock, text.data(), text.size() - 1, 0);
  return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : "unknown";
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
  fs::create_directories(path / "inventory", error);
  if (error) return unwritable(path, error.value());
  const fs::path lockFile = path / "lock";
  const int lock = ::open(lockFile.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return unwritable(lockFile, errno);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const std::string holder = holderOf(lock);
    ::close(lock);
    return fail(
        Reason::StateDirLocked,
        fmt::format(
            "The state directory {} is in use by the rookery process {}. Stop that one first, or give "
            "this one another --state-dir.",
            path.string(), holder));
  }
  const std::string self = std::to_string(::getpid());
  if (::ftruncate(lock, 0) != 0 || ::pwrite(lock, self.data(), self.size(), 0) < 0) {
    const int failure = errno;
    ::close(lock);
    return unwritable(lockFile, failure);
  }
  std::unique_ptr<StateDir> state(new StateDir(path, lock));
  state->readEntries();
  state->readIdentities();
  return state;
}

StateDir::StateDir(fs::path path, int lock) : path_(std::move(path)), lock_(lock) {}

StateDir::~StateDir() { ::close(lock_); }

void StateDir::readEntries() {
  std::error_code error;
  for (fs::recursive_directory_iterator item(path_ / "inventory", error), end; !error && item != end;
       item.increment(error)) {
    std::error_code ignored;
    if (item->is_regular_file(ignored) && item->path().extension() == ".json") readEntry(item->path());
  }
  if (error)
    warnings_.push_back(
        fmt::format("{} cannot be read completely: {}.", (path_ / "inventory").string(), error.message()));
}

void StateDir::readEntry(const fs::path& file) {
  try {
    const auto value = readJson(file);
    if (!value) throw json::other_error::create(501, "not JSON", nullptr);
    if (file.filename() == "server.json") {
      restartChangesMemory_[file.parent_path().filename()] = value->at("restartChangesMemory");
      return;
    }
    const Entry entry = entryFromJson(*value);
    inventories_[entry.serverKey][entry.name] = entry;
  } catch (const json::exception&) {
    warnings_.push_back(fmt::format(
        "{} is not an inventory entry; it is set aside as {}.corrupt, and what it stood for counts as "
        "not owned.",
        file.string(), file.filename().string()));
    std::error_code ignored;
    fs::rename(file, file.string() + ".corrupt", ignored);
  }
}

void StateDir::readIdentities() {
  const auto value = readJson(path_ / identitiesFile);
  if (!value || !value->is_array()) return;
  for (const json& item : *value) {
    try {
      const auto kind = std::ranges::find_if(api::allKinds, [&](api::Kind known) {
        return api::toString(known) == item.at("kind").get_ref<const std::string&>();
      });
      if (kind == api::allKinds.end()) continue;
      Known known{
          {item.at("uid"), fromMillis(item.at("creationTimestamp")), std::nullopt, item.at("generation")},
          item.at("specDigest")};
      if (item.contains("deletionTimestamp"))
        known.identity.deletionTimestamp = fromMillis(item["deletionTimestamp"]);
      known.manifest = item.value("manifest", "");
      known.root = item.value("root", "");
      known.file = item.value("file", "");
      identities_[{*kind, item.at("namespace"), item.at("name")}] = std::move(known);
    } catch (const json::exception&) {
      continue;  // costs the object its age
    }
  }
}

fs::path StateDir::fileOf(const Entry& entry) const {
  return path_ / "inventory" / entry.serverKey / (entry.name.toString() + ".json");
}

std::vector<Entry> StateDir::entries() const {
  std::vector<Entry> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, inventory] : inventories_) {
    for (const auto& [name, entry] : inventory) all.push_back(entry);
  }
  return all;
}

Inventory StateDir::inventoryOf(const std::string& serverKey) const {
  const std::lock_guard lock(mutex_);
  const auto it = inventories_.find(serverKey);
  return it == inventories_.end() ? Inventory{} : it->second;
}

boost::asio::awaitable<Result<void>> StateDir::record(Entry entry) { co_return put(entry); }

boost::asio::awaitable<Result<void>> StateDir::discard(Entry entry) { co_return erase(entry); }

Result<void> StateDir::put(const Entry& entry) {
  const fs::path file = fileOf(entry);
  std::error_code error;
  if (fs::create_directories(file.parent_path(), error)) {
    if (auto synced = syncFolder(file.parent_path().parent_path()); !synced) return synced;
  }
  if (error) return unwritable(file.parent_path(), error.value());
  // A path need not be UTF-8. One that is not is of no source after a restart, and so nothing of it is
  // pruned.
  const std::string content = toJson(entry).dump(1, ' ', false, json::error_handler_t::replace);
  if (auto written = writeAtomically(file, content); !written) return written;
  const std::lock_guard lock(mutex_);
  inventories_[entry.serverKey][entry.name] = entry;
  return {};
}

Result<void> StateDir::erase(const Entry& entry) {
  const fs::path file = fileOf(entry);
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) return unwritable(file, errno);
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
  const fs::path folder = path_ / "inventory" / serverKey;
  std::error_code error;
  fs::create_directories(folder, error);
  // Losing this costs one restart in vain after the next start: not worth an error.
  std::ignore = writeAtomically(folder / "server.json", json{{"restartChangesMemory", changes}}.dump());
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

Result<void> StateDir::requestDeletion(const api::Object& object, api::SystemTime now) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = identities_.find(object.key());
    if (known == identities_.end()) return {};
    known->second.identity.deletionTimestamp = now;
    known->second.manifest = object.manifest.dump(-1, ' ', false, json::error_handler_t::replace);
    known->second.root = object.origin.root;
    known->second.file = object.origin.file;
    identitiesChanged_ = true;
  }
  return saveIdentities();
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
    if (!known.identity.deletionTimestamp) continue;
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
                   {"creationTimestamp", toMillis(known.identity.creationTimestamp)},
                   {"generation", known.identity.generation},
                   {"specDigest", known.specDigest}};
      if (known.identity.deletionTimestamp)
        item["deletionTimestamp"] = toMillis(*known.identity.deletionTimestamp);
      if (!known.manifest.empty()) {
        item["manifest"] = known.manifest;
        item["root"] = known.root.string();
        item["file"] = known.file.string();
      }
      value.push_back(std::move(item));
    }
    identitiesChanged_ = false;
  }
  Result<void> written = writeAtomically(path_ / identitiesFile, value.dump());
  if (!written) {
    const std::lock_guard lock(mutex_);
    identitiesChanged_ = true;  // to be tried again with the next
  }
  return written;
}

}  // namespace rookery::reconcile
