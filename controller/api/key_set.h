#pragma once

#include <initializer_list>
#include <memory>
#include <set>
#include <utility>

#include "api/object.h"

namespace rookery::api {

/// A set of keys that its copies share: most snapshots name the same objects as the one before.
class KeySet {
 public:
  using Keys = std::set<ObjectKey>;
  using value_type = ObjectKey;
  using iterator = Keys::const_iterator;
  using const_iterator = Keys::const_iterator;

  KeySet() = default;
  KeySet(std::initializer_list<ObjectKey> keys) : KeySet(Keys(keys)) {}
  explicit KeySet(Keys keys) : keys_(std::make_shared<const Keys>(std::move(keys))) {}

  const_iterator begin() const { return keys_->begin(); }
  const_iterator end() const { return keys_->end(); }
  std::size_t size() const { return keys_->size(); }
  bool empty() const { return keys_->empty(); }
  bool contains(const ObjectKey& key) const { return keys_->contains(key); }
  /// The first that is not less.
  const_iterator firstFrom(const ObjectKey& key) const { return keys_->lower_bound(key); }
  const Keys& keys() const { return *keys_; }
  /// Whether both have the same without a look at it; false: they may.
  bool isSharedWith(const KeySet& other) const { return keys_ == other.keys_; }

  /// These copy the set first: who has many to tell makes a std::set of them.
  void insert(ObjectKey key) {
    Keys keys = *keys_;
    keys.insert(std::move(key));
    *this = KeySet(std::move(keys));
  }
  void erase(const ObjectKey& key) {
    Keys keys = *keys_;
    keys.erase(key);
    *this = KeySet(std::move(keys));
  }
  void clear() { *this = {}; }

  friend bool operator==(const KeySet& one, const KeySet& other) {
    return one.keys_ == other.keys_ || *one.keys_ == *other.keys_;
  }

 private:
  std::shared_ptr<const Keys> keys_ = std::make_shared<const Keys>();
};

}  // namespace rookery::api
