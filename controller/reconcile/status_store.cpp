#include "reconcile/status_store.h"

#include "reconcile/listener.h"

namespace rookery::reconcile {

void StatusStore::publish(ObjectViewPtr view) {
  const api::ObjectKey key = view->object->key();
  const std::lock_guard lock(mutex_);
  views_[key] = std::move(view);
}

void StatusStore::remove(const api::ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  views_.erase(key);
}

ObjectViewPtr StatusStore::find(const api::ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto it = views_.find(key);
  return it == views_.end() ? nullptr : it->second;
}

std::vector<ObjectViewPtr> StatusStore::list(api::Kind kind,
                                             const std::optional<std::string>& nameSpace) const {
  std::vector<ObjectViewPtr> found;
  const std::lock_guard lock(mutex_);
  for (auto it = views_.lower_bound({kind, nameSpace.value_or(""), ""}); it != views_.end(); ++it) {
    if (it->first.kind != kind || (nameSpace && it->first.nameSpace != *nameSpace)) break;
    found.push_back(it->second);
  }
  return found;
}

bool StatusStore::ready() const {
  const std::lock_guard lock(mutex_);
  return ready_;
}

void StatusStore::setReady() {
  const std::lock_guard lock(mutex_);
  ready_ = true;
}

void publishStatus(StatusStore& store, Listener& listener, const api::ObjectPtr& object,
                   std::int64_t generation, api::Status status) {
  using Type = api::Condition::Type;
  const ObjectViewPtr before = store.find(object->key());
  if (before != nullptr) {
    for (api::Condition& condition : status.conditions) {
      const api::Condition* old = before->status.condition(condition.type);
      if (old != nullptr && old->status == condition.status)
        condition.lastTransitionTime = old->lastTransitionTime;
    }
    if (before->object == object && before->generation == generation && before->status == status) return;
  }
  const api::Condition* was = before == nullptr ? nullptr : before->status.condition(Type::Ready);
  const api::Condition* is = status.condition(Type::Ready);
  check(is != nullptr, "every status has a Ready condition");
  if (was == nullptr || was->status != is->status || was->reason != is->reason) {
    listener.readyChanged(object->key(), is->status == api::Condition::Status::True, is->reason, is->message);
  }
  store.publish(std::make_shared<ObjectView>(ObjectView{object, generation, std::move(status)}));
}

}  // namespace rookery::reconcile
