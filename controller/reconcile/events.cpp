#include "reconcile/events.h"

#include <fmt/format.h>

#include "api/uid.h"
#include "plan/unikernel_state.h"
#include "text.h"

namespace rookery::reconcile {

using nlohmann::json;

namespace {

constexpr auto component = "rookery";

/// What Kubernetes takes.
constexpr std::size_t longestEvent = 1024;

/// The room for saying how long a message was that is cut.
constexpr std::size_t ofItsLength = 40;

/// What a step that succeeded is called afterwards.
std::string_view pastOf(plan::Verb verb) {
  switch (verb) {
    case plan::Verb::Create:
      return "Created";
    case plan::Verb::ForceCreate:
      return "ForceCreated";
    case plan::Verb::Restart:
      return "Restarted";
    case plan::Verb::Destroy:
      return "Destroyed";
    case plan::Verb::Adopt:
      return "Adopted";
    case plan::Verb::ApplyPolicy:
      return "PolicyApplied";
    case plan::Verb::CreateVolume:
      return "VolumeCreated";
    case plan::Verb::SetVolume:
      return "VolumeSet";
    case plan::Verb::DestroyVolume:
      return "VolumeDestroyed";
  }
  check(false, "every verb has a past");
  return {};
}

std::string_view apiVersionOf(const api::ObjectKey& key) {
  return key.kind == api::Kind::Secret ? "v1" : api::groupVersion;
}

}  // namespace

json toJson(const Event& event) {
  json involved = {{"kind", api::toString(event.about.kind)},
                   {"name", event.about.name},
                   {"apiVersion", apiVersionOf(event.about)}};
  if (!event.about.nameSpace.empty()) involved["namespace"] = event.about.nameSpace;
  if (!event.aboutUid.empty()) involved["uid"] = event.aboutUid;
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata",
           {{"name", event.name},
            {"namespace", event.nameSpace},
            {"uid", event.uid},
            {"resourceVersion", std::to_string(event.resourceVersion)},
            {"creationTimestamp", api::toRfc3339(event.firstTimestamp)}}},
          {"involvedObject", std::move(involved)},
          {"type", event.type == Event::Type::Normal ? "Normal" : "Warning"},
          {"reason", event.reason},
          {"message", event.message},
          {"firstTimestamp", api::toRfc3339(event.firstTimestamp)},
          {"lastTimestamp", api::toRfc3339(event.lastTimestamp)},
          {"count", event.count},
          {"eventTime", nullptr},
          {"source", {{"component", component}}},
          {"reportingComponent", component},
          {"reportingInstance", ""}};
}

EventRecorder::EventRecorder(const ObjectStore& objects, std::function<api::SystemTime()> now)
    : objects_(objects), now_(std::move(now)) {}

void EventRecorder::scanned(const source::Snapshot& snapshot) {
  const std::lock_guard lock(mutex_);
  revisions_.clear();
  for (const source::Root& root : snapshot.roots) {
    if (root.revision) revisions_.emplace(root.path.native(), root.revision->toString());
  }
}

/// The commit that declares an object; empty: there is none, or the object is not known.
std::string EventRecorder::revisionOf(const api::ObjectKey& object) {
  const ObjectViewPtr view = objects_.find(object);
  if (view == nullptr) return {};
  const std::lock_guard lock(mutex_);
  const auto found = revisions_.find(view->object->origin.root.native());
  return found == revisions_.end() ? std::string() : found->second;
}

void EventRecorder::stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                                Reason reason, const std::string& message) {
  const std::string revision = revisionOf(object);
  record(object, Event::Type::Normal, std::string(toString(reason)),
         fmt::format("{} on {}{}: {}", toString(verb), instance,
                     revision.empty() ? "" : fmt::format(", as of {}", revision), message));
}

void EventRecorder::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                              const CommandResult& result) {
  if (result.error) {
    record(object, Event::Type::Warning, std::string(toString(result.error->reason)),
           fmt::format("{} on {} failed: {}", toString(verb), instance, result.error->message),
           result.error->message);
  } else {
    forgetCauses(object);
    record(object, Event::Type::Normal, std::string(pastOf(verb)),
           fmt::format("{} on {} succeeded.", toString(verb), instance));
  }
}

void EventRecorder::ended(const std::string& instance, const api::ObjectKey& object,
                          const std::string& lastLine) {
  record(object, Event::Type::Warning, "Ended",
         fmt::format("{} has ended on {}; the last line of its console: {}", object.toString(), instance,
                     lastLine));
}

void EventRecorder::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                                 const std::string& message) {
  // The failure's own event names the command, and counts each attempt.
  if (!ready && hasToldCause(object, reason, message)) return;
  const bool calm = ready || plan::isProgress(reason);
  record(object, calm ? Event::Type::Normal : Event::Type::Warning, std::string(toString(reason)), message);
}

void EventRecorder::warned(const std::string& instance, Reason reason, const std::string& message) {
  if (instance.empty()) return;  // about no object: for the log
  record({api::Kind::AlbatrossInstance, "", instance}, Event::Type::Warning, std::string(toString(reason)),
         message);
}

void EventRecorder::revisionApplied(const std::string& instance, const std::string& root,
                                    const source::Revision& revision) {
  record({api::Kind::AlbatrossInstance, "", instance}, Event::Type::Normal, "RevisionApplied",
         fmt::format("All that {} declares here is as it is declared at {}.", root, revision.toString()));
}

void EventRecorder::volumeMoved(const std::string& instance, const api::ObjectKey& volume,
                                const std::string& message) {
  record(volume, Event::Type::Warning, std::string(toString(Reason::Moved)),
         fmt::format("It is on {} from now on. {}", instance, message));
}

/// Whether a message only goes on from why the last step failed.
bool EventRecorder::hasToldCause(const api::ObjectKey& about, Reason reason, const std::string& message) {
  const std::lock_guard lock(mutex_);
  const std::string word(toString(reason));
  for (auto known = known_.lower_bound({about, Event::Type::Warning, word, ""}); known != known_.end();
       ++known) {
    const auto& [object, type, itsReason, told] = known->first;
    if (object != about || type != Event::Type::Warning || itsReason != word) return false;
    if (!known->second.cause.empty() && message.starts_with(known->second.cause)) return true;
  }
  return false;
}

void EventRecorder::forgetCauses(const api::ObjectKey& about) {
  const std::lock_guard lock(mutex_);
  const auto first = known_.lower_bound({about, Event::Type::Normal, "", ""});
  for (auto known = first; known != known_.end() && std::get<api::ObjectKey>(known->first) == about; ++known)
    known->second.cause.clear();
}

/// `cause`: why the step failed that it is about.
void EventRecorder::record(const api::ObjectKey& about, Event::Type type, std::string reason,
                           std::string message, std::string_view cause) {
  const api::SystemTime now = now_();
  const std::lock_guard lock(mutex_);
  trim(now);
  Event event;
  event.uid = api::newUid();
  event.nameSpace = about.nameSpace.empty() ? "default" : about.nameSpace;
  event.name = fmt::format("{}.{}", about.name, event.uid.substr(0, 8) + event.uid.substr(9, 4));
  event.about = about;
  const ObjectViewPtr view = objects_.find(about);
  if (view != nullptr) event.aboutUid = view->identity.uid;
  event.type = type;
  event.reason = reason;
  message = visible(message, longestEvent - ofItsLength);
  if (message.size() > longestEvent) message = shorten(message, longestEvent - ofItsLength);
  event.message = message;
  event.firstTimestamp = event.lastTimestamp = now;
  const auto [known, added] = known_.try_emplace({about, type, std::move(reason), std::move(message)},
                                                 Known{{event.nameSpace, event.name}, now});
  if (added) known->second.order = order_.insert(order_.end(), &known->first);
  order_.splice(order_.end(), order_, known->second.order);
  known->second.last = now;
  known->second.cause = visible(cause);
  cache_.update(known->second.key, [&](const Event* before) -> std::optional<Event> {
    if (before == nullptr || before->aboutUid != event.aboutUid) return event;
    Event again = *before;
    ++again.count;
    again.lastTimestamp = now;
    return again;
  });
}

/// Lets go of what is too old, and makes room for one more.
void EventRecorder::trim(api::SystemTime now) {
  while (!order_.empty()) {
    const auto oldest = known_.find(*order_.front());
    if (now - oldest->second.last <= lifetime && known_.size() < maxEvents) return;
    order_.pop_front();
    cache_.erase(oldest->second.key);
    known_.erase(oldest);
  }
}

}  // namespace rookery::reconcile
