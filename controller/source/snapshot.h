#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/key_set.h"
#include "api/manifest.h"
#include "api/object.h"
#include "api/outdated.h"
#include "api/status.h"
#include "source/revision.h"

namespace rookery::source {

using api::SystemTime;

/// What could not be looked into below a root.
struct Obstacle {
  api::Silence silence = {};
  SystemTime changed = {};   // ctime: what was seen elsewhere after that has not moved in there
  bool unseen = true;        // false: nothing is in it that was not known to come from there
  bool secretsOnly = false;  // nothing but Secrets can be in it
  friend bool operator==(const Obstacle&, const Obstacle&) = default;
};

/// A manifest root as a scan found it; or a Kubernetes cluster.
struct Root {
  std::filesystem::path path;  // how entries of the inventory name it
  bool complete = false;       // it could be read
  bool gitLocked = false;      // a .git/index.lock stood in the tree: somebody is in the middle of a checkout
  std::size_t objects = 0;
  bool deletesByName = false;  // an object is absent only because somebody deleted just it
  std::optional<std::string> doomed =
      {};               // a sentence: why all of it goes at once, which nobody may have meant
  bool bare = false;    // a folder with nothing at all in it
  bool single = false;  // a single file
  std::optional<SystemTime> lockedSince = {};  // the oldest lock, a stale one left out
  std::optional<api::Silence> hidden = {};     // why nothing that is missing from it is taken for removed
  std::vector<Obstacle> obstacles = {};        // below it
  /// The commit of the work tree that it lies in, or, where it lies in none, of the only one below it.
  std::optional<Revision> revision = {};
  friend bool operator==(const Root&, const Root&) = default;
};

/// Something below a root that is none of rookery's business, and why.
struct PassedOver {
  std::filesystem::path path;
  std::string why;  // half a sentence
  friend bool operator==(const PassedOver&, const PassedOver&) = default;
};

/// Everything that a source declares, at one time. Immutable once published.
struct Snapshot {
  std::vector<api::ObjectPtr> objects;  // valid, no key twice; a broken file's last good ones included
  std::vector<api::ObjectPtr> written;  // what files say without a mistake, file by file: for the next scan
  std::vector<api::Problem> dangling;   // references that name nothing, where nobody else may declare it
  /// Not declared any more, but kept by the source until nothing of them is left.
  std::vector<api::ObjectPtr> deleted;
  std::vector<api::Problem> problems;
  std::vector<api::Problem> warnings;                // what is passed over, and better mended
  api::KeySet declared;                              // also those that are invalid or duplicate: not gone
  std::map<api::ObjectKey, api::Outdated> outdated;  // among objects
  /// Files that are there and do not say of all that they once declared what is to become of it: broken,
  /// with a mistake, being written, without any object. By all their names.
  std::map<std::filesystem::path, api::Silence> silent;
  std::map<std::filesystem::path, std::string> ignored;  // files and folders, with the rule: "FILE:LINE"
  std::vector<PassedOver> passedOver;
  std::vector<Root> roots;
  std::map<api::ObjectKey, api::Status> statuses;    // as other controllers have reported them to the source
  std::map<api::ObjectKey, std::string> unreadable;  // what the source may not or cannot read: sentences
  /// Not declared any more, and to be let go without being destroyed, whatever runs: somebody said so.
  std::set<api::ObjectKey> released;
  bool synced = true;     // false: a source has not been heard of yet, and may declare more
  std::size_t files = 0;  // manifest files seen, those of other programs left out
  SystemTime scannedAt;
  /// The same by a clock that nobody sets.
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

  /// Why absence from this snapshot does not say that an object which came from `origin` was removed by
  /// somebody. None: it does say so. `seen` is when the object was declared for the last time for sure; the
  /// epoch where that is not known.
  std::optional<api::Silence> silenceAbout(const api::ObjectKey& object, const api::Origin& origin,
                                           SystemTime seen = {}) const;
  /// Whatever keeps something that is missing from that root from being taken for removed.
  std::vector<api::Silence> silences(const Root& root) const;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// The names of the instances that are declared, those with a mistake, too.
std::set<std::string> instancesDeclared(const Snapshot& snapshot);

}  // namespace rookery::source
