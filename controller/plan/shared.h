#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "error.h"

namespace rookery::plan {

/// A value that may be absent, as std::optional, and that copies share: for what most have not, and for what
/// is the same in several places. It never changes; another takes its place.
template <class T>
class Shared {
 public:
  Shared() = default;
  // NOLINTBEGIN(google-explicit-constructor): as std::optional has them
  Shared(std::nullopt_t /*none*/) {}
  Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}
  Shared(std::optional<T> value) : value_(value ? std::make_shared<const T>(*std::move(value)) : nullptr) {}
  // NOLINTEND(google-explicit-constructor)

  explicit operator bool() const { return value_ != nullptr; }
  bool has_value() const { return value_ != nullptr; }  // NOLINT(readability-identifier-naming): likewise
  T value_or(const T& other) const {                    // NOLINT(readability-identifier-naming): likewise
    return value_ == nullptr ? other : *value_;
  }
  /// It must be there.
  const T& operator*() const {
    check(value_ != nullptr, "the value is there");
    return *value_;
  }
  const T* operator->() const { return &**this; }
  void reset() { value_.reset(); }

  /// Puts in its place what `change` makes of it, which must be there.
  template <class F>
  void edit(const F& change) {
    T edited = **this;
    change(edited);
    *this = Shared(std::move(edited));
  }

  friend bool operator==(const Shared& one, const Shared& other) {
    return one.value_ == other.value_ || (one && other && *one == *other);
  }
  friend bool operator==(const Shared& one, const T& other) { return one && *one == other; }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace rookery::plan
