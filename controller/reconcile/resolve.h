#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/object.h"
#include "error.h"
#include "plan/desired.h"
#include "plan/inventory.h"
#include "plan/policy_use.h"
#include "reconcile/credential_files.h"
#include "reconcile/dependencies.h"
#include "reconcile/image_places.h"
#include "reconcile/object_store.h"
#include "reconcile/secret_history.h"
#include "source/snapshot.h"

namespace rookery::reconcile {

/// The sources' snapshot, told apart by instance.
struct Resolution {
  std::map<std::string, std::shared_ptr<plan::Desired>> instances;
  Declarations declarations;                 // the snapshot's objects
  bool failsOver = false;                    // some unikernel is to be replaced where it is out of reach
  bool pulls = false;                        // some unikernel names its image by URL
  std::map<api::ObjectKey, Error> unplaced;  // unikernels and policies that no instance can have, and why
  std::optional<std::chrono::milliseconds>
      lookAgainIn;  // a credential file is being written, or an instance is to be replaced by then
};

/// The identity of an object with that digest of its spec; a new one for an object that was never seen.
using Identify = std::function<api::Identity(const api::ObjectKey& key, const std::string& specDigest)>;

/// What is needed to resolve a snapshot.
struct ResolveInput {
  source::SnapshotPtr snapshot;
  plan::Inventories inventories;  // all: an object stays where it was placed
  plan::Inventories volumes = {};
  ImagePlaces images;
  Identify identify;
  std::optional<std::uint64_t> identityChanges = std::nullopt;  // State::identityChanges, before identify()
  StandingOf standingOf =
      {};  // of unikernels that those of other instances wait for; empty: nothing is known
  /// What plan::policyUse says of instances, as far as that is known.
  std::map<std::string, std::map<std::string, plan::PolicyUse>> uses = {};
  /// For how long instances have been out of reach, those that are.
  std::map<std::string, std::chrono::milliseconds> outOfReach = {};
};

/// Places every object on its instance and resolves what it refers to: credentials, secrets, images. Reads
/// credential files, and has the images looked at that changed; pulls none. Absences are not judged here
/// (guard.h).
///
/// A unikernel whose manifest is the same object as in the snapshot before is not resolved again, and is the
/// same item in what is returned, as long as all that the result hangs on is as it was: see Context.
class Resolver {
 public:
  /// It must outlive this.
  explicit Resolver(CredentialFiles& credentials);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  Resolution resolve(const ResolveInput& input);

 private:
  struct Context;
  struct Known;
  class Pass;

  CredentialFiles& credentials_;
  std::unique_ptr<Known> known_;                                       // of the snapshot before
  std::map<api::ObjectKey, std::string> chosen_;                       // for those that select their instance
  std::map<api::ObjectKey, std::vector<std::string>> chosenReplicas_;  // for those that have a placement
  SecretHistory secrets_;
};

}  // namespace rookery::reconcile
