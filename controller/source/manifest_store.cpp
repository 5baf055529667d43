#include "source/manifest_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "api/manifest.h"
#include "api/path.h"
#include "api/schema.h"
#include "api/syntax.h"
#include "api/validate.h"
#include "file/disk.h"
#include "source/atomic_file.h"
#include "text.h"
#include "yaml/edit.h"
#include "yaml/pieces.h"
#include "yaml/yaml.h"

namespace rookery::source {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr mode_t secretMode = 0600;
constexpr mode_t manifestMode = 0640;

/// What the API server sets in metadata (Kubernetes' meta/v1 ObjectMeta): no part of what is declared.
constexpr const char* serverSet[] = {"uid",           "resourceVersion",   "creationTimestamp", "generation",
                                     "managedFields", "deletionTimestamp", "selfLink"};

json declaredPart(json manifest) {
  if (!manifest.is_object()) return manifest;
  manifest.erase("status");
  const auto metadata = manifest.find("metadata");
  if (metadata == manifest.end() || !metadata->is_object()) return manifest;
  for (const char* field : serverSet) metadata->erase(field);
  return manifest;
}

/// `manifest` without what `written` leaves unsaid and what goes without saying.
json withoutAdded(api::Kind kind, json manifest, const json& written) {
  manifest = api::withoutAddedDefaults(api::manifestSchemaOf(kind), std::move(manifest), written);
  json& metadata = manifest.at("metadata");
  const bool unsaid = !written.at("metadata").contains("namespace");
  if (unsaid && metadata.value("namespace", json()) == "default") metadata.erase("namespace");
  return manifest;
}

/// Also one with a mistake in it, and what may be meant as one.
bool declaresSecret(const api::Manifest& manifest) {
  const auto isSecret = [](const api::ObjectKey& key) { return key.kind == api::Kind::Secret; };
  return std::ranges::any_of(manifest.objects, isSecret, &api::Object::key) ||
         std::ranges::any_of(manifest.invalid, isSecret);
}

bool isSame(const api::Object& one, const api::Object& other) {
  // A Secret's data is in its digest only.
  return one.key() == other.key() && one.manifest == other.manifest && one.specDigest == other.specDigest;
}

std::unexpected<Error> changedOnDisk(const api::Object& object, std::string_view how) {
  return fail(Reason::Conflict,
              fmt::format("{} {} in {}; look at it again, and repeat the change if it is still wanted.",
                          object.key().toString(), how, object.origin.file.string()));
}

std::unexpected<Error> inFile(const fs::path& file, const Error& error) {
  return fail(error.reason, fmt::format("{}: {}; nothing was changed.", file.string(), error.message));
}

/// `object` as `manifest` declares it: as the caller knows it, and nowhere else in the file.
Result<api::ObjectPtr> findUnchanged(const api::Manifest& manifest, const api::Object& object) {
  if (!manifest.parsed) {
    return fail(Reason::InvalidManifest,
                fmt::format("{} cannot be changed, as it does not parse: {}. Mend it first.",
                            object.origin.file.string(), manifest.problems.front().toString()));
  }
  const auto declares = [&](const api::ObjectPtr& each) { return each->key() == object.key(); };
  const auto count = std::ranges::count_if(manifest.objects, declares);
  const bool invalid = manifest.invalid.contains(object.key());
  if (count == 0 && !invalid) return changedOnDisk(object, "is no longer declared");
  if (count > 1 || invalid) return changedOnDisk(object, "is not declared once and without a mistake");
  api::ObjectPtr found = *std::ranges::find_if(manifest.objects, declares);
  if (!isSame(*found, object)) return changedOnDisk(object, "was changed by somebody else");
  return found;
}

/// The part of a text that the document in that line is in: all of it where it cannot be cut.
yaml::Piece pieceAt(std::string_view text, yaml::Notation notation, std::size_t line) {
  const std::vector<yaml::Piece> pieces =
      notation == yaml::Notation::Yaml ? yaml::cut(text) : std::vector<yaml::Piece>{};
  const auto after = std::ranges::upper_bound(pieces, line, {}, &yaml::Piece::line);
  if (after == pieces.begin()) return {.begin = 0, .end = text.size()};
  return *std::prev(after);
}

}  // namespace

/// The document of an object in its file.
struct ManifestStore::Located {
  fs::path file;  // symbolic links resolved
  FileState state;
  std::string text;
  yaml::Notation notation;
  bool secrets;                           // the file holds some
  yaml::Piece piece;                      // of the text, that the document is in
  std::vector<yaml::Document> documents;  // of the piece
  std::size_t document;                   // among them

  std::string_view pieceText() const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
};

Result<ManifestStore::Located> ManifestStore::locate(const api::Object& object) const {
  const fs::path& named = object.origin.file;
  std::error_code error;
  const fs::path file = fs::canonical(named, error);
  const auto state = error ? std::nullopt : stateOf(file);
  if (!state) return changedOnDisk(object, "is no longer declared");
  Result<std::string> text = api::readText(file);
  if (!text) return inFile(named, text.error());
  const api::Manifest manifest =
      api::parseManifestFile(*text, {.root = object.origin.root, .file = named}, false, documents_.get());
  const auto found = findUnchanged(manifest, object);
  if (!found) return std::unexpected(found.error());
  const yaml::Notation notation = yaml::notationOf(named);
  Located located{.file = file,
                  .state = *state,
                  .text = *std::move(text),
                  .notation = notation,
                  .secrets = declaresSecret(manifest),
                  .piece = {},
                  .documents = {},
                  .document = 0};
  located.piece = pieceAt(located.text, notation, (*found)->origin.line);
  auto documents = yaml::parse(located.pieceText(), notation);
  if (!documents) {  // what is not too much in a large text may be in a small one
    located.piece = {.begin = 0, .end = located.text.size()};
    documents = yaml::parse(located.text, notation);
  }
  check(documents.has_value(), "a manifest that parses is YAML");
  const auto document = std::ranges::find_if(
      *documents, [&](const yaml::Document& each) { return api::keyOf(each.value) == object.key(); });
  if (document == documents->end()) {
    return fail(Reason::Conflict,
                fmt::format("{} is an item of a List in {}; give it a document of its own there, so that it "
                            "can be changed.",
                            object.key().toString(), named.string()));
  }
  located.document = static_cast<std::size_t>(document - documents->begin());
  located.documents = std::move(*documents);
  return located;
}

/// The source reads what is written next: nothing is that it would not take.
Result<void> ManifestStore::checkTakes(std::string_view text, const api::Origin& origin,
                                       const api::ObjectKey& key) const {
  const api::Manifest manifest =
      api::parseManifestFile(text, {.root = origin.root, .file = origin.file}, false, documents_.get());
  const auto declares = [&](const api::ObjectPtr& each) { return each->key() == key; };
  if (manifest.parsed && std::ranges::count_if(manifest.objects, declares) == 1) return {};
  const auto problem = std::ranges::find_if(
      manifest.problems, [&](const api::Problem& each) { return !each.object || each.object == key; });
  std::string why = "the result would not be read as that object";
  if (problem != manifest.problems.end()) {
    why = problem->field.empty() ? problem->message : fmt::format("{}: {}", problem->field, problem->message);
  }
  return fail(Reason::InvalidManifest, fmt::format("{} is not written: {}.", key.toString(), why));
}

namespace {

/// The reserve of the file system stays free when that much is written beside what there is.
Result<void> checkRoom(const fs::path& file, std::size_t bytes) {
  const file::DiskRoom room = file::diskRoom(file.parent_path());
  if (bytes <= room.left) return {};
  return unwritable(file, file::noRoomBut(room.reserve), ENOSPC);
}

/// The file of a new object. Names that could lead out of the folder are refused whatever the caller checked.
Result<std::string> fileNameOf(const api::ObjectKey& key) {
  constexpr std::size_t longestName = 253;
  api::Complaint complaint = api::checkName(key.name, longestName);
  if (!complaint && !key.nameSpace.empty()) complaint = api::checkNamespace(key.nameSpace);
  if (complaint) {
    return fail(Reason::InvalidManifest, fmt::format("{} is not written: {}.", key.toString(), *complaint));
  }
  const std::string kind = toLower(api::toString(key.kind));
  std::string name = key.nameSpace.empty() ? fmt::format("{}.{}.yaml", kind, key.name)
                                           : fmt::format("{}.{}.{}.yaml", kind, key.nameSpace, key.name);
  if (name.size() <= NAME_MAX) return name;
  return fail(Reason::InvalidManifest,
              fmt::format("{} is not written: its name is too long for the name of a file; give it a shorter "
                          "one, or write its manifest by hand.",
                          key.toString()));
}

}  // namespace

ManifestStore::ManifestStore(fs::path folder, std::shared_ptr<api::DocumentCache> documents)
    : folder_(std::move(folder)), documents_(std::move(documents)) {}

Result<ManifestStore> ManifestStore::open(const fs::path& folder,
                                          std::shared_ptr<api::DocumentCache> documents) {
  removeLeftovers(folder);
  if (auto prepared = prepareFolder(folder); !prepared) return std::unexpected(prepared.error());
  return ManifestStore(folder, std::move(documents));
}

bool ManifestStore::holds(const api::Origin& origin) const {
  std::error_code error;
  const fs::path folder = fs::canonical(folder_, error);
  if (error) return false;
  const fs::path file = fs::weakly_canonical(origin.file, error);
  return !error && file != folder && api::liesBelow(file, folder);
}

Result<fs::path> ManifestStore::put(const json& manifest, const api::Object* existing) {
  if (yaml::isTooDeep(manifest)) {
    return fail(Reason::InvalidManifest,
                fmt::format("The manifest is nested more than {} levels deep.", yaml::maxDepth));
  }
  json declared = declaredPart(manifest);
  const auto key = api::keyOf(declared);
  if (!key) {
    return fail(Reason::InvalidManifest,
                "The manifest does not say which object it declares; give it a kind and a metadata.name.");
  }
  if (existing == nullptr) return create(*key, declared);
  if (*key == existing->key()) return update(*existing, std::move(declared));
  return fail(Reason::InvalidManifest, fmt::format("{} cannot become {}; write that one as a new object.",
                                                   existing->key().toString(), key->toString()));
}

Result<fs::path> ManifestStore::create(const api::ObjectKey& key, const json& manifest) {
  const Result<std::string> name = fileNameOf(key);
  if (!name) return std::unexpected(name.error());
  const fs::path file = folder_ / *name;
  if (stateOf(file)) {
    return fail(
        Reason::Conflict,
        fmt::format("{} is not written as a new object: there is a file {} already. Look at it again; if "
                    "it does not declare the object, give it another name.",
                    key.toString(), file.string()));
  }
  const Result<std::string> text = yaml::create(manifest, api::keyOrder);
  if (!text) return inFile(file, text.error());
  if (auto taken = checkTakes(*text, {.root = folder_, .file = file}, key); !taken)
    return std::unexpected(taken.error());
  if (auto room = checkRoom(file, text->size()); !room) return std::unexpected(room.error());
  const mode_t mode = key.kind == api::Kind::Secret ? secretMode : manifestMode;
  if (auto created = createFile(file, *text, mode); !created) return std::unexpected(created.error());
  return Result<fs::path>(file);
}

namespace {

std::unexpected<Error> outside(const api::Object& object, const fs::path& folder) {
  return fail(Reason::OutsideStore,
              fmt::format("{} comes from {}, which is not in the writable folder {}; change it there.",
                          object.key().toString(), object.origin.file.string(), folder.string()));
}

}  // namespace

/// Replaces the file by `text`, which says what it said but for the object.
Result<void> ManifestStore::replace(const Located& located, std::string_view text) {
  Access access = located.state.access;
  if (located.secrets) access.mode &= secretMode;
  return replaceFile(located.file, text, access, located.state.stamp);
}

Result<fs::path> ManifestStore::update(const api::Object& existing, json manifest) {
  if (!holds(existing.origin)) return outside(existing, folder_);
  const Result<Located> located = locate(existing);
  if (!located) return std::unexpected(located.error());
  const json& written = located->documents[located->document].value;
  manifest = withoutAdded(existing.kind(), std::move(manifest), written);
  const Result<std::string> edited =
      yaml::edit(located->pieceText(), located->document, manifest, located->notation, api::keyOrder);
  if (!edited) return inFile(existing.origin.file, edited.error());
  if (*edited == located->pieceText()) return existing.origin.file;
  std::string text = located->text;
  text.replace(located->piece.begin, located->piece.end - located->piece.begin, *edited);
  if (auto taken = checkTakes(text, existing.origin, existing.key()); !taken)
    return std::unexpected(taken.error());
  if (auto room = checkRoom(located->file, text.size()); !room) return std::unexpected(room.error());
  if (auto replaced = replace(*located, text); !replaced) return std::unexpected(replaced.error());
  return existing.origin.file;
}

Result<void> ManifestStore::erase(const api::Object& existing) {
  if (!holds(existing.origin)) return outside(existing, folder_);
  const Result<Located> located = locate(existing);
  if (!located) return std::unexpected(located.error());
  const auto documents = yaml::parse(located->text, located->notation);
  check(documents.has_value(), "a manifest that parses is YAML");
  if (documents->size() > 1) {
    const auto document = std::ranges::find_if(
        *documents, [&](const yaml::Document& each) { return api::keyOf(each.value) == existing.key(); });
    const auto index = static_cast<std::size_t>(document - documents->begin());
    const Result<std::string> text = yaml::erase(located->text, index, located->notation);
    if (!text) return inFile(existing.origin.file, text.error());
    return replace(*located, *text);
  }
  if (auto removed = removeFile(located->file, located->state.stamp); !removed) return removed;
  // A symbolic link that the object was read through would lead nowhere now.
  const auto link = stateOf(existing.origin.file);
  return link ? removeFile(existing.origin.file, link->stamp) : Result<void>();
}

}  // namespace rookery::source
