#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/field_places.h"
#include "api/packed_json.h"
#include "api/selector.h"
#include "error.h"
#include "file/shared_path.h"
#include "schedule/window.h"

/// The kinds of API group rookery.dev as C++ values. A value of these types is valid: schema, defaults and
/// what a schema cannot say have been seen to (manifest.h). Memory is in whole Mi (the server's "MB").
namespace rookery::api {

inline constexpr std::string_view groupVersion = "rookery.dev/v1alpha1";

enum class Kind { AlbatrossInstance, Unikernel, UnikernelPolicy, UnikernelVolume, Secret };
inline constexpr std::array allKinds = {Kind::AlbatrossInstance, Kind::Unikernel, Kind::UnikernelPolicy,
                                        Kind::UnikernelVolume, Kind::Secret};
std::string_view toString(Kind kind);
/// The kind that is called so, e.g. "Unikernel".
std::optional<Kind> kindNamed(std::string_view name);

/// What makes an object the same object: kind, namespace (empty for cluster-scoped ones) and name.
struct ObjectKey {
  Kind kind = Kind::Unikernel;
  std::string nameSpace;
  std::string name;
  /// "Unikernel shop/web", "AlbatrossInstance eu-1"
  std::string toString() const;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

using SystemTime = std::chrono::system_clock::time_point;

/// What tells an object from another of the same key, and one version of its spec from the next:
/// metadata.uid, metadata.creationTimestamp, metadata.deletionTimestamp, metadata.generation.
struct Identity {
  std::string uid;  // a random UUID (RFC 4122, version 4)
  SystemTime creationTimestamp;
  std::optional<SystemTime> deletionTimestamp;  // nobody declares it any more, but something of it is left
  std::int64_t generation = 1;
  friend bool operator==(const Identity&, const Identity&) = default;
};

/// Where in the sources something stands. line and column count from 1; 0: the file as a whole.
struct Origin {
  file::SharedPath root;  // the manifest root that it was found under, as the user gave it
  file::SharedPath file;  // the file, below or equal to the root, symlinks not resolved
  std::size_t line = 0;
  std::size_t column = 0;
  /// "file:line:column", or less where less is known
  std::string toString() const;
  friend bool operator==(const Origin&, const Origin&) = default;
};

/// A mistake in a manifest: what `validate` prints and `plan -o json` lists.
struct Problem {
  Reason reason = Reason::InvalidManifest;
  Origin origin;
  std::optional<ObjectKey> object;
  std::string field;  // "spec.memory", "spec.networkInterfaces[0].mac"; empty: the object or file as a whole
  std::string message;  // a sentence; without the place, which origin and field give
  /// "file:line:column: spec.memory: message"
  std::string toString() const;
  friend bool operator==(const Problem&, const Problem&) = default;
};

struct Metadata {
  std::string name;
  std::string nameSpace;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
};

struct AlbatrossInstance {
  struct Files {
    std::filesystem::path ca, certificate, privateKey;  // absolute: resolved against the manifest
  };
  struct SecretRef {
    std::string nameSpace, name;  // keys ca.crt, tls.crt, tls.key
  };
  struct NoCredentials {};  // of a local server, which asks for none
  std::string endpoint;
  std::variant<Files, SecretRef, NoCredentials> credentials;
  std::optional<std::string> serverName;
  std::optional<std::string> rootNamespace;
  std::optional<std::set<std::string>> allowedNamespaces;  // absent: all
  std::chrono::milliseconds connectTimeout{5'000}, commandTimeout{30'000}, streamTimeout{600'000};
  bool observe = false;
  bool suspend = false;
  std::vector<schedule::Window> maintenanceWindows;       // empty: what runs may be stopped at any time
  std::optional<std::int64_t> maxConcurrentUpdates = {};  // unikernels; absent: all at once

  /// How the endpoint of a local server begins, of which the folder of its sockets follows.
  static constexpr std::string_view localScheme = "unix://";
  bool isLocal() const { return endpoint.starts_with(localScheme); }
};

struct SecretKeyRef {
  std::string name, key;  // of a Secret in the object's own namespace
};

/// On a Unikernel: the specDigest of the spec that is to come about whatever its adopt and update.strategy
/// say, as with adopt: Always and ForceCreate. Once the spec is another, it means nothing any more.
inline constexpr std::string_view forceCreateAnnotation = "rookery.dev/force-create";

/// What a health check asks.
struct HttpCheck {
  std::string url;
  std::optional<std::int64_t> expectedStatus = {};  // absent: 200 to 399
  bool insecure = false;                            // the certificate is not verified
};
struct TcpCheck {
  std::string address;  // host:port
};
struct DnsCheck {
  std::string server;  // an IP address, with a port or without
  std::string name, type;
};

/// How it is found out whether a unikernel is well.
struct HealthCheck {
  std::variant<HttpCheck, TcpCheck, DnsCheck> target;
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds timeout{60'000};  // until it is healthy
  std::int64_t failureThreshold = 3;
  bool rollback = false;  // what ran well before is put back where an update does not get healthy
};

struct Unikernel {
  enum class RunPolicy { Always, Once };
  enum class UpdateStrategy { ForceCreate, OnDelete };
  enum class Adopt { IfIdentical, Always, Never };
  /// Not both of path and url. With url there is a sha256; and without either, which means the image store.
  struct Image {
    file::SharedPath path = {};  // absolute: resolved against the manifest; empty: there is none
    std::optional<std::string> url = {};
    std::optional<std::string> sha256 = {};  // lower-case hex

    /// It is named by its digest alone, and looked for in the image store.
    bool isStored() const { return path.empty() && !url && sha256; }
    /// What messages call it: the path, the URL without its query, which may be as good as a password, or the
    /// digest.
    std::string name() const;
  };
  struct NetworkInterface {
    std::string name;
    std::optional<std::string> bridge;
    std::optional<std::string> mac;  // "02:00:00:00:00:01", lower case
  };
  struct BlockDevice {
    std::string name;
    std::optional<std::string> volumeName;
    std::optional<std::int64_t> sectorSize;

    /// Name of the volume that it is.
    const std::string& volume() const { return volumeName ? *volumeName : name; }
  };
  struct ArgumentFrom {
    std::string name;
    SecretKeyRef secretKeyRef;
  };
  /// On which instances it runs, where those are several.
  struct Placement {
    LabelSelector instanceSelector = {};
    std::optional<std::int64_t> replicas = 1;  // absent: all that are selected
    std::string topologyKey = {};              // of a label of instances; empty: they are not told apart
    std::optional<std::chrono::milliseconds> failoverAfter = {};  // absent: never
  };
  std::optional<std::string> instance;  // absent: one that the selector selects, or the only one there is
  std::optional<LabelSelector> instanceSelector;  // not with `instance`
  std::optional<Placement> placement = {};        // not with either
  Image image;
  int compressionLevel = 0;  // of the image on its way: 0–9, zlib's
  std::set<std::int64_t> cpuIDs = {0};
  std::int64_t memory = 32;  // Mi
  std::vector<NetworkInterface> networkInterfaces;
  std::vector<BlockDevice> blockDevices;
  std::vector<std::string> arguments;                                        // as written, before expansion
  std::map<std::string, std::vector<std::string>> argumentsByInstance = {};  // after those of `arguments`
  std::vector<ArgumentFrom> argumentsFrom;
  std::vector<std::string> dependsOn;  // names of unikernels of its namespace
  bool addName = true;   // the default has been worked out: false when an argument begins with --name=
  bool restart = false;  // failBehaviour
  std::set<std::int64_t> exitCodes;  // failBehaviour; empty: on any
  RunPolicy runPolicy = RunPolicy::Always;
  std::optional<std::int64_t> startup;
  UpdateStrategy updateStrategy = UpdateStrategy::ForceCreate;
  std::int64_t maxUnavailable = 1;              // replicas, because of an update
  std::optional<std::int64_t> pauseAfter = {};  // replicas that get an update before somebody is asked
  Adopt adopt = Adopt::IfIdentical;
  std::optional<HealthCheck> healthCheck;
  std::int64_t minReadySeconds = 0;
  bool prune = true;
  bool suspend = false;
  std::vector<schedule::Window> maintenanceWindows;  // empty: those of its instance
};

struct UnikernelPolicy {
  std::optional<std::string> instance;  // as of a Unikernel
  std::optional<LabelSelector> instanceSelector;
  std::int64_t unikernels = 1;
  std::int64_t memory = 0;  // Mi
  std::set<std::int64_t> cpuIDs;
  std::optional<std::int64_t> blockStorage;  // Mi
  std::set<std::string> bridges;
};

struct UnikernelVolume {
  enum class ReclaimPolicy { Retain, Delete };
  std::optional<std::string> instance;  // as of a Unikernel
  std::optional<LabelSelector> instanceSelector;
  std::int64_t size = 1;                   // Mi
  std::optional<Unikernel::Image> source;  // a file of any content; absent: nothing is written
  int compressionLevel = 0;                // 0–9, zlib's
  ReclaimPolicy reclaimPolicy = ReclaimPolicy::Retain;
};

struct Secret {
  std::map<std::string, std::string>
      data;  // decoded bytes, stringData merged over data. Never to be printed.
};

/// Stands for what a Unikernel's spec runs, besides the image's content: no digest of where the image comes
/// from, of on how many instances it runs (placement), or of how its object is looked after (adopt,
/// dependsOn, healthCheck, maintenanceWindows, minReadySeconds, prune, suspend, update).
struct RunDigest {
  std::string current;  // SHA-256 hex
  /// What former versions, which covered the whole spec, may have written for this one: they left out what
  /// equalled a default, and that of minReadySeconds was another.
  std::vector<std::string> former = {};
};

/// One valid object of a source.
struct Object {
  Metadata metadata;
  Origin origin;
  PackedJson manifest;     // as written, with the schema's defaults; no status. Without data for a Secret.
  std::string specDigest;  // SHA-256 hex of the spec without what equals a default: the generation rises when
                           // it changes
  RunDigest run = {};      // of a Unikernel
  FieldPlaces places;      // of what was written in metadata and spec
  std::variant<AlbatrossInstance, Unikernel, UnikernelPolicy, UnikernelVolume, Secret> spec;

  Kind kind() const;
  ObjectKey key() const;
  /// Where `field` ("spec.image.path") stands, or the nearest field around it that was written, or the
  /// object.
  Origin originOf(std::string_view field) const;
  template <class T>
  const T& as() const {
    return std::get<T>(spec);
  }
};

using ObjectPtr = std::shared_ptr<const Object>;

}  // namespace rookery::api
