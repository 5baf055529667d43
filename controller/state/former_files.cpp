#include "state/former_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>

#include "file/atomic.h"
#include "file/content.h"
#include "state/state_error.h"

namespace rookery::state {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr auto identitiesFile = "objects.json";
constexpr auto inventoryFolder = "inventory";
constexpr auto serverFile = "server.json";
/// Of a file. An entry takes about a kilobyte; identities some hundred bytes for each object, and the
/// manifest of those that are being deleted.
constexpr std::size_t maxEntryBytes = std::size_t{1} << 20;
constexpr std::size_t maxIdentitiesBytes = std::size_t{256} << 20;

/// Nothing: there is no such file, or it is a folder.
Result<std::optional<json>> readJson(const fs::path& path, std::size_t limit) {
  const auto content = file::read(path, limit);
  if (content) return json::parse(content->bytes, nullptr, false);
  if (content.error().cause == ENOENT || content.error().kind == file::Unread::Kind::Directory)
    return std::nullopt;
  return stateUnreadable(path, content.error().why);
}

/// Throws json::exception where it is none.
void readEntry(const fs::path& file, const json& value, Content& content) {
  if (file.filename() == serverFile) {
    content.restartChangesMemory[file.parent_path().filename()] = value.at("restartChangesMemory");
    return;
  }
  plan::Entry entry = plan::entryFromJson(value);
  plan::SharedInventory& inventory = content.inventories[entry.serverKey];
  albatross::Name name = entry.name;
  inventory.set(std::move(name), std::move(entry));
}

Result<void> readInventory(const fs::path& folder, FormerFiles& former) {
  std::error_code error;
  fs::recursive_directory_iterator item(folder, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  std::vector<fs::path> files;
  for (const fs::recursive_directory_iterator end; !error && item != end; item.increment(error)) {
    if (item->path().extension() == ".json") files.push_back(item->path());
  }
  if (error) return stateUnreadable(folder, error.message());
  for (const fs::path& file : files) {
    const auto value = readJson(file, maxEntryBytes);
    if (!value) return std::unexpected(value.error());
    try {
      if (*value) readEntry(file, **value, former.content);
    } catch (const json::exception&) {
      former.warnings.push_back(
          fmt::format("{} is not an inventory entry: what it stood for counts as not owned.", file.string()));
    }
  }
  return {};
}

/// Throws json::exception where it is none, and else leaves out what is not one of ours.
void readIdentity(const json& item, Content& content) {
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
  content.identities[{*kind, item.at("namespace"), item.at("name")}] = std::move(known);
}

Result<void> readIdentities(const fs::path& file, FormerFiles& former) {
  const auto value = readJson(file, maxIdentitiesBytes);
  if (!value) return std::unexpected(value.error());
  if (!*value) return {};
  if (!(*value)->is_array()) {
    former.warnings.push_back(
        fmt::format("{} does not list the objects' identities: all objects begin anew, "
                    "those that were asked to be deleted as not asked.",
                    file.string()));
    return {};
  }
  for (const json& item : **value) {
    try {
      readIdentity(item, former.content);
    } catch (const json::exception&) {
      continue;  // costs the object its age
    }
  }
  return {};
}

}  // namespace

bool isThere(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

fs::path asideName(const fs::path& file, const std::string& suffix) {
  fs::path name = file.string() + suffix;
  for (int number = 2; isThere(name); ++number) name = fmt::format("{}{}.{}", file.string(), suffix, number);
  return name;
}

Result<FormerFiles> readFormerFiles(const fs::path& folder) {
  FormerFiles former;
  if (auto read = readInventory(folder / inventoryFolder, former); !read)
    return std::unexpected(read.error());
  if (auto read = readIdentities(folder / identitiesFile, former); !read)
    return std::unexpected(read.error());
  return former;
}

Result<void> setFormerFilesAside(const fs::path& folder) {
  for (const char* name : {inventoryFolder, identitiesFile}) {
    const fs::path file = folder / name;
    if (isThere(file) && std::rename(file.c_str(), asideName(file, ".taken-over").c_str()) != 0)
      return stateUnwritable(file, errno);
  }
  if (const int cause = file::syncFolder(folder); cause != 0) return stateUnwritable(folder, cause);
  return {};
}

}  // namespace rookery::state
