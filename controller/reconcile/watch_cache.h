#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace rookery::reconcile {

/// Values by key with the versions that Kubernetes' API has: each change gives a value the next
/// resourceVersion, and the last changes are kept, so that who has listed can go on watching. A version is
/// never used twice, also not by a later process: they begin at the time of the start, in microseconds.
///
/// `View` has a member resourceVersion; a published one is immutable and shared. Thread-safe; nobody holds a
/// lock for longer than it takes to copy pointers.
template <class Key, class View>
class WatchCache {
 public:
  using Ptr = std::shared_ptr<const View>;

  struct Listing {
    std::vector<Ptr> views;  // in the order of their keys
    std::uint64_t resourceVersion = 0;
  };
  /// Added: there is no `before`. Deleted: there is no other `after` than what was last, with a version of
  /// its own.
  struct Change {
    enum class Type { Added, Modified, Deleted };
    Type type = Type::Added;
    Ptr after, before;
    std::size_t weight = 0;
  };
  struct Changes {
    std::vector<Change> changes;        // the oldest first
    std::uint64_t resourceVersion = 0;  // of the last of them, or what was asked from
  };

  /// How many bytes a change keeps in memory besides what others share with it.
  using Weigh = std::function<std::size_t(const Change&)>;

  static constexpr std::size_t defaultKept = 4'096;

  /// Of the oldest changes beyond `kept`, or beyond `heaviest` bytes of all, nobody is told any more.
  explicit WatchCache(
      std::size_t kept = defaultKept, Weigh weigh = [](const Change&) { return std::size_t{0}; },
      std::size_t heaviest = std::size_t{64} << 20)
      : kept_(kept),
        weigh_(std::move(weigh)),
        heaviest_(heaviest),
        version_(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                                std::chrono::system_clock::now().time_since_epoch())
                                                .count())),
        forgotten_(version_) {}

  /// Calls `change(const View* before)`, which gives the new value, or none where all stays as it is. It runs
  /// under the lock. Returns what was there before.
  template <class F>
  Ptr update(const Key& key, const F& change) {
    const std::lock_guard lock(mutex_);
    const auto found = views_.find(key);
    const Ptr before = found == views_.end() ? nullptr : found->second;
    std::optional<View> next = change(before.get());
    if (!next) return before;
    next->resourceVersion = ++version_;
    const Ptr after = std::make_shared<const View>(*std::move(next));
    views_[key] = after;
    if (before == nullptr) ++keyChanges_;
    note({before ? Change::Type::Modified : Change::Type::Added, after, before});
    return before;
  }

  /// Changes what is the same to everybody who watches: no version, and nobody is told.
  template <class F>
  void amend(const Key& key, const F& change) {
    const std::lock_guard lock(mutex_);
    const auto found = views_.find(key);
    if (found == views_.end()) return;
    View amended = *found->second;
    change(amended);
    found->second = std::make_shared<const View>(std::move(amended));
  }

  void erase(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = views_.find(key);
    if (found == views_.end()) return;
    View last = *found->second;
    last.resourceVersion = ++version_;
    note({Change::Type::Deleted, std::make_shared<const View>(std::move(last)), std::move(found->second)});
    views_.erase(found);
    ++keyChanges_;
  }

  Ptr find(const Key& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = views_.find(key);
    return found == views_.end() ? nullptr : found->second;
  }

  /// What `wanted(key)` holds of, from the first key that is not less than `from` until `wanted` says no.
  template <class F>
  Listing list(const Key& from, const F& wanted) const {
    Listing listing;
    const std::lock_guard lock(mutex_);
    for (auto it = views_.lower_bound(from); it != views_.end() && wanted(it->first); ++it)
      listing.views.push_back(it->second);
    listing.resourceVersion = version_;
    return listing;
  }

  std::uint64_t resourceVersion() const {
    const std::lock_guard lock(mutex_);
    return version_;
  }
  /// Another number whenever a key has come or gone.
  std::uint64_t keyChanges() const {
    const std::lock_guard lock(mutex_);
    return keyChanges_;
  }

  /// The changes after `version`, as soon as there is one, or none at `deadline`. Empty: they are not known
  /// any more, or `version` was never given; who asks must list again.
  std::optional<Changes> after(std::uint64_t version, std::chrono::steady_clock::time_point deadline) const {
    std::unique_lock lock(mutex_);
    if (version > version_) return std::nullopt;
    changed_.wait_until(lock, deadline, [&] { return version_ > version; });
    if (version < forgotten_) return std::nullopt;
    const auto first = std::upper_bound(
        changes_.begin(), changes_.end(), version,
        [](std::uint64_t known, const Change& change) { return known < change.after->resourceVersion; });
    return Changes{{first, changes_.end()}, version_};
  }

 private:
  void note(Change change) {
    change.weight = weigh_(change);
    weight_ += change.weight;
    changes_.push_back(std::move(change));
    while (changes_.size() > 1 && (changes_.size() > kept_ || weight_ > heaviest_)) {
      forgotten_ = changes_.front().after->resourceVersion;
      weight_ -= changes_.front().weight;
      changes_.pop_front();
    }
    changed_.notify_all();
  }

  const std::size_t kept_;
  const Weigh weigh_;
  const std::size_t heaviest_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<Key, Ptr> views_;
  std::deque<Change> changes_;
  std::size_t weight_ = 0;  // of all of them
  std::uint64_t keyChanges_ = 0;
  std::uint64_t version_;
  std::uint64_t forgotten_;  // the changes up to this version are not kept
};

}  // namespace rookery::reconcile
