#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace rookery::serve {

/// Lets so many in at the same time and no more, and of one caller no more than a share of them, so that
/// nobody can take all places; nobody waits. Thread-safe; must outlive its passes.
class Admission {
 public:
  /// `share`: of one caller; at least one.
  Admission(std::size_t places, std::size_t share) : places_(places), share_(share == 0 ? 1 : share) {}

  struct Leave {
    std::string caller = {};
    void operator()(Admission* admission) const { admission->leave(caller); }
  };
  /// A place, until it is destroyed.
  using Pass = std::unique_ptr<Admission, Leave>;

  /// Null: there is no place, or the caller has its share already.
  Pass enter(const std::string& caller) {
    const std::lock_guard lock(mutex_);
    if (taken_ >= places_) return {};
    std::size_t& own = byCaller_[caller];
    if (own >= share_) return {};
    ++own;
    ++taken_;
    return Pass(this, Leave{caller});
  }

 private:
  void leave(const std::string& caller) {
    const std::lock_guard lock(mutex_);
    --taken_;
    const auto own = byCaller_.find(caller);
    if (--own->second == 0) byCaller_.erase(own);
  }

  const std::size_t places_, share_;
  std::mutex mutex_;
  std::size_t taken_ = 0;
  std::map<std::string, std::size_t> byCaller_;  // only of those who have a place
};

}  // namespace rookery::serve
