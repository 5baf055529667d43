#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "albatross/name.h"
#include "albatross/pem.h"
#include "albatross/wire.h"
#include "api/annotations.h"
#include "api/object.h"
#include "api/outdated.h"
#include "error.h"
#include "image/image.h"
#include "plan/observed.h"
#include "plan/shared.h"
#include "plan/shared_map.h"

namespace rookery::plan {

/// What Secrets put into the arguments of a unikernel before, as far as this process knows: what was started
/// with them may print them still. No part of what is wanted, and so all are equal.
struct FormerSecrets {
  std::vector<std::string> values = {};
  friend bool operator==(const FormerSecrets& /*a*/, const FormerSecrets& /*b*/) { return true; }
};

/// On which instances a unikernel with a placement is to run.
struct Replicas {
  std::int64_t wanted = 1;                     // that there are to be
  std::set<std::string> instances = {};        // that it was placed on
  std::map<std::string, Error> unusable = {};  // of those, the ones that nothing can be done on, and why
  std::string revision = {};                   // rolloutRevision()
  friend bool operator==(const Replicas&, const Replicas&) = default;
};

/// A unikernel as it is to run on one instance: its manifest with all that it refers to.
struct DesiredUnikernel {
  api::ObjectPtr object;
  api::Identity identity;
  albatross::Arguments arguments;         // expanded: may hold secrets, never to be printed
  Result<image::Image> image;             // checked against the manifest: pin, target, devices
  Shared<image::Missing> missing;         // image is its error: it was not pulled yet, or is unsettled
  Shared<Error> error;                    // a reference that cannot be resolved, or a rule that it breaks
  Shared<std::string> notice;             // worth a word in the Ready condition (sticky placement)
  std::vector<std::string> secrets = {};  // values in `arguments` from Secrets; all, unless there is `error`
  FormerSecrets formerSecrets = {};
  Shared<std::vector<std::string>> shown = {};  // arguments as they may be shown; absent: as in the manifest
  Shared<Replicas> replicas = {};               // absent: it has no placement
  Shared<std::string> waits = {};  // why what runs is not to be stopped for now, as a sentence (rollout.h)

  friend bool operator==(const DesiredUnikernel&, const DesiredUnikernel&) = default;
  const api::Unikernel& spec() const { return object->as<api::Unikernel>(); }
  /// Its boot arguments, without what came from Secrets.
  const std::vector<std::string>& literalArguments() const { return shown ? *shown : spec().arguments; }
  /// Its image is a file that is still being written, or read: what it was counts until that is known.
  bool imageUnsettled() const;
  /// Of the image that is to run, raw; empty: it is not known. That of one that was not pulled yet is.
  std::string digest() const;
  /// Which restart somebody has asked for; empty: none.
  std::string restartedAt() const {
    return api::requestOf(object->metadata.annotations, api::restartedAtAnnotation);
  }
  /// Whether what runs is destroyed when the object is deleted.
  bool goesWithItsObject() const { return spec().prune && !api::isReleased(object->metadata.annotations); }
};

struct DesiredPolicy {
  api::ObjectPtr object;
  api::Identity identity;
  albatross::Policy policy;
  std::optional<Error> error = std::nullopt;  // a rule that it breaks
  friend bool operator==(const DesiredPolicy&, const DesiredPolicy&) = default;
};

/// What somebody has asked to be written to a volume, once.
struct VolumeLoad {
  std::uint64_t id = 0;    // no two are the same
  image::Image content;    // a file of any content
  bool stopsUser = false;  // a unikernel that uses the volume is stopped for it, and started again
  friend bool operator==(const VolumeLoad&, const VolumeLoad&) = default;
};

/// A volume as it is to be on one instance. What its source names is no image: only what it holds counts.
struct DesiredVolume {
  api::ObjectPtr object;
  api::Identity identity;
  std::optional<Result<image::Image>> content = {};  // absent: nothing is to be written
  std::optional<image::Missing> missing = {};        // content is its error: not pulled yet, or unsettled
  std::optional<Error> error = {};                   // a rule that it breaks
  std::optional<std::string> notice = {};            // worth a word in the Ready condition
  std::optional<VolumeLoad> load = {};               // until it has ended

  friend bool operator==(const DesiredVolume&, const DesiredVolume&) = default;
  const api::UnikernelVolume& spec() const { return object->as<api::UnikernelVolume>(); }
  /// Its content is a file that is still being written, or read.
  bool unsettled() const;
  /// Of the content that is to be written, raw; empty: there is none, or it is not known.
  std::string digest() const;
  /// Whether the block device is removed when the object is deleted.
  bool goesWithItsObject() const;
};

/// How a unikernel stands that others wait for (spec.dependsOn).
struct Dependency {
  bool ready = false;
  bool settled = false;      // it will not become so unless somebody changes something
  std::string absence = {};  // why there is none, as the end of a sentence: "which is not declared"
  friend bool operator==(const Dependency&, const Dependency&) = default;
};

/// What is to become of a unikernel or a volume of ours that the manifests do not want on this instance. Kept
/// for Pruning: until it is sure that nobody declares it, or because pruning is off; for Moved: until it runs
/// where it belongs.
struct Absence {
  enum class Verdict { Keep, Release, Destroy };
  Verdict verdict = Verdict::Keep;
  Reason reason = Reason::ManifestRemoved;
  std::string message;
  std::string withheld = {};  // Keep: the ID of the set that it is withheld with; empty: with none
  friend bool operator==(const Absence&, const Absence&) = default;
};

/// What the sources want of one instance. Immutable once made; shared with the instance's coroutine.
struct Desired {
  api::ObjectPtr instance;
  api::Identity identity;
  Result<albatross::Pem> credentials;     // as read; the private key never leaves it
  std::optional<Error> credentialsStand;  // why they are those that its files held before
  SharedMap<api::ObjectKey, DesiredUnikernel> unikernels;
  std::map<std::string, DesiredPolicy> policies;  // by namespace
  std::map<api::ObjectKey, DesiredVolume> volumes;
  std::map<api::ObjectKey, Absence> absences;  // for our entries that are in neither; not listed: Keep
  std::vector<Error> withheld;                 // what the prune guard withholds here, and how to confirm it
  std::size_t withheldUnikernels = 0;          // so many in all
  std::map<api::ObjectKey, api::Outdated> outdated;  // what is wanted as it was, and why
  std::set<std::string> instances;                   // that some manifest declares, valid or not
  bool prunes = true;                                // what is not declared any more may be destroyed
  std::map<api::ObjectKey, Dependency> dependencies =
      {};                                    // that unikernels here wait for, and that are elsewhere, too
  std::set<api::ObjectKey> awaited = {};     // unikernels here that those of other instances wait for
  std::set<api::ObjectKey> replicated = {};  // unikernels here that have a placement

  friend bool operator==(const Desired&, const Desired&) = default;

  const api::AlbatrossInstance& spec() const { return instance->as<api::AlbatrossInstance>(); }
  const std::string& name() const { return instance->metadata.name; }
  /// What a unikernel is called on the wire, where the credential has the domain `base`.
  albatross::Name nameOf(const api::ObjectKey& key, const albatross::Name& base) const;
  /// The object that a unikernel of that name would be of, where the credential has the domain `base`;
  /// without a name where none can be.
  api::ObjectKey objectAt(const albatross::Name& name, const albatross::Name& base) const;
  /// It is kept until something else has been seen, and then goes without anybody.
  bool goesLater(const Absence& absence) const;
};

using DesiredPtr = std::shared_ptr<const Desired>;

/// The unikernels that are wanted otherwise in `after` than in `before`. Nothing: that is not all the
/// difference, or there are others.
std::optional<std::set<api::ObjectKey>> changedUnikernels(const Desired& before, const Desired& after);
/// Those that are seen otherwise in `after` than in `before`. Nothing: that is not all the difference.
std::optional<std::set<api::ObjectKey>> changedUnikernels(const Observed& before, const Observed& after,
                                                          const Desired& desired);

/// What is said of an object that is missing, and kept all the same.
std::string whyKept(const api::ObjectKey& object, const api::Silence& silence);

/// What a server is told of a unikernel, but its boot arguments, which secrets may have to be put into.
/// Error: InvalidManifest (a MAC).
Result<albatross::Arguments> toArguments(const api::Unikernel& spec);

/// The policy that a UnikernelPolicy declares.
albatross::Policy toPolicy(const api::UnikernelPolicy& spec);

}  // namespace rookery::plan
