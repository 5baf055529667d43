#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubernetes/client.h"
#include "kubernetes/object_cache.h"
#include "reconcile/events.h"
#include "reconcile/object_store.h"
#include "source/source.h"

namespace rookery::kubernetes {

/// Writes to the cluster what this process knows of the objects that come from there: their status, through
/// the status subresource and only where it differs, and Events. Both follow what they are made of at a
/// distance: what changes twice meanwhile is written once, and a slow API server holds nothing up. A status
/// that cannot be written is tried again later, and later each time; the others do not wait for it. Several
/// statuses are written at the same time, events in their order.
class Writer {
 public:
  /// `leads`: whether this process speaks for objects that are on no instance. All must outlive the writer.
  Writer(Client& client, ObjectCache& cache, const reconcile::ObjectStore& objects,
         const reconcile::EventCache& events, std::function<bool()> leads,
         std::function<void(const std::string& message)> warn);

  /// What is wrong with objects that are not valid, or declared elsewhere, too. From any thread.
  void scanned(const source::Snapshot& snapshot);

  /// Write until the coroutine is cancelled.
  asio::awaitable<void> writeStatuses();
  asio::awaitable<void> writeEvents();

 private:
  /// When a status is to be written, again where that failed.
  struct Attempt {
    std::chrono::steady_clock::time_point notBefore;
    unsigned failures = 0;
    bool passing = false;  // the status will change by itself
  };

  void collect();
  void note(const reconcile::ObjectView& view);
  std::vector<api::ObjectKey> due(bool passing) const;
  void written(const api::ObjectKey& key);
  void postpone(const api::ObjectKey& key, const Failure& failure);
  std::optional<api::Status> statusOf(const CachedObject& cached) const;
  void tell(const std::string& what, const Failure& failure);
  /// What is to be written now; several coroutines may share it.
  struct Batch {
    std::vector<api::ObjectKey> keys;
    std::size_t next = 0;                // of them
    std::optional<Failure> outage = {};  // there is no use in going on
    std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
  };
  asio::awaitable<Answer<void>> writeDue();
  asio::awaitable<void> drain(Batch& batch);
  asio::awaitable<Answer<void>> write(api::ObjectKey key);
  asio::awaitable<void> write(reconcile::EventCache::Change change);

  Client& client_;
  ObjectCache& cache_;
  const reconcile::ObjectStore& objects_;
  const reconcile::EventCache& events_;
  const std::function<bool()> leads_;
  const std::function<void(const std::string& message)> warn_;
  mutable std::mutex mutex_;
  std::map<api::ObjectKey, Error> problems_;  // of the last scan
  std::set<api::ObjectKey> concerned_;        // objects whose problems have changed
  std::map<api::ObjectKey, Attempt> pending_;
  std::uint64_t seen_ = 0;  // version of objects_
  unsigned outages_ = 0;    // requests without a word about their object, since the last one with success
  /// What goes on failing in the same way, for whatever objects, is said once, and again at a growing
  /// distance.
  struct Telling {
    std::chrono::steady_clock::time_point next;
    unsigned times = 0;
    std::size_t unsaid = 0;  // since then
  };
  std::map<std::string, Telling> told_;
};

}  // namespace rookery::kubernetes
