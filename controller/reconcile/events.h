#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "reconcile/listener.h"
#include "reconcile/object_store.h"
#include "reconcile/watch_cache.h"

namespace rookery::reconcile {

/// Something that happened to an object, as often as it did: core/v1 Event.
struct Event {
  enum class Type { Normal, Warning };
  std::string nameSpace, name;
  std::string uid;
  api::ObjectKey about;
  std::string aboutUid;  // empty: the object was not known
  Type type = Type::Normal;
  std::string reason, message;
  api::SystemTime firstTimestamp, lastTimestamp;
  std::int64_t count = 1;
  std::uint64_t resourceVersion = 0;
};
nlohmann::json toJson(const Event& event);

/// By namespace and name.
using EventCache = WatchCache<std::pair<std::string, std::string>, Event>;

/// Keeps what the reconciler decides and what comes of it as Events. What happens again to the same object,
/// with the same reason and message, is counted and not repeated; that an object is not Ready because its
/// last step failed is no event besides that failure. The newest are kept: at most `maxEvents`, for an hour.
/// A message is visible() and has at most 1 KiB, as in Kubernetes. Thread-safe.
class EventRecorder : public Listener {
 public:
  static constexpr std::size_t maxEvents = 1'000;
  static constexpr std::chrono::hours lifetime{1};

  /// `objects` says what an event is about, and must outlive the recorder.
  explicit EventRecorder(const ObjectStore& objects,
                         std::function<api::SystemTime()> now = std::chrono::system_clock::now);

  const EventCache& events() const { return cache_; }

  void scanned(const source::Snapshot& snapshot) override;
  void stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb, Reason reason,
                   const std::string& message) override;
  void stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                 const CommandResult& result) override;
  void ended(const std::string& instance, const api::ObjectKey& object, const std::string& lastLine) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void warned(const std::string& instance, Reason reason, const std::string& message) override;
  void revisionApplied(const std::string& instance, const std::string& root,
                       const source::Revision& revision) override;
  void volumeMoved(const std::string& instance, const api::ObjectKey& volume,
                   const std::string& message) override;

 private:
  using Key = std::pair<std::string, std::string>;
  /// What makes two events one.
  using Sameness = std::tuple<api::ObjectKey, Event::Type, std::string, std::string>;

  void record(const api::ObjectKey& about, Event::Type type, std::string reason, std::string message,
              std::string_view cause = {});
  bool hasToldCause(const api::ObjectKey& about, Reason reason, const std::string& message);
  void forgetCauses(const api::ObjectKey& about);
  void trim(api::SystemTime now);
  std::string revisionOf(const api::ObjectKey& object);

  const ObjectStore& objects_;
  const std::function<api::SystemTime()> now_;
  EventCache cache_{2 * maxEvents};  // one comes for each that goes
  std::mutex mutex_;
  struct Known {
    Key key;
    api::SystemTime last;
    std::string cause = {};  // why a step failed, while it is the last one
    std::list<const Sameness*>::iterator order = {};
  };
  std::map<std::string, std::string> revisions_;  // of the manifest roots that are checkouts
  std::map<Sameness, Known> known_;
  std::list<const Sameness*> order_;  // keys of known_, the one that happened longest ago first
};

}  // namespace rookery::reconcile
