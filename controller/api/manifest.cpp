#include "api/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "api/decode.h"
#include "api/document_cache.h"
#include "api/field.h"
#include "api/findings.h"
#include "api/json_path.h"
#include "api/mention.h"
#include "api/schema.h"
#include "api/validate.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::api {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// Where `kubectl apply` keeps a copy of the whole object.
constexpr std::string_view lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

constexpr std::string_view groupPrefix = "rookery.dev/";

std::string_view apiVersionOf(Kind kind) { return kind == Kind::Secret ? "v1" : groupVersion; }

bool isNamespaced(Kind kind) { return kind == Kind::Secret || definitionOf(kind).namespaced; }

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  check(::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha256(), nullptr) == 1,
        "OpenSSL has SHA-256");
  return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + size, ""));
}

/// `spec`: that of `object`, without defaults.
RunDigest runDigestOf(const Object& object, json spec) {
  RunDigest run;
  spec.erase("healthCheck");
  if (object.as<Unikernel>().runPolicy == Unikernel::RunPolicy::Once) {
    spec["minReadySeconds"] = object.as<Unikernel>().minReadySeconds;
    run.former.push_back(sha256(spec.dump()));
    spec.erase("minReadySeconds");
    run.former.push_back(sha256(spec.dump()));
  }
  // The image's content, which is what runs of it, has a digest of its own.
  for (const char* field : {"adopt", "dependsOn", "image", "maintenanceWindows", "minReadySeconds",
                            "placement", "prune", "suspend", "update"})
    spec.erase(field);
  run.current = sha256(spec.dump());
  return run;
}

std::string digestOf(const Secret& secret) {
  std::string text;
  for (const auto& [key, value] : secret.data) text += fmt::format("{}={}:{}\n", key, value.size(), value);
  return sha256(text);
}

void collectPlaces(const yaml::Places& places, const std::string& path, Object& object) {
  const bool isLeaf = places.members.empty() && places.items.empty();
  object.places.add(path, isLeaf ? places.value : places.key);
  for (const auto& [name, member] : places.members)
    collectPlaces(member, yaml::memberPath(path, name), object);
  for (std::size_t i = 0; i < places.items.size(); ++i)
    collectPlaces(places.items[i], yaml::itemPath(path, i), object);
}

/// Of the metadata, what means something to an object: the rest may hold anything, nested as it likes.
void collectMetadata(const yaml::Places& metadata, Object& object) {
  object.places.add("metadata", metadata.key);
  for (const char* field : {"name", "namespace", "labels", "annotations"}) {
    const auto member = metadata.members.find(field);
    if (member != metadata.members.end())
      collectPlaces(member->second, yaml::memberPath("metadata", field), object);
  }
}

/// The parts of a value that stands nowhere.
yaml::Places placesOf(const json& value) {
  yaml::Places places;
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) places.members.emplace(name, placesOf(member));
  } else if (value.is_array()) {
    places.items.reserve(value.size());
    for (const json& item : value) places.items.push_back(placesOf(item));
  } else if (value.is_number() || value.is_boolean()) {
    places.text = value.dump();
  }
  return places;
}

/// What a document says it is.
struct Claim {
  std::optional<Kind> kind;
  std::optional<std::string> name;
  std::string nameSpace = "default";

  std::optional<ObjectKey> key() const {
    if (!kind || !name) return std::nullopt;
    return ObjectKey{*kind, isNamespaced(*kind) ? nameSpace : "", *name};
  }
};

Claim claimOf(const json& document) {
  Claim claim;
  if (const std::string* kind = stringAt(document, "kind")) claim.kind = kindNamed(*kind);
  const auto metadata = document.find("metadata");
  if (metadata == document.end()) return claim;
  const std::string* name = stringAt(*metadata, "name");
  if (name != nullptr && !name->empty()) claim.name = *name;
  if (const std::string* nameSpace = stringAt(*metadata, "namespace")) claim.nameSpace = *nameSpace;
  return claim;
}

/// Whether a duplicate of `field` leaves open which object is meant.
bool identifies(std::string_view field) {
  return field == "kind" || field == "metadata" || field == "metadata.name" || field == "metadata.namespace";
}

/// The kind of List that a document is; `item` is what its items are: none for a v1 List of anything.
struct ListKind {
  std::optional<Kind> item;

  std::string_view apiVersion() const { return item ? apiVersionOf(*item) : "v1"; }
};

std::optional<ListKind> listKindOf(const json& document) {
  const std::string* kind = stringAt(document, "kind");
  if (kind == nullptr || !kind->ends_with("List")) return std::nullopt;
  if (*kind == "List") return ListKind{};
  const auto item = kindNamed(std::string_view(*kind).substr(0, kind->size() - 4));
  return item ? std::optional(ListKind{item}) : std::nullopt;
}

/// Moves the duplicate keys that stand in an item of a List from the list to the item.
void moveDuplicates(yaml::Document& list, std::vector<yaml::Document>& items) {
  constexpr std::string_view prefix = "items[";
  std::erase_if(list.duplicates, [&](yaml::Problem& duplicate) {
    if (!duplicate.field.starts_with(prefix)) return false;
    const char* const end = duplicate.field.data() + duplicate.field.size();
    std::size_t index = 0;
    const auto [rest, error] = std::from_chars(duplicate.field.data() + prefix.size(), end, index);
    if (error != std::errc() || rest == end || *rest != ']' || index >= items.size()) return false;
    std::string_view field(rest + 1, end);
    if (field.starts_with('.')) field.remove_prefix(1);
    items[index].duplicates.push_back({duplicate.place, std::string(field), std::move(duplicate.message)});
    return true;
  });
}

/// Takes the items out of a List, each as a document of its own. None: it has no list of them.
std::optional<std::vector<yaml::Document>> takeItems(yaml::Document& list, const ListKind& kind) {
  const auto found = list.value.find("items");
  if (found == list.value.end() || !(found->is_array() || found->is_null())) return std::nullopt;
  json values = std::exchange(*found, json::array());
  if (values.is_null()) values = json::array();  // as Go writes a list of nothing
  std::vector<yaml::Places>& places = list.places.members.at("items").items;
  std::vector<yaml::Document> items;
  items.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    yaml::Document& item = items.emplace_back(std::move(values[i]), std::move(places[i]));
    // As kubectl reads the items of a list that says what they are.
    const bool unsaid =
        item.value.is_object() && !item.value.contains("kind") && !item.value.contains("apiVersion");
    if (!kind.item || !unsaid) continue;
    item.value["kind"] = toString(*kind.item);
    item.value["apiVersion"] = kind.apiVersion();
  }
  moveDuplicates(list, items);
  return items;
}

/// What is to become of documents of which nothing says that they are ours.
enum class Strangers { Refuse, PassOver };

/// Reads the documents of one file, one by one.
class Reader {
 public:
  Reader(const Origin& file, fs::path folder, Strangers strangers = Strangers::Refuse)
      : file_(file), findings_(file), folder_(std::move(folder)), strangers_(strangers) {
    std::error_code error;
    if (folder_.empty()) folder_ = fs::absolute(file.file, error).parent_path();
  }

  void read(std::expected<std::vector<yaml::Document>, yaml::Problem> documents) {
    if (!documents) return refuse(std::move(documents.error()));
    for (yaml::Document& document : *documents) read(std::move(document));
  }

  void read(yaml::Document document) {
    if (const auto kind = listKindOf(document.value)) return readList(*kind, std::move(document));
    readObject(std::move(document), "a document");
  }

  void refuse(yaml::Problem problem) {
    findings_.beginDocument(std::nullopt);
    findings_.add(std::move(problem.field), problem.place, std::move(problem.message));
    manifest_.parsed = false;
  }

  /// The text names our API group: a document in it that does not say what it is can be one of ours.
  void expectOurs() { namesGroup_ = true; }

  Manifest take() {
    if (!manifest_.parsed) manifest_.objects.clear();
    manifest_.problems = findings_.take();
    return std::move(manifest_);
  }

 private:
  /// `what` the document is, for messages.
  void readObject(yaml::Document document, std::string_view what) {
    if (isStranger(document.value)) {
      ++manifest_.foreign;
      return;
    }
    if (!document.value.is_object()) {
      refuse({document.places.value, "",
              fmt::format("{} is a mapping with apiVersion, kind, metadata and spec", what)});
      return;
    }
    const Claim claim = claimOf(document.value);
    findings_.beginDocument(claim.key());
    for (yaml::Problem& duplicate : document.duplicates) {
      if (identifies(duplicate.field)) manifest_.parsed = false;
      findings_.add(std::move(duplicate.field), duplicate.place, std::move(duplicate.message));
    }
    if (claim.kind) {
      readKnown(*claim.kind, claim.key(), document);
    } else {
      readUnknown(claim, document);
    }
  }

  /// One that says to be of another program; in a text that does not name our group, any that is not of one
  /// of our kinds.
  bool isStranger(const json& document) const {
    if (strangers_ == Strangers::Refuse) return false;
    const std::string* kind = stringAt(document, "kind");
    if (kind != nullptr && kindNamed(*kind)) return false;
    const std::string* apiVersion = stringAt(document, "apiVersion");
    if (apiVersion == nullptr) return !namesGroup_;
    if (apiVersion->starts_with(groupPrefix)) return false;
    if (*apiVersion != apiVersionOf(Kind::Secret)) return true;
    // A Secret without its kind, or with a slip in it.
    constexpr std::string_view secret[] = {"Secret"};
    return kind == nullptr ? !namesGroup_ : !didYouMean(*kind, secret);
  }

  /// A List stands for its items.
  void readList(const ListKind& kind, yaml::Document list) {
    findings_.beginDocument(std::nullopt);
    auto items = takeItems(list, kind);
    // A second `items` or `kind` leaves open what is declared.
    if (!items || std::ranges::any_of(list.duplicates, [](const yaml::Problem& duplicate) {
          return duplicate.field == "items" || duplicate.field == "kind";
        })) {
      manifest_.parsed = false;
    }
    for (yaml::Problem& duplicate : list.duplicates) {
      findings_.add(std::move(duplicate.field), duplicate.place, std::move(duplicate.message));
    }
    checkApiVersion(kind.apiVersion(), list);
    validate(listSchema(), list.value, list.places, Quoting::Nothing, findings_);
    if (!items) return;
    for (yaml::Document& item : *items) {
      if (listKindOf(item.value)) {
        refuseNested(item);
      } else {
        readObject(std::move(item), "an item of a List");
      }
    }
  }

  /// What a List within a List holds is declared, with a mistake.
  void refuseNested(const yaml::Document& list) {
    findings_.beginDocument(std::nullopt);
    findings_.add("", list.places.value,
                  "a List cannot hold another List; put the items of the inner one into the outer one");
    const auto items = list.value.find("items");
    if (items == list.value.end() || !items->is_array()) {
      manifest_.parsed = false;
      return;
    }
    for (const json& item : *items) {
      if (const auto key = keyOf(item)) {
        manifest_.invalid.insert(*key);
      } else {
        manifest_.parsed = false;
      }
    }
  }

  void checkApiVersion(std::string_view expected, const yaml::Document& document) {
    const std::string* apiVersion = stringAt(document.value, "apiVersion");
    const auto written = document.value.find("apiVersion");
    if (written == document.value.end() || written->is_null()) {
      findings_.add("apiVersion", document.places.key,
                    fmt::format("this field is required; write {}", expected));
    } else if (apiVersion != nullptr && *apiVersion != expected) {
      findings_.add("apiVersion", document.places.members.at("apiVersion").value,
                    fmt::format("this must be {} for the kind {}, not {}", expected,
                                *stringAt(document.value, "kind"), quote(*apiVersion)));
    }
  }

  /// A document of a kind that rookery does not know. One of our own API group is one of our objects with a
  /// mistake in its kind; so is one without a group.
  void readUnknown(const Claim& claim, const yaml::Document& document) {
    const std::string* kind = stringAt(document.value, "kind");
    const std::string* apiVersion = stringAt(document.value, "apiVersion");
    const auto place = document.places.members.find("kind");
    std::vector<std::string_view> known;
    known.reserve(allKinds.size());
    for (const Kind each : allKinds) known.push_back(toString(each));
    const bool foreign = kind != nullptr && apiVersion != nullptr && !apiVersion->starts_with(groupPrefix);
    if (kind == nullptr) {
      findings_.add("kind", place == document.places.members.end() ? document.places.key : place->second.key,
                    fmt::format("a document says its kind, one of {}", fmt::join(known, ", ")));
    } else if (foreign) {
      findings_.add("kind", place->second.value,
                    fmt::format("{} of {} is not a kind that rookery knows; keep it in another folder",
                                quote(*kind), quote(*apiVersion)));
    } else {
      const auto meant = didYouMean(*kind, known);
      findings_.add("kind", place->second.value,
                    fmt::format("{} is not a kind that rookery knows; {}", quote(*kind),
                                meant ? fmt::format("did you mean {}?", *meant)
                                      : fmt::format("it knows {}", fmt::join(known, ", "))));
    }
    if (foreign) return;
    if (!claim.name) manifest_.parsed = false;
    for (const Kind each : allKinds) {
      Claim possible = claim;
      possible.kind = each;
      if (const auto key = possible.key()) manifest_.invalid.insert(*key);
    }
  }

  void readKnown(Kind kind, const std::optional<ObjectKey>& key, yaml::Document& document) {
    json& value = document.value;
    checkApiVersion(apiVersionOf(kind), document);
    value.erase("status");
    const json& schema = manifestSchemaOf(kind);
    validate(schema, value, document.places, kind == Kind::Secret ? Quoting::Nothing : Quoting::Values,
             findings_);
    Object object = decode(kind, document);
    checkPatterns(schema, value, document.places, findings_);
    if (!key) manifest_.parsed = false;
    if (findings_.clean()) {
      complete(object, document);
      manifest_.objects.push_back(std::make_shared<const Object>(std::move(object)));
    } else if (key) {
      manifest_.invalid.insert(*key);
    }
  }

  Object decode(Kind kind, const yaml::Document& document) {
    const Field root(document.value, document.places, findings_);
    Object object;
    object.metadata = decodeMetadata(root["metadata"], kind);
    switch (kind) {
      case Kind::AlbatrossInstance:
        object.spec = decodeInstance(root["spec"], folder_);
        break;
      case Kind::Unikernel:
        object.spec = decodeUnikernel(root["spec"], folder_);
        break;
      case Kind::UnikernelPolicy:
        object.spec = decodePolicy(root["spec"]);
        break;
      case Kind::UnikernelVolume:
        object.spec = decodeVolume(root["spec"], folder_);
        break;
      case Kind::Secret:
        object.spec = decodeSecret(root);
        break;
    }
    return object;
  }

  /// What an object has besides its spec, once it is known to be valid.
  void complete(Object& object, yaml::Document& document) const {
    collectMetadata(document.places.members.at("metadata"), object);
    object.origin = file_;
    object.origin.line = document.places.value.line;
    object.origin.column = document.places.value.column;
    json& manifest = document.value;
    json& metadata = manifest["metadata"];
    if (isNamespaced(object.kind())) metadata["namespace"] = object.metadata.nameSpace;
    if (object.kind() == Kind::Secret) {
      object.specDigest = digestOf(object.as<Secret>());
      manifest.erase("data");
      manifest.erase("stringData");
      object.metadata.annotations.erase(std::string(lastApplied));
      if (metadata.contains("annotations")) metadata["annotations"].erase(std::string(lastApplied));
      object.manifest = manifest;
      return;
    }
    const json& schema = manifestSchemaOf(object.kind()).at("properties").at("spec");
    object.manifest = manifest;
    json spec = withoutDefaults(schema, manifest.at("spec"));
    object.specDigest = sha256(spec.dump());
    if (object.kind() == Kind::Unikernel) {
      object.run = runDigestOf(object, std::move(spec));
      heedForceCreate(object);
    }
    collectPlaces(document.places.members.at("spec"), "spec", object);
    object.places.shrink();
  }

  static void heedForceCreate(Object& object) {
    const auto wish = object.metadata.annotations.find(std::string(forceCreateAnnotation));
    if (wish == object.metadata.annotations.end() || wish->second != object.specDigest) return;
    auto& unikernel = std::get<Unikernel>(object.spec);
    unikernel.adopt = Unikernel::Adopt::Always;
    unikernel.updateStrategy = Unikernel::UpdateStrategy::ForceCreate;
  }

  const Origin& file_;
  Findings findings_;
  fs::path folder_;
  Strangers strangers_;
  bool namesGroup_ = false;
  Manifest manifest_;
};

std::string tooLong(std::string_view text) {
  return fmt::format("the text has {} bytes; a manifest has at most {}; split it", text.size(),
                     yaml::maxBytes);
}

Manifest blankText() {
  Manifest manifest;
  manifest.blank = true;
  return manifest;
}

Manifest foreignText() {
  Manifest manifest;
  manifest.foreign = 1;
  return manifest;
}

}  // namespace

std::optional<ObjectKey> keyOf(const json& document) {
  return document.is_object() ? claimOf(document).key() : std::nullopt;
}

Manifest readDocument(json document, const Origin& file, const fs::path& folder) {
  Reader reader(file, folder);
  if (yaml::isTooDeep(document)) {
    reader.refuse({{}, "", fmt::format("the value is nested more than {} levels deep", yaml::maxDepth)});
  } else {
    yaml::Places places = placesOf(document);
    reader.read({.value = std::move(document), .places = std::move(places), .duplicates = {}});
  }
  return reader.take();
}

Manifest parseManifest(std::string_view text, const Origin& file, const fs::path& folder) {
  Reader reader(file, folder);
  if (text.size() > yaml::maxBytes) {
    reader.refuse({{}, "", tooLong(text)});
    return reader.take();
  }
  reader.read(yaml::parse(text, yaml::notationOf(file.file)));
  return reader.take();
}

Manifest parseManifestFile(std::string_view text, const Origin& file, bool held, DocumentCache* cache) {
  if (isBlank(text)) return blankText();
  const Mentions mentions = mentionsIn(text);
  if (!held && !mentions.any()) return foreignText();
  const auto readerOf = [&] {
    Reader reader(file, {}, Strangers::PassOver);
    if (mentions.group) reader.expectOurs();
    return reader;
  };
  if (text.size() > yaml::maxBytes) {
    Reader reader = readerOf();
    reader.refuse({{}, "", tooLong(text)});
    return reader.take();
  }
  const bool isYaml = yaml::notationOf(file.file) == yaml::Notation::Yaml;
  std::optional<Manifest> manifest;
  if (cache != nullptr && isYaml) {
    manifest = cache->parse(text, file, mentions.group, [&](std::vector<yaml::Document> documents) {
      Reader reader = readerOf();
      reader.read(std::move(documents));
      return reader.take();
    });
  }
  if (!manifest) {
    auto documents = yaml::parse(text, yaml::notationOf(file.file));
    if (!documents && !held && !mentions.makesOurs()) return foreignText();
    Reader reader = readerOf();
    reader.read(std::move(documents));
    manifest = reader.take();
  }
  manifest->secretsOnly =
      !manifest->parsed && !held && mentions.secret && !mentions.group && !mentions.damaged;
  manifest->cut = isYaml && endsWithin(text);
  return *std::move(manifest);
}

}  // namespace rookery::api
