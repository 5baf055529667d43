#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "albatross/name.h"
#include "albatross/wire.h"
#include "api/object.h"
#include "error.h"
#include "file/shared_path.h"
#include "plan/compare.h"
#include "plan/shared.h"
#include "plan/shared_map.h"
#include "plan/verb.h"

namespace rookery::plan {

using api::SystemTime;

/// A mutation whose outcome has not been seen yet, with how the unikernel stood before it was sent.
struct Pending {
  Verb verb = Verb::Create;
  bool committed = false;  // false: an image on its way, which the server discards when the connection ends
  SystemTime since;
  std::string digest;  // raw, of what ran; empty: nothing did
  std::optional<albatross::Time> started;
  std::string image;                                      // raw, of what is sent; empty: no image is
  std::optional<Fingerprint> fingerprint = std::nullopt;  // of what it is started with
  std::string restartedAt = {};                           // the request that it fulfils: Entry::restartedAt
  /// How long the server may take to carry it out.
  std::chrono::milliseconds timeout(const api::AlbatrossInstance& instance) const {
    return image.empty() ? instance.commandTimeout : instance.streamTimeout;
  }
  friend bool operator==(const Pending&, const Pending&) = default;
};

/// What a unikernel was when it was well.
struct Revision {
  std::string digest;           // raw, of its image
  Fingerprint fingerprint = 0;  // of its arguments
  std::int64_t memory = 0;      // Mi
  /// Absent: they are not written down, as others may read it who must not read them, or as they are too
  /// long.
  std::optional<albatross::Arguments> arguments = {};
  friend bool operator==(const Revision&, const Revision&) = default;
};

/// An update that has not been seen to run well yet, or that failed.
struct Trial {
  std::string attempt;                    // what is tried, of which spec: plan::attemptOf()
  std::string digest;                     // raw, of its image
  SystemTime since;                       // it was sent
  std::optional<albatross::Time> before;  // when that began which ran until then
  bool failed = false;
  std::string failure = {};  // how, in sentences
  std::string console = {};  // the last lines that it printed
  friend bool operator==(const Trial&, const Trial&) = default;
};

/// What is remembered of a unikernel whose updates are taken back where they fail (healthCheck.rollback).
struct Rollback {
  std::optional<Revision> good;  // the last one that was well; absent: none was yet
  SystemTime since = {};         // when it was seen to be well first
  /// What was well before it, which is put back where it does not stay up after all; absent: nothing was.
  std::optional<Revision> earlier = {};
  std::optional<Trial> trial = {};
  friend bool operator==(const Rollback&, const Rollback&) = default;
};

/// A unikernel or a block device that is ours: Albatross keeps no labels, so this is all that says so.
/// Written before the create is sent; the server's key is part of it, so that another server behind the same
/// address inherits nothing.
struct Entry {
  std::string serverKey;  // albatross::Reply::serverKey
  albatross::Name name;   // on the wire
  std::string instance;
  api::ObjectKey object;
  file::SharedPath root, file;       // where the object stands or stood
  std::vector<std::string> digests;  // raw; of the images that we sent or adopted, newest first, at most
                                     // maxDigests. Of a volume: of what is on it, if that is known
  bool confirmed = false;  // seen to run with one of the digests, or adopted; of a volume: made or adopted
  bool prune = true;       // whether it goes with its object, as last seen: DesiredUnikernel
  bool suspend = false;    // the object's, as last seen
  std::string ranSpec;     // runPolicy Once: runOf() the last run that the server acknowledged
  std::optional<Pending> pending;
  SystemTime since;  // when this life of it began: the create was sent, or it was adopted; epoch: not known
  std::string withheld;  // the ID of the set that the prune guard withholds it with; empty: with none
  // Of the configurations that we sent or adopted, newest first, at most maxFingerprints. With `started` it
  // says whether what runs is what we started: of an entry that an earlier release wrote, neither is known.
  std::vector<Fingerprint> fingerprints;
  std::optional<albatross::Time> started;  // of what ran when it was last seen to be ours
  std::string restartedAt;  // the request for a restart (api::restartedAtAnnotation) that was fulfilled last
  std::optional<SystemTime> destroyedAt;  // a tombstone: a restart of the server can bring the unikernel back
  std::int64_t size = 0;                  // Mi; of a volume
  Shared<Rollback> rollback;              // absent: its updates are not taken back
  friend bool operator==(const Entry&, const Entry&) = default;

  bool isVolume() const { return object.kind == api::Kind::UnikernelVolume; }
  static constexpr std::size_t maxDigests = 5;
  static constexpr std::size_t maxFingerprints = 16;
  /// Whether an image is one that we sent, or that may have arrived.
  bool sent(const std::string& digest) const;
  /// An image is ours now.
  void remember(const std::string& digest);
  /// It is a tombstone now, and keeps no more than what tells whether it is ours when it comes back.
  void bury(SystemTime now);
  /// Whether it is known what of that name we started, and how to tell it from what others start.
  bool tellsLives() const { return started || !fingerprints.empty(); }
  /// Whether a configuration is one that we sent.
  bool sent(Fingerprint fingerprint) const;
  /// A configuration is ours now.
  void remember(Fingerprint fingerprint);
};

/// An entry as the state directory keeps it. entryFromJson throws nlohmann::json::exception on what is none,
/// also where a text is longer than one of ours can be, or a time lies out of this world: whoever may write
/// an object in a cluster may write one there.
nlohmann::json toJson(const Entry& entry);
Entry entryFromJson(const nlohmann::json& value);

/// Times on the disk: milliseconds since the epoch.
std::int64_t toMillis(SystemTime time);
/// Throws nlohmann::json::exception where it is none that we wrote.
SystemTime timeFromJson(const nlohmann::json& value);

/// In hexadecimal digits: of what confirms a set that the prune guard withholds.
inline constexpr std::size_t confirmationIdLength = 12;

using Inventory = std::map<albatross::Name, Entry>;  // of one server: its unikernels, or its volumes
/// The same as it is kept, to be looked at: what has not changed since another look is the same item.
using SharedInventory = SharedMap<albatross::Name, Entry>;
using Inventories = std::map<std::string, SharedInventory>;  // by server key
/// Of those that are of unikernels.
Inventories inventoriesOf(std::vector<Entry> entries);

/// How long a tombstone is kept.
inline constexpr std::chrono::hours tombstoneLifetime{24 * 7};

}  // namespace rookery::plan
