#include "kubernetes/deferred_entries.h"

namespace rookery::kubernetes {

using plan::Entry;

void DeferredEntries::put(Entry entry, Clock::time_point due) {
  const std::lock_guard lock(mutex_);
  deferred_.erase(entry);
  deferred_.emplace(std::move(entry), due);
}

void DeferredEntries::overtake(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  deferred_.erase(entry);
}

void DeferredEntries::written(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  const auto found = deferred_.find(entry);
  if (found != deferred_.end() && found->first == entry) deferred_.erase(found);
}

void DeferredEntries::postpone(const Entry& entry, Clock::time_point due) {
  const std::lock_guard lock(mutex_);
  const auto found = deferred_.find(entry);
  if (found == deferred_.end()) return;
  if (mayWrite_(found->first.instance)) {
    found->second = due;
  } else {
    deferred_.erase(found);
  }
}

/// The caller has locked mutex_.
const Entry* DeferredEntries::counting(const Entry& entry) const {
  const auto found = deferred_.find(entry);
  return found != deferred_.end() && mayWrite_(found->first.instance) ? &found->first : nullptr;
}

std::optional<Entry> DeferredEntries::find(const Entry& entry) const {
  const std::lock_guard lock(mutex_);
  const Entry* newer = counting(entry);
  return newer == nullptr ? std::nullopt : std::optional(*newer);
}

std::vector<Entry> DeferredEntries::dueAt(Clock::time_point now) const {
  std::vector<Entry> entries;
  const std::lock_guard lock(mutex_);
  for (const auto& [entry, due] : deferred_) {
    if (due <= now) entries.push_back(entry);
  }
  return entries;
}

/// The caller has locked mutex_. One of another object's is none of its.
void DeferredEntries::renewOne(Entry& entry) const {
  const Entry* newer = counting(entry);
  if (newer != nullptr && newer->object == entry.object) entry = *newer;
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
