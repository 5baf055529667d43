#include "reconcile/object_store.h"

#include "api/conditions.h"
#include "reconcile/combined_status.h"
#include "reconcile/listener.h"
#include "text.h"

namespace rookery::reconcile {

namespace {

using api::Condition;

/// A message is kept for each object, in each version that somebody may still watch; it goes to the API, to a
/// cluster, to the page, to events and logs. Kubernetes takes 32 KiB.
constexpr std::size_t longestMessage = 4 << 10;

/// Of an object that nobody has looked at.
api::Status unseen(const api::Object& object, const api::Identity& identity, api::SystemTime now) {
  api::Status status;
  if (object.kind() == api::Kind::Secret) return status;  // has none
  status.observedGeneration = identity.generation;
  status.conditions = {
      {Condition::Type::Ready, Condition::Status::Unknown, Reason::Reconciling, "Not looked at yet.", now}};
  return status;
}

bool readyDiffers(const api::Status& before, const api::Status& status) {
  const Condition* was = before.condition(Condition::Type::Ready);
  const Condition* is = status.condition(Condition::Type::Ready);
  return was == nullptr || was->status != is->status || was->reason != is->reason;
}

/// The same to everybody who reads it; it may stand elsewhere in its file.
bool sameContent(const api::Object& a, const api::Object& b) {
  return a.specDigest == b.specDigest && a.metadata.labels == b.metadata.labels &&
         a.metadata.annotations == b.metadata.annotations && a.manifest == b.manifest &&
         a.origin.file == b.origin.file;
}

}  // namespace

/// Of most changes, only the status is new. What is decoded of a manifest takes about as much room.
std::size_t ObjectStore::weightOf(const Cache::Change& change) {
  constexpr std::size_t view = 2'048, object = 2;
  if (change.before != nullptr && change.before->object == change.after->object) return view;
  return view + object * change.after->object->manifest.size();
}

void ObjectStore::declare(const api::ObjectPtr& object, const api::Identity& identity, api::SystemTime now) {
  bool elsewhere = false;
  cache_.update(object->key(), [&](const ObjectView* before) -> std::optional<ObjectView> {
    if (before == nullptr) return ObjectView{object, identity, unseen(*object, identity, now)};
    if (before->identity == identity && (before->object == object || sameContent(*before->object, *object))) {
      elsewhere = before->object != object;
      return std::nullopt;
    }
    ObjectView view = *before;
    view.object = object;
    view.identity = identity;
    return view;
  });
  if (elsewhere) cache_.amend(object->key(), [&](ObjectView& view) { view.object = object; });
}

void ObjectStore::declare(const Declarations& declarations, const Declarations& before, api::SystemTime now) {
  Declarations::compare(before, declarations,
                        [&](const Declarations::Item* /*was*/, const Declarations::Item* is) {
                          if (is != nullptr) declare(is->second.object, is->second.identity, now);
                        });
}

void ObjectStore::markDeleted(const api::ObjectKey& key, api::SystemTime since) {
  cache_.update(key, [&](const ObjectView* before) -> std::optional<ObjectView> {
    if (before == nullptr || before->identity.deletionTimestamp) return std::nullopt;
    ObjectView view = *before;
    view.identity.deletionTimestamp = since;
    return view;
  });
}

bool ObjectStore::amendDeleted(const api::ObjectPtr& object, const api::Identity& identity) {
  bool found = false;
  cache_.update(object->key(), [&](const ObjectView* before) -> std::optional<ObjectView> {
    found = before != nullptr && before->identity.deletionTimestamp && before->identity.uid == identity.uid;
    if (!found) return std::nullopt;
    ObjectView view = *before;
    view.object = object;
    view.identity.generation = identity.generation;
    return view;
  });
  return found;
}

void ObjectStore::remove(const api::ObjectKey& key) { cache_.erase(key); }

/// `statusNow`: of the view before it is made another.
template <class StatusNow>
void ObjectStore::publish(const api::ObjectKey& key, const StatusNow& statusNow, Listener& listener) {
  api::Status status;
  const ObjectViewPtr before = cache_.update(key, [&](const ObjectView* known) -> std::optional<ObjectView> {
    if (known == nullptr) return std::nullopt;
    ObjectView view = *known;
    statusNow(view);
    check(view.status.condition(Condition::Type::Ready) != nullptr, "every status has a Ready condition");
    for (Condition& condition : view.status.conditions)
      condition.message = visible(condition.message, longestMessage);
    api::keepTransitions(known->status, view.status.conditions);
    view.status.sources = known->status.sources;
    view.ours = true;
    status = view.status;
    const bool same = known->ours && known->status == status && known->oursOn == view.oursOn;
    return same ? std::nullopt : std::optional(std::move(view));
  });
  if (before == nullptr || !readyDiffers(before->status, status)) return;
  const Condition& ready = *status.condition(Condition::Type::Ready);
  listener.readyChanged(key, ready.status == Condition::Status::True, ready.reason, ready.message);
}

void ObjectStore::report(const api::ObjectKey& key, api::Status status, Listener& listener) {
  publish(
      key,
      [&](ObjectView& view) {
        view.status = status;
        view.oursOn.clear();
      },
      listener);
}

void ObjectStore::report(const api::ObjectKey& key, const api::Status& status, const plan::Replicas& replicas,
                         api::SystemTime now, Listener& listener) {
  publish(
      key,
      [&](ObjectView& view) {
        view.status = combinedStatus(view.status, status, replicas, now);
        view.oursOn.insert(status.instance.value_or(""));
        std::erase_if(view.oursOn, [&](const auto& each) { return !replicas.instances.contains(each); });
      },
      listener);
}

void ObjectStore::noteSources(const api::ObjectKey& key, const std::vector<api::SourceStatus>& sources) {
  cache_.update(key, [&](const ObjectView* known) -> std::optional<ObjectView> {
    if (known == nullptr || known->status.sources == sources) return std::nullopt;
    ObjectView view = *known;
    view.status.sources = sources;
    return view;
  });
}

void ObjectStore::mirror(const api::ObjectKey& key, const api::Status& status, api::SystemTime now) {
  cache_.update(key, [&](const ObjectView* known) -> std::optional<ObjectView> {
    if (known == nullptr || known->status == status || (known->ours && known->oursOn.empty()))
      return std::nullopt;
    ObjectView view = *known;
    view.status = status;
    if (known->ours) {
      view.status = combinedStatus(known->status, status, known->oursOn, now);
      api::keepTransitions(known->status, view.status.conditions);
    }
    return view.status == known->status ? std::nullopt : std::optional(std::move(view));
  });
}

void ObjectStore::disown(const api::ObjectKey& key, const std::string& instance) {
  cache_.update(key, [&](const ObjectView* known) -> std::optional<ObjectView> {
    if (known == nullptr || !known->oursOn.contains(instance)) return std::nullopt;
    ObjectView view = *known;
    view.oursOn.erase(instance);
    view.ours = !view.oursOn.empty();
    return view;
  });
}

void ObjectStore::disown(const api::ObjectKey& key) {
  cache_.update(key, [&](const ObjectView* known) -> std::optional<ObjectView> {
    if (known == nullptr || !known->ours) return std::nullopt;
    ObjectView view = *known;
    view.ours = false;
    view.oursOn.clear();
    return view;
  });
}

std::vector<ObjectViewPtr> ObjectStore::list() const {
  const api::ObjectKey first{api::allKinds.front(), "", ""};
  return cache_.list(first, [](const api::ObjectKey&) { return true; }).views;
}

ObjectStore::Cache::Listing ObjectStore::list(api::Kind kind,
                                              const std::optional<std::string>& nameSpace) const {
  return cache_.list({kind, nameSpace.value_or(""), ""}, [&](const api::ObjectKey& key) {
    return key.kind == kind && (!nameSpace || key.nameSpace == *nameSpace);
  });
}

}  // namespace rookery::reconcile
