#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "albatross/client/client.h"
#include "albatross/wire.h"
#include "api/object.h"
#include "emulator/server.h"

namespace rookery::simulation {

using api::SystemTime;

/// What must always hold of what the controller sends, by what it was told before; it sees each command at
/// the moment at which a server is about to carry it out. The first violation counts.
class Referee {
 public:
  /// `violated` is told what.
  explicit Referee(std::function<void(const std::string& what)> violated) : violated_(std::move(violated)) {}

  // What people mean, and do
  /// Somebody has taken it out of its file on purpose, or puts it (back) there.
  void removedOnPurpose(const api::ObjectKey& key) {
    removed_.insert(key);
    put_.erase(key);
    stoppedByPeople(key);
  }
  void declared(const api::ObjectKey& key) { removed_.erase(key); }
  /// It belongs on those servers.
  void placed(const api::ObjectKey& key, std::set<std::string> servers) { home_[key] = std::move(servers); }
  /// It belongs on one, and on another only once that could not be looked at for so long.
  void wanders(const api::ObjectKey& key, SystemTime::duration after) { wanders_[key] = after; }
  /// Of one that belongs on several it may be stopped on all at a time.
  void stoppedByPeople(const api::ObjectKey& key) { stopped_.erase(key), ready_.erase(key); }
  /// What runs there is somebody else's, whatever becomes of it.
  void foreign(const std::string& server, const albatross::Name& name) { foreign_.insert({server, name}); }
  /// It may be stopped for what is to be written to its volume.
  void stoppable(const api::ObjectKey& key) { stoppable_.insert(key); }
  /// What has one of these images was started by somebody else, and is his unless the controller saw that
  /// happen to what was its own.
  void foreignImage(const std::string& digest) { foreignImages_.insert(digest); }
  /// From now on what others started may be taken over: that was asked for.
  void everythingMayBeTaken() { foreignImages_.clear(); }
  /// Somebody or something has changed what there is on a server, or may have.
  void changed(const std::string& server) { ++seen_[server].changes; }
  /// So often.
  std::uint64_t changes(const std::string& server) { return seen_[server].changes; }
  void controllerStarts(SystemTime now) { controllerStarted_ = now; }
  /// Something happened, whereupon it is right to try again.
  void newsFor(SystemTime /*now*/) { attempts_.clear(); }

  // What the servers tell, and are told
  /// The controller has been told what there was after so many changes.
  void looked(const std::string& server, const albatross::Unikernels& unikernels, std::uint64_t changes,
              SystemTime now);
  void lookedAtPolicies(const std::string& server, std::uint64_t changes) {
    seen_[server].policiesAt = changes;
  }
  struct Command {
    std::string server;
    const emulator::Request& request;
    const emulator::Resources& resources;  // before it
    bool onDisk = false;                   // that it is about to be sent
    bool elsewhere = false;                // another server has one of ours, too
    SystemTime now;
  };
  void begins(const Command& command);
  /// How one of those that belong on several servers is said to be on one of them.
  void told(const std::string& server, const api::ObjectKey& key, bool ready);
  /// On so many servers it was to have that image.
  std::size_t sentTo(const api::ObjectKey& key, const std::string& digest) const;
  void forgetSent(const api::ObjectKey& key) {
    std::erase_if(sent_, [&](const auto& item) { return item.first.first == key; });
  }
  /// Its sender has an answer, or waits for none any more.
  void ends(const std::string& server) { --executing_[server]; }
  /// A command has failed, and what ran before does not run any more.
  void killedInVain(const std::string& server, const albatross::Name& name) const;

  const albatross::UnikernelInfo* seen(const std::string& server, const albatross::Name& name) const;
  std::size_t commands() const { return commands_; }

 private:
  void checkOwner(const Command& command) const;
  void checkDestroy(const Command& command) const;
  void checkVolume(const Command& command) const;
  void checkUnavailable(const Command& command);
  void checkPlace(const Command& command);
  void checkImage(const Command& command);
  void checkPolicies(const Command& command) const;
  void checkPatience(const Command& command);
  void fail(const std::string& what) const { violated_(what); }

  struct Seen {
    std::map<albatross::Name, albatross::UnikernelInfo> unikernels;  // as it was told last
    std::uint64_t changes = 1, unikernelsAt = 0, policiesAt = 0;
    SystemTime at;  // when it was told
    /// There may be something else than what was told.
    bool isStale() const { return unikernelsAt != changes || policiesAt != changes; }
  };

  const std::function<void(const std::string& what)> violated_;
  std::set<api::ObjectKey> removed_, stoppable_;
  std::map<api::ObjectKey, std::set<std::string>> home_;
  std::map<api::ObjectKey, SystemTime::duration> wanders_;
  std::map<api::ObjectKey, std::string> put_;                // of those, where they were created last
  std::map<api::ObjectKey, std::set<std::string>> ready_;    // where they are said to be
  std::map<api::ObjectKey, std::set<std::string>> stopped_;  // by a command, and not Ready since
  std::map<std::pair<api::ObjectKey, std::string>, std::set<std::string>> sent_;  // images, by their digests
  std::set<std::pair<std::string, albatross::Name>> foreign_;
  std::set<std::string> foreignImages_;
  /// What a controller saw others put into the place of what it had seen before; the next one may know of
  /// that.
  std::set<std::pair<std::string, albatross::Name>> witnessed_;
  SystemTime controllerStarted_;
  std::map<std::string, Seen> seen_;
  std::map<std::string, int> executing_;  // commands of this controller
  std::map<std::pair<std::string, albatross::Name>, std::deque<SystemTime>> attempts_;
  std::map<std::pair<std::string, albatross::Name>, albatross::Arguments> restarted_;  // the last step
  std::set<std::string> keepsMemory_;  // servers whose restarts looked as if they did not change the memory
  std::size_t commands_ = 0;
};

/// What a unikernel on the wire is called in manifests: the root is the namespace sys.
api::ObjectKey keyOf(const albatross::Name& name);
albatross::Name nameOf(const api::ObjectKey& key);

}  // namespace rookery::simulation
