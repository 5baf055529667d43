#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace rookery::serve {

/// Lets so many in at the same time and no more; nobody waits. Thread-safe; must outlive its passes.
class Admission {
 public:
  explicit Admission(std::size_t places) : free_(places) {}

  struct Leave {
    void operator()(Admission* admission) const { ++admission->free_; }
  };
  /// A place, until it is destroyed.
  using Pass = std::unique_ptr<Admission, Leave>;

  /// Null: there is no place.
  Pass enter() {
    std::size_t free = free_;
    while (free > 0 && !free_.compare_exchange_weak(free, free - 1)) {
    }
    return Pass(free > 0 ? this : nullptr);
  }

 private:
  std::atomic<std::size_t> free_;
};

}  // namespace rookery::serve
