#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "error.h"

namespace rookery::plan {

/// A map in the order of its keys whose items are shared with its copies: a copy takes one pointer for each,
/// and what two of them have in common is told by the pointers. An item never changes; another takes its
/// place.
template <class Key, class Value>
class SharedMap {
 public:
  using Item = std::pair<const Key, Value>;
  using ItemPtr = std::shared_ptr<const Item>;

  /// Goes over items as if they stood in the map itself.
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Item;
    using reference = const Item&;
    using pointer = const Item*;
    using iterator_category = std::forward_iterator_tag;

    Iterator() = default;
    explicit Iterator(const ItemPtr* at) : at_(at) {}
    const Item& operator*() const { return **at_; }
    const Item* operator->() const { return at_->get(); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(at_++); }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const ItemPtr* at_ = nullptr;
  };

  // As containers have it.
  using key_type = Key;
  using value_type = Item;
  using iterator = Iterator;
  using const_iterator = Iterator;
  using size_type = std::size_t;

  Iterator begin() const { return Iterator(items_.data()); }
  Iterator end() const { return Iterator(items_.data() + items_.size()); }
  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }

  Iterator find(const Key& key) const {
    const std::size_t at = lowerBound(key);
    return isAt(at, key) ? Iterator(items_.data() + at) : end();
  }
  bool contains(const Key& key) const { return isAt(lowerBound(key), key); }
  /// It must be there.
  const Value& at(const Key& key) const {
    const Iterator found = find(key);
    check(found != end(), "the key is in the map");
    return found->second;
  }

  /// In the place of what is there, if anything is. Cheap for a key that is greater than all others.
  void set(Key key, Value value) { share(std::make_shared<const Item>(std::move(key), std::move(value))); }
  /// An item of another map, in the place of what is there.
  void share(const ItemPtr& item) {
    const std::size_t at =
        !items_.empty() && items_.back()->first < item->first ? items_.size() : lowerBound(item->first);
    if (isAt(at, item->first)) {
      items_[at] = item;
    } else {
      items_.insert(items_.begin() + static_cast<std::ptrdiff_t>(at), item);
    }
  }
  /// Null: it is not there.
  ItemPtr item(const Key& key) const {
    const std::size_t at = lowerBound(key);
    return isAt(at, key) ? items_[at] : nullptr;
  }
  void erase(const Key& key) {
    const std::size_t at = lowerBound(key);
    if (isAt(at, key)) items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  template <class F>
  void keepOnly(const F& wanted) {
    std::erase_if(items_, [&](const ItemPtr& item) { return !wanted(*item); });
  }

  friend bool operator==(const SharedMap& one, const SharedMap& other) {
    return std::ranges::equal(one.items_, other.items_, [](const ItemPtr& left, const ItemPtr& right) {
      return left == right || *left == *right;
    });
  }

  /// Calls `differs(const Item* before, const Item* after)` for each key whose item is not the same one in
  /// both, in the order of the keys; null: it is not there.
  template <class F>
  static void compare(const SharedMap& before, const SharedMap& after, const F& differs) {
    auto was = before.items_.begin();
    auto is = after.items_.begin();
    while (was != before.items_.end() || is != after.items_.end()) {
      const bool both = was != before.items_.end() && is != after.items_.end();
      if (both && *was == *is) {
        ++was, ++is;
        continue;
      }
      const bool gone = is == after.items_.end() || (both && (*was)->first < (*is)->first);
      const bool added = was == before.items_.end() || (both && (*is)->first < (*was)->first);
      differs(added ? nullptr : was->get(), gone ? nullptr : is->get());
      if (!added) ++was;
      if (!gone) ++is;
    }
  }

 private:
  std::size_t lowerBound(const Key& key) const {
    const auto found =
        std::lower_bound(items_.begin(), items_.end(), key,
                         [](const ItemPtr& item, const Key& wanted) { return item->first < wanted; });
    return static_cast<std::size_t>(found - items_.begin());
  }
  bool isAt(std::size_t at, const Key& key) const { return at < items_.size() && items_[at]->first == key; }

  std::vector<ItemPtr> items_;
};

}  // namespace rookery::plan
