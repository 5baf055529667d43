#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "plan/inventory.h"

namespace rookery::kubernetes {

/// Entries that are newer than what their objects have of them, and not written down yet: what comes of the
/// same unikernel or volume before they are due rides in the same request. An entry counts as long as this
/// process may write for its instance. Thread-safe.
class DeferredEntries {
 public:
  using Clock = std::chrono::steady_clock;

  explicit DeferredEntries(std::function<bool(const std::string& instance)> mayWrite)
      : mayWrite_(std::move(mayWrite)) {}

  /// In place of one that is deferred already.
  void put(plan::Entry entry, Clock::time_point due);
  /// Something newer is to be said of the same unikernel.
  void overtake(const plan::Entry& entry);
  /// The entry has been written down; one that is newer stays.
  void written(const plan::Entry& entry);
  /// It could not be: it is due again at `due`, if it is this process's to write then.
  void postpone(const plan::Entry& entry, Clock::time_point due);

  /// What is newer than `entry` of the same unikernel.
  std::optional<plan::Entry> find(const plan::Entry& entry) const;
  std::vector<plan::Entry> dueAt(Clock::time_point now) const;
  /// Puts what is deferred in the place of what the objects have.
  void renew(plan::Inventory& inventory) const;
  void renew(std::vector<plan::Entry>& entries) const;

 private:
  struct ByUnikernel {
    bool operator()(const plan::Entry& a, const plan::Entry& b) const {
      return std::tie(a.object.kind, a.serverKey, a.name) < std::tie(b.object.kind, b.serverKey, b.name);
    }
  };
  const plan::Entry* counting(const plan::Entry& entry) const;
  void renewOne(plan::Entry& entry) const;

  const std::function<bool(const std::string& instance)> mayWrite_;
  mutable std::mutex mutex_;
  std::map<plan::Entry, Clock::time_point, ByUnikernel> deferred_;  // and when they are due
};

}  // namespace rookery::kubernetes
