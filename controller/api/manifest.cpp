#include "api/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <array>
#include <utility>

#include "api/decode.h"
#include "api/field.h"
#include "api/findings.h"
#include "api/scalar.h"
#include "api/schema.h"
#include "api/validate.h"
#include "api/yaml.h"

namespace rookery::api {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::array allKinds = {Kind::AlbatrossInstance, Kind::Unikernel, Kind::UnikernelPolicy,
                                 Kind::Secret};
/// Where `kubectl apply` keeps a copy of the whole object.
constexpr std::string_view lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

std::string_view apiVersionOf(Kind kind) { return kind == Kind::Secret ? "v1" : groupVersion; }

bool isNamespaced(Kind kind) { return kind == Kind::Secret || definitionOf(kind).namespaced; }

std::optional<Kind> kindNamed(std::string_view name) {
  for (const Kind kind : allKinds) {
    if (toString(kind) == name) return kind;
  }
  return std::nullopt;
}

/// The string at `member` of a mapping, if it is one.
const std::string* stringAt(const json& value, const char* member) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(member);
  return found != value.end() && found->is_string() ? found->get_ptr<const json::string_t*>() : nullptr;
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  check(::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha256(), nullptr) == 1,
        "OpenSSL has SHA-256");
  return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + size, ""));
}

std::string digestOf(const Secret& secret) {
  std::string text;
  for (const auto& [key, value] : secret.data) text += fmt::format("{}={}:{}\n", key, value.size(), value);
  return sha256(text);
}

void collectPlaces(const Places& places, const std::string& path, Object& object) {
  const bool isLeaf = places.members.empty() && places.items.empty();
  object.places.emplace(path, isLeaf ? places.value : places.key);
  for (const auto& [name, member] : places.members) collectPlaces(member, memberPath(path, name), object);
  for (std::size_t i = 0; i < places.items.size(); ++i)
    collectPlaces(places.items[i], itemPath(path, i), object);
}

/// What a document says it is.
struct Identity {
  std::optional<Kind> kind;
  std::optional<std::string> name;
  std::string nameSpace = "default";

  std::optional<ObjectKey> key() const {
    if (!kind || !name) return std::nullopt;
    return ObjectKey{*kind, isNamespaced(*kind) ? nameSpace : "", *name};
  }
};

Identity identify(const json& document) {
  Identity identity;
  if (const std::string* kind = stringAt(document, "kind")) identity.kind = kindNamed(*kind);
  const auto metadata = document.find("metadata");
  if (metadata == document.end()) return identity;
  const std::string* name = stringAt(*metadata, "name");
  if (name != nullptr && !name->empty()) identity.name = *name;
  if (const std::string* nameSpace = stringAt(*metadata, "namespace")) identity.nameSpace = *nameSpace;
  return identity;
}

/// Whether a duplicate of `field` leaves open which object is meant.
bool identifies(std::string_view field) {
  return field == "kind" || field == "metadata" || field == "metadata.name" || field == "metadata.namespace";
}

/// Reads the documents of one file, one by one.
class Reader {
 public:
  explicit Reader(const Origin& file) : file_(file), findings_(file) {
    std::error_code error;
    folder_ = fs::absolute(file.file, error).parent_path();
  }

  void read(YamlDocument document) {
    if (!document.value.is_object()) {
      findings_.beginDocument(std::nullopt);
      findings_.add("", document.places.value,
                    "a document is a mapping with apiVersion, kind, metadata and spec");
      manifest_.parsed = false;
      return;
    }
    const Identity identity = identify(document.value);
    findings_.beginDocument(identity.key());
    for (YamlProblem& duplicate : document.duplicates) {
      if (identifies(duplicate.field)) manifest_.parsed = false;
      findings_.add(std::move(duplicate.field), duplicate.place, std::move(duplicate.message));
    }
    if (identity.kind) {
      readKnown(*identity.kind, identity.key(), document);
    } else {
      readUnknown(identity, document);
    }
  }

  void refuse(YamlProblem problem) {
    findings_.beginDocument(std::nullopt);
    findings_.add(std::move(problem.field), problem.place, std::move(problem.message));
    manifest_.parsed = false;
  }

  Manifest take() {
    if (!manifest_.parsed) manifest_.objects.clear();
    manifest_.problems = findings_.take();
    return std::move(manifest_);
  }

 private:
  /// A document of a kind that rookery does not know. One of our own API group is one of our objects with a
  /// mistake in its kind; so is one without a group.
  void readUnknown(const Identity& identity, const YamlDocument& document) {
    const std::string* kind = stringAt(document.value, "kind");
    const std::string* apiVersion = stringAt(document.value, "apiVersion");
    const auto place = document.places.members.find("kind");
    std::vector<std::string_view> known;
    known.reserve(allKinds.size());
    for (const Kind each : allKinds) known.push_back(toString(each));
    const bool foreign = kind != nullptr && apiVersion != nullptr && !apiVersion->starts_with("rookery.dev/");
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
    if (!identity.name) manifest_.parsed = false;
    for (const Kind each : allKinds) {
      Identity possible = identity;
      possible.kind = each;
      if (const auto key = possible.key()) manifest_.invalid.insert(*key);
    }
  }

  void readKnown(Kind kind, const std::optional<ObjectKey>& key, YamlDocument& document) {
    json& value = document.value;
    const std::string* apiVersion = stringAt(value, "apiVersion");
    if (!value.contains("apiVersion")) {
      findings_.add("apiVersion", document.places.key,
                    fmt::format("this field is required; write {}", apiVersionOf(kind)));
    } else if (apiVersion != nullptr && *apiVersion != apiVersionOf(kind)) {
      findings_.add("apiVersion", document.places.members.at("apiVersion").value,
                    fmt::format("this must be {} for the kind {}, not {}", apiVersionOf(kind), toString(kind),
                                quote(*apiVersion)));
    }
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

  Object decode(Kind kind, const YamlDocument& document) {
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
      case Kind::Secret:
        object.spec = decodeSecret(root);
        break;
    }
    return object;
  }

  /// What an object has besides its spec, once it is known to be valid.
  void complete(Object& object, YamlDocument& document) const {
    collectPlaces(document.places.members.at("metadata"), "metadata", object);
    object.origin = file_;
    object.origin.line = document.places.value.line;
    object.origin.column = document.places.value.column;
    object.manifest = std::move(document.value);
    json& metadata = object.manifest["metadata"];
    if (isNamespaced(object.kind())) metadata["namespace"] = object.metadata.nameSpace;
    if (object.kind() == Kind::Secret) {
      object.specDigest = digestOf(object.as<Secret>());
      object.manifest.erase("data");
      object.manifest.erase("stringData");
      object.metadata.annotations.erase(std::string(lastApplied));
      if (metadata.contains("annotations")) metadata["annotations"].erase(std::string(lastApplied));
      return;
    }
    const json& schema = manifestSchemaOf(object.kind()).at("properties").at("spec");
    object.specDigest = sha256(withoutDefaults(schema, object.manifest.at("spec")).dump());
    collectPlaces(document.places.members.at("spec"), "spec", object);
  }

  const Origin& file_;
  Findings findings_;
  fs::path folder_;
  Manifest manifest_;
};

}  // namespace

Manifest parseManifest(std::string_view text, const Origin& file) {
  Reader reader(file);
  if (text.size() > maxManifestBytes) {
    reader.refuse({{},
                   "",
                   fmt::format("the text has {} bytes; a manifest has at most {}; split it", text.size(),
                               maxManifestBytes)});
    return reader.take();
  }
  const bool isJson = file.file.extension() == ".json";
  auto documents = isJson ? parseYaml(joinSurrogates(text)) : parseYaml(text);
  if (documents) {
    for (YamlDocument& document : *documents) reader.read(std::move(document));
  } else {
    reader.refuse(std::move(documents.error()));
  }
  return reader.take();
}

}  // namespace rookery::api
