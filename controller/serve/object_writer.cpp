#include "serve/object_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <random>
#include <ranges>

#include "api/annotations.h"
#include "api/json_path.h"
#include "api/manifest.h"
#include "api/schema.h"
#include "api/syntax.h"
#include "api/validate.h"
#include "serve/failure.h"
#include "yaml/writer.h"

namespace rookery::serve {

using nlohmann::json;
using reconcile::ObjectViewPtr;

namespace {

/// So many unknown fields are named in an answer.
constexpr std::size_t mostUnknownFields = 100;

/// What the server sets, and no manifest says.
constexpr std::array serverMetadata = {"creationTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "deletionTimestamp",
                                       "finalizers",
                                       "generation",
                                       "managedFields",
                                       "resourceVersion",
                                       "selfLink",
                                       "uid"};

json withoutServerFields(json object) {
  object.erase("status");
  if (object.contains("metadata") && object["metadata"].is_object()) {
    for (const char* field : serverMetadata) object["metadata"].erase(field);
    for (const char* field : {"annotations", "labels"}) {
      const auto found = object["metadata"].find(field);
      if (found != object["metadata"].end() && found->is_object() && found->empty())
        object["metadata"].erase(found);
    }
  }
  return object;
}

constexpr std::string_view modified =
    "the object has been modified; please apply your changes to the latest version and try again";

/// How often a change is prepared before somebody else's changes win: as kube-apiserver.
constexpr int mostAttempts = 5;

std::string metadataAt(const json& object, std::string_view field) {
  return api::textAt(api::memberOf(object, "metadata"), field);
}

FailureDetails detailsOf(const ResourceType& type, const std::string& name) {
  return {.name = name, .group = type.group, .kind = type.plural};
}

http::Response notFound(const ResourceType& type, const std::string& name) {
  return failure(404, fmt::format("{} \"{}\" not found", type.qualifiedName(), name), detailsOf(type, name));
}

http::Response conflict(const ResourceType& type, const std::string& name, std::string_view why) {
  return failure(
      409, fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", type.qualifiedName(), name, why),
      detailsOf(type, name));
}

http::Response notStored(const ResourceType& type, const std::string& name, const Error& error) {
  if (error.reason == Reason::Conflict) return conflict(type, name, error.message);
  return failure(500, error.message, detailsOf(type, name));
}

std::optional<http::Response> violation(const ResourceType& type, const reconcile::ObjectView& view,
                                        const Preconditions& preconditions) {
  const std::string& name = view.object->metadata.name;
  if (!preconditions.uid.empty() && preconditions.uid != view.identity.uid) {
    return conflict(type, name,
                    fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                preconditions.uid, view.identity.uid));
  }
  if (!preconditions.resourceVersion.empty() &&
      preconditions.resourceVersion != std::to_string(view.resourceVersion)) {
    return conflict(type, name, modified);
  }
  return std::nullopt;
}

/// Whether nobody has written the object in between: its status may be another by now.
bool saysTheSame(const reconcile::ObjectView& before, const reconcile::ObjectView& now) {
  if (now.identity.uid != before.identity.uid) return false;
  if (now.identity.deletionTimestamp.has_value() != before.identity.deletionTimestamp.has_value())
    return false;
  return now.object == before.object || (now.object->manifest == before.object->manifest &&
                                         now.object->specDigest == before.object->specDigest);
}

/// The object with all that its manifest says: also what is secret, which toJson() leaves out.
json complete(const reconcile::ObjectView& view) {
  json object = toJson(view);
  if (view.object->kind() != api::Kind::Secret) return object;
  for (const auto& [key, value] : view.object->as<api::Secret>().data)
    object["data"][key] = api::encodeBase64(value);
  return object;
}

/// The failure that these problems are.
http::Response invalid(const ResourceType& type, const std::string& name,
                       const std::vector<api::Problem>& problems) {
  FailureDetails details = detailsOf(type, name);
  details.kind = type.kind;
  std::vector<std::string> texts;
  for (const api::Problem& problem : problems) {
    texts.push_back(problem.field.empty() ? problem.message
                                          : fmt::format("{}: {}", problem.field, problem.message));
    details.causes.push_back({"FieldValueInvalid", problem.message, problem.field});
  }
  const std::string all = texts.size() == 1 ? texts.front() : fmt::format("[{}]", fmt::join(texts, ", "));
  const std::string kind = type.group.empty() ? type.kind : type.kind + "." + type.group;
  return failure(422, fmt::format("{} \"{}\" is invalid: {}", kind, name, all), details);
}

std::string describeUnknown(std::string_view field) { return fmt::format("unknown field \"{}\"", field); }

http::Response notStrict(const ResourceType& type, const std::vector<std::string>& unknown) {
  const auto texts = unknown | std::views::transform(describeUnknown);
  return failure(400,
                 fmt::format("{0} in version \"{1}\" cannot be handled as a {0}: strict decoding error: {2}",
                             type.kind, type.version, fmt::join(texts.begin(), texts.end(), ", ")));
}

/// What keeps an object that is being deleted.
json finalizersOf(const json& object) {
  const auto found = object.at("metadata").find("finalizers");
  return found != object.at("metadata").end() && found->is_array() ? *found : json::array();
}

/// What a change of an object that is being deleted makes of its finalizers, as the API server has it: none
/// may be added. To remove ours is to let the object go, whatever runs, and it says so from then on.
std::optional<http::Response> heedFinalizers(const ResourceType& type, const json& before, json& after) {
  const json had = finalizersOf(before), wanted = finalizersOf(after);
  const auto missesIn = [](const json& all) {
    return [&all](const json& each) { return std::ranges::find(all, each) == all.end(); };
  };
  const auto added = std::ranges::find_if(wanted, missesIn(had));
  if (added != wanted.end()) {
    const api::Problem problem{
        .reason = Reason::InvalidManifest,
        .origin = {},
        .object = {},
        .field = "metadata.finalizers",
        .message = fmt::format("Forbidden: no new finalizers can be added if the object is being deleted, "
                               "found new finalizers []string{{{}}}",
                               yaml::dump(*added))};
    return invalid(type, metadataAt(before, "name"), {problem});
  }
  json& annotations = after.at("metadata")["annotations"];
  if (annotations.is_null()) annotations = json::object();
  const bool removed = std::ranges::any_of(had, missesIn(wanted));
  if (removed && annotations.is_object()) annotations[std::string(api::releaseAnnotation)] = "true";
  return std::nullopt;
}

/// The API server's own limit: they are kept in memory, in every version that somebody may still watch.
std::optional<http::Response> checkAnnotations(const ResourceType& type, const json& manifest) {
  constexpr std::size_t most = std::size_t{256} << 10;
  std::size_t size = 0;
  const json annotations = manifest.at("metadata").value("annotations", json::object());
  for (const auto& [name, value] : annotations.items())
    size += name.size() + (value.is_string() ? value.get_ref<const std::string&>().size() : 0);
  if (size <= most) return std::nullopt;
  const api::Problem problem{.reason = Reason::InvalidManifest,
                             .origin = {},
                             .object = {},
                             .field = "metadata.annotations",
                             .message = fmt::format("Too long: must have at most {} bytes", most)};
  return invalid(type, metadataAt(manifest, "name"), {problem});
}

std::vector<api::Problem> doubtsAbout(const api::Object& unikernel, const reconcile::ObjectStore& objects) {
  std::vector<api::ObjectPtr> held;
  return api::doubtsAbout(unikernel, [&](const std::string& name) -> const api::Secret* {
    const auto view = objects.find({api::Kind::Secret, unikernel.metadata.nameSpace, name});
    return view == nullptr ? nullptr : &held.emplace_back(view->object)->as<api::Secret>();
  });
}

std::string randomSuffix() {
  constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";  // as Kubernetes: no accidental words
  std::random_device random;
  std::uniform_int_distribution<std::size_t> any(0, letters.size() - 1);
  std::string suffix;
  for (int i = 0; i < 5; ++i) suffix += letters[any(random)];
  return suffix;
}

/// Kind, version, namespace and name as the path has them, or the failure that they differ.
std::optional<http::Response> settle(json& object, const ResourceType& type, const std::string& nameSpace) {
  if (!object.is_object()) return failure(400, "the body is not an object");
  if (object.value("apiVersion", json()) != type.apiVersion()) {
    return failure(
        400, fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                         object.value("apiVersion", json("")).dump(), type.apiVersion()));
  }
  if (object.value("kind", json()) != type.kind) {
    return failure(400, fmt::format("the kind in the data ({}) does not match the expected kind ({})",
                                    object.value("kind", json("")).dump(), type.kind));
  }
  json& metadata = object["metadata"];
  if (metadata.is_null()) metadata = json::object();
  if (!metadata.is_object()) return failure(400, "metadata is not an object");
  const std::string given = metadataAt(object, "namespace");
  if (!type.namespaced) {
    metadata.erase("namespace");
  } else if (given.empty()) {
    metadata["namespace"] = nameSpace;
  } else if (given != nameSpace) {
    return failure(400,
                   "the namespace of the provided object does not match the namespace sent on the request");
  }
  return std::nullopt;
}

}  // namespace

ObjectWriter::Answer ObjectWriter::create(const Resource& resource, const std::string& nameSpace, json object,
                                          const WriteOptions& options) {
  const ResourceType& type = resource.type();
  if (auto refused = settle(object, type, nameSpace)) return std::unexpected(*std::move(refused));
  json& metadata = object["metadata"];
  if (const std::string prefix = metadataAt(object, "generateName");
      metadataAt(object, "name").empty() && !prefix.empty())
    metadata["name"] = prefix + randomSuffix();
  metadata.erase("generateName");
  const std::string name = metadataAt(object, "name");
  return admitted(options, [&]() -> Answer {
    const auto alreadyExists = [&] {
      return std::unexpected(failure(409, "AlreadyExists",
                                     fmt::format("{} \"{}\" already exists", type.qualifiedName(), name),
                                     detailsOf(type, name)));
    };
    if (resource.find(nameSpace, name)) return alreadyExists();
    auto change =
        checked(type, withoutServerFields(std::move(object)),
                api::Origin{store_.folder(), store_.folder() / "new.yaml", 0, 0}, options.validation);
    if (!change) return std::unexpected(std::move(change.error()));
    const std::lock_guard lock(writing_);
    if (resource.find(nameSpace, name)) return alreadyExists();
    return commit(type, *std::move(change), nullptr, options);
  });
}

ObjectWriter::Answer ObjectWriter::update(const Resource& resource, const api::ObjectKey& key, json object,
                                          const WriteOptions& options) {
  const ResourceType& type = resource.type();
  if (auto refused = settle(object, type, key.nameSpace)) return std::unexpected(*std::move(refused));
  if (metadataAt(object, "name") != key.name) {
    return std::unexpected(
        failure(400, fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                 metadataAt(object, "name"), key.name)));
  }
  if (metadataAt(object, "resourceVersion").empty() && key.kind != api::Kind::Secret) {
    constexpr std::string_view needed = "must be specified for an update";
    FailureDetails details = detailsOf(type, key.name);
    details.kind = type.kind;
    details.causes.push_back(
        {"FieldValueInvalid", fmt::format("Invalid value: 0x0: {}", needed), "metadata.resourceVersion"});
    return std::unexpected(
        failure(422,
                fmt::format("{}.{} \"{}\" is invalid: metadata.resourceVersion: Invalid value: 0x0: {}",
                            type.kind, type.group, key.name, needed),
                details));
  }
  return alter(type, key, [&](const json&) { return std::expected<json, http::Response>(object); }, options);
}

ObjectWriter::Answer ObjectWriter::patch(const Resource& resource, const api::ObjectKey& key,
                                         const Patch& patch, const WriteOptions& options) {
  const ResourceType& type = resource.type();
  const auto patched = [&](json object) -> std::expected<json, http::Response> {
    auto result = patch(std::move(object));
    if (!result) return result;
    if (auto refused = settle(*result, type, key.nameSpace)) return std::unexpected(*std::move(refused));
    if (metadataAt(*result, "name") == key.name) return result;
    return std::unexpected(failure(400, "metadata.name cannot be changed", detailsOf(type, key.name)));
  };
  return alter(type, key, patched, options);
}

ObjectWriter::Answer ObjectWriter::admitted(const WriteOptions& options,
                                            const std::function<Answer()>& change) {
  const Admission::Pass pass = admission_.enter(options.caller);
  if (pass) return change();
  return std::unexpected(
      tooManyRequests("too many changes at the same time: try again", std::chrono::seconds(1)));
}

/// Makes the object what is wanted of it, changing in its manifest no more than that. What may take long, a
/// patch or a check, comes before the turn among the writers, and once more if somebody else wrote meanwhile.
ObjectWriter::Answer ObjectWriter::alter(const ResourceType& type, const api::ObjectKey& key,
                                         const Patch& wanted, const WriteOptions& options) {
  return admitted(options, [&]() -> Answer {
    for (int attempt = 0; attempt < mostAttempts; ++attempt) {
      auto before = writable(type, key);
      if (!before) return std::unexpected(std::move(before.error()));
      auto object = wanted(complete(**before));
      if (!object) return std::unexpected(std::move(object.error()));
      auto made = draft(type, **before, *std::move(object), options);
      if (!made) return std::unexpected(std::move(made.error()));
      const std::lock_guard lock(writing_);
      auto now = writable(type, key);
      if (!now) return std::unexpected(std::move(now.error()));
      if (!saysTheSame(**before, **now)) continue;
      if (!made->changes) return Written{toJson(**now), false, std::move(made->change.warnings)};
      return commit(type, std::move(made->change), *now, options);
    }
    return std::unexpected(conflict(type, key.name, modified));
  });
}

/// The object as it is now, if it may be changed here.
std::expected<ObjectViewPtr, http::Response> ObjectWriter::writable(const ResourceType& type,
                                                                    const api::ObjectKey& key) const {
  ObjectViewPtr view = objects_.find(key);
  if (view == nullptr) return std::unexpected(notFound(type, key.name));
  if (!store_.holds(view->object->origin)) {
    http::Response refused =
        failure(405,
                fmt::format("{} \"{}\" comes from {}, which this API does not write: change it there",
                            type.qualifiedName(), key.name, view->object->origin.toString()),
                detailsOf(type, key.name));
    refused.headers["Allow"] = "GET, HEAD";
    return std::unexpected(std::move(refused));
  }
  return view;
}

/// The change that makes the object what a client wants it to be.
std::expected<ObjectWriter::Draft, http::Response> ObjectWriter::draft(const ResourceType& type,
                                                                       const reconcile::ObjectView& view,
                                                                       json object,
                                                                       const WriteOptions& options) const {
  const Preconditions preconditions{metadataAt(object, "uid"), metadataAt(object, "resourceVersion")};
  if (auto violated = violation(type, view, preconditions)) return std::unexpected(*std::move(violated));
  if (view.identity.deletionTimestamp) {
    if (auto refused = heedFinalizers(type, toJson(view), object))
      return std::unexpected(*std::move(refused));
  }
  json manifest = withoutServerFields(std::move(object));
  const bool changes = manifest != withoutServerFields(complete(view));
  auto change = checked(type, std::move(manifest), view.object->origin, options.validation);
  if (!change) return std::unexpected(std::move(change.error()));
  return Draft{*std::move(change), changes};
}

std::expected<ObjectWriter::Checked, http::Response> ObjectWriter::checked(const ResourceType& type,
                                                                           json manifest,
                                                                           const api::Origin& origin,
                                                                           FieldValidation validation) const {
  const auto kind = api::kindNamed(type.kind);
  check(kind.has_value(), "what is written is of a kind that has manifests");
  const std::vector<std::string> unknown =
      api::prune(api::manifestSchemaOf(*kind), manifest, mostUnknownFields);
  if (validation == FieldValidation::Strict && !unknown.empty())
    return std::unexpected(notStrict(type, unknown));
  const api::Manifest parsed = api::readDocument(manifest, origin);
  if (!parsed.problems.empty())
    return std::unexpected(invalid(type, metadataAt(manifest, "name"), parsed.problems));
  if (auto tooLong = checkAnnotations(type, manifest)) return std::unexpected(*std::move(tooLong));
  check(parsed.objects.size() == 1, "a document without a problem is an object");
  std::vector<std::string> warnings;
  if (validation == FieldValidation::Warn)
    std::ranges::transform(unknown, std::back_inserter(warnings), describeUnknown);
  const api::Object& object = *parsed.objects.front();
  if (object.kind() == api::Kind::Unikernel) {
    for (const api::Problem& doubt : doubtsAbout(object, objects_))
      warnings.push_back(fmt::format("{}: {}", doubt.field, doubt.message));
  }
  return Checked{std::move(manifest), parsed.objects.front(), std::move(warnings)};
}

ObjectWriter::Answer ObjectWriter::commit(const ResourceType& type, Checked change,
                                          const ObjectViewPtr& existing, const WriteOptions& options) {
  const api::Object& wanted = *change.object;
  if (options.dryRun) {
    reconcile::ObjectView view = existing ? *existing : reconcile::ObjectView{};
    view.object = change.object;
    if (!existing) view.identity.creationTimestamp = std::chrono::system_clock::now();
    if (existing && existing->object->specDigest != wanted.specDigest) ++view.identity.generation;
    return Written{toJson(view), false, std::move(change.warnings)};
  }
  if (existing && existing->identity.deletionTimestamp)
    return amendDeleted(type, std::move(change), *existing);
  const auto file = store_.put(change.manifest, existing ? existing->object.get() : nullptr);
  if (!file) return std::unexpected(notStored(type, wanted.metadata.name, file.error()));
  wake_(std::nullopt);
  ObjectViewPtr view;
  const bool read = await([&] {
    view = objects_.find(wanted.key());
    return view != nullptr && view->object->manifest == wanted.manifest &&
           view->object->specDigest == wanted.specDigest && !view->identity.deletionTimestamp;
  });
  if (!read) {
    return std::unexpected(
        failure(504,
                fmt::format("the change is written to {}, but the controller has not taken it up yet",
                            file->string()),
                detailsOf(type, wanted.metadata.name)));
  }
  return Written{toJson(*view), false, std::move(change.warnings)};
}

/// The controller takes up what is said there when it looks next: at once.
ObjectWriter::Answer ObjectWriter::amendDeleted(const ResourceType& type, Checked change,
                                                const reconcile::ObjectView& existing) {
  const std::string& name = change.object->metadata.name;
  const auto identity = state_.amendDeletion(*change.object, existing.identity.uid);
  if (!identity) return std::unexpected(notStored(type, name, identity.error()));
  if (!*identity || !objects_.amendDeleted(change.object, **identity))
    return std::unexpected(conflict(type, name, modified));
  reconcile::ObjectView amended = existing;
  amended.object = change.object;
  amended.identity.generation = (*identity)->generation;
  const ObjectViewPtr view = objects_.find(change.object->key());
  wake_(std::nullopt);
  return Written{toJson(view ? *view : amended), false, std::move(change.warnings)};
}

ObjectWriter::Answer ObjectWriter::remove(const Resource& resource, const api::ObjectKey& key,
                                          const Preconditions& preconditions, const WriteOptions& options) {
  const ResourceType& type = resource.type();
  return admitted(options, [&]() -> Answer {
    const std::lock_guard lock(writing_);
    auto found = objects_.find(key);
    if (found != nullptr && found->identity.deletionTimestamp) return Written{toJson(*found), false};
    auto view = writable(type, key);
    if (!view) return std::unexpected(std::move(view.error()));
    if (auto violated = violation(type, **view, preconditions)) return std::unexpected(*std::move(violated));
    if (options.dryRun) return Written{toJson(**view), true};
    if (auto erased = erase(*(*view)->object); !erased)
      return std::unexpected(notStored(type, key.name, erased.error()));
    return awaitRemoval(type, *view);
  });
}

/// Remembers that somebody wishes just that object to go, where something would be destroyed with it.
Result<void> ObjectWriter::requestDeletion(const api::Object& object) const {
  if (object.kind() != api::Kind::Unikernel && object.kind() != api::Kind::UnikernelVolume) return {};
  return state_.requestDeletion(object, std::chrono::system_clock::now());
}

/// Takes the object out of its file.
Result<void> ObjectWriter::erase(const api::Object& object) const {
  // Before, in case this process is killed in between; and after it, as a wish that the controller comes to
  // know while the object still stands there is forgotten again.
  if (auto requested = requestDeletion(object); !requested) return requested;
  if (auto erased = store_.erase(object); !erased) return erased;
  return requestDeletion(object);
}

ObjectWriter::Answer ObjectWriter::awaitRemoval(const ResourceType& type, const ObjectViewPtr& view) const {
  const api::ObjectKey key = view->object->key();
  wake_(key);
  ObjectViewPtr left;
  // So it is when the controller comes to what it had seen before only now.
  const auto wishAgain = [&] {
    if (state_.deletionRequests().contains(key) || !requestDeletion(*view->object)) return;
    if (state_.deletionRequests().contains(key)) wake_(key);
  };
  const auto isGone = [&] {
    left = objects_.find(key);
    return left == nullptr || left->identity.deletionTimestamp.has_value();
  };
  const bool read = await([&] {
    if (isGone()) return true;
    wishAgain();
    return isGone();
  });
  if (!read) {
    return std::unexpected(failure(504,
                                   "the manifest is removed, but the controller has not noticed that yet",
                                   detailsOf(type, key.name)));
  }
  return Written{toJson(left ? *left : *view), left == nullptr};
}

/// Waits, for as long as `patience`, until something that the controller publishes makes `done` hold.
bool ObjectWriter::await(const std::function<bool()>& done) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::uint64_t version = objects_.resourceVersion();
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    const auto changes = objects_.after(version, deadline);
    version = changes ? changes->resourceVersion : objects_.resourceVersion();
  }
  return true;
}

}  // namespace rookery::serve
