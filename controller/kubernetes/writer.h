#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "kubernetes/client.h"
#include "kubernetes/object_cache.h"
#include "reconcile/events.h"
#include "reconcile/object_store.h"
#include "source/source.h"

namespace rookery::kubernetes {

/// Writes to the cluster what this process knows of the objects that come from there: their status, through
/// the status subresource and only where it differs, and Events. Both follow what they are made of at a
/// distance: what changes twice meanwhile is written once, and a slow API server holds nothing up.
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
  void collect();
  std::optional<api::Status> statusOf(const CachedObject& cached) const;
  void tell(std::string failure);
  asio::awaitable<bool> write(api::ObjectKey key);
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
  std::set<api::ObjectKey> pending_;
  std::uint64_t seen_ = 0;  // version of objects_
  std::string lastFailure_;
};

}  // namespace rookery::kubernetes
