#include "kubernetes/deferred_entries.h"

namespace rookery::kubernetes {

using plan::Entry;

void DeferredEntries::put(Entry entry, Clock::time_point due) {
  const std::lock_guard lock(mutex_);
  const Id id = idOf(entry);
  deferred_.insert_or_assign(id, Deferred{std::move(entry), due});
}

void DeferredEntries::overtake(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  deferred_.erase(idOf(entry));
}

void DeferredEntries::written(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  const auto found = deferred_.find(idOf(entry));
  if (found != deferred_.end() && found->second.entry == entry) deferred_.erase(found);
}

void DeferredEntries::postpone(const Entry& entry, Clock::time_point due) {
  const std::lock_guard lock(mutex_);
  const auto found = deferred_.find(idOf(entry));
  if (found == deferred_.end()) return;
  if (mayWrite_(found->second.entry.instance)) {
    found->second.due = due;
  } else {
    deferred_.erase(found);
  }
}

/// The caller has locked mutex_.
const DeferredEntries::Deferred* DeferredEntries::counting(const Id& id) const {
  const auto found = deferred_.find(id);
  return found != deferred_.end() && mayWrite_(found->second.entry.instance) ? &found->second : nullptr;
}

std::optional<Entry> DeferredEntries::find(const Id& id) const {
  const std::lock_guard lock(mutex_);
  const Deferred* found = counting(id);
  return found == nullptr ? std::nullopt : std::optional(found->entry);
}

std::vector<Entry> DeferredEntries::dueAt(Clock::time_point now) const {
  std::vector<Entry> due;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, deferred] : deferred_) {
    if (deferred.due <= now) due.push_back(deferred.entry);
  }
  return due;
}

/// The caller has locked mutex_. One of another object's is none of its.
void DeferredEntries::renewOne(Entry& entry) const {
  const Deferred* newer = counting(idOf(entry));
  if (newer != nullptr && newer->entry.object == entry.object) entry = newer->entry;
}

void DeferredEntries::renew(plan::Inventory& inventory) const {
  const std::lock_guard lock(mutex_);
  if (deferred_.empty()) return;
  for (auto& [name, entry] : inventory) renewOne(entry);
}

void DeferredEntries::renew(std::vector<Entry>& entries) const {
  const std::lock_guard lock(mutex_);
  if (deferred_.empty()) return;
  for (Entry& entry : entries) renewOne(entry);
}

}  // namespace rookery::kubernetes
