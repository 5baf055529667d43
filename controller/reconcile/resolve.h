#pragma once

#include <chrono>
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
#include "reconcile/credential_files.h"
#include "reconcile/image_places.h"
#include "reconcile/object_store.h"
#include "source/snapshot.h"

namespace rookery::reconcile {

/// The sources' snapshot, told apart by instance.
struct Resolution {
  std::map<std::string, std::shared_ptr<plan::Desired>> instances;
  std::vector<Declaration> declarations;     // the snapshot's objects, in the order of their keys
  std::map<api::ObjectKey, Error> unplaced;  // unikernels and policies that no instance can have, and why
  std::optional<std::chrono::milliseconds> lookAgainIn;  // the credential files: one is being written
};

/// The identity of an object with that digest of its spec; a new one for an object that was never seen.
using Identify = std::function<api::Identity(const api::ObjectKey& key, const std::string& specDigest)>;

/// Places every object on its instance and resolves what it refers to: credentials, secrets, images.
/// Placement is sticky: `entries` (the whole inventory) says where an object is. Reads credential files, and
/// has the images looked at that changed; pulls none. Absences are not judged here (guard.h).
Resolution resolve(const source::Snapshot& snapshot, const std::vector<plan::Entry>& entries,
                   ImagePlaces images, CredentialFiles& credentials, const Identify& identify);

}  // namespace rookery::reconcile
