#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "albatross/name.h"

namespace rookery::emulator {

using Path = std::vector<std::string>;

/// What the server knows, kept by the labels of the name. A unikernel `:shop` and the domain `shop:`
/// therefore share a place: what is kept at `:shop` is also found by `shop:`, and counts as below it. Not
/// thread-safe.
template <class T>
class Tree {
 public:
  const T* find(const albatross::Name& name) const {
    const auto found = entries_.find(place(name));
    return found == entries_.end() ? nullptr : &found->second.value;
  }
  T* find(const albatross::Name& name) { return const_cast<T*>(std::as_const(*this).find(name)); }

  void insertOrReplace(const albatross::Name& name, T value) {
    entries_.insert_or_assign(place(name), Entry{name, std::move(value)});
  }

  void erase(const albatross::Name& name) { entries_.erase(place(name)); }

  struct Found {
    albatross::Name relative;  // seen from the path that was asked, as list replies have it
    albatross::Name name;
    const T* value;
  };

  /// What is at or below a path, in the order of the server's list replies. The pointers are valid until the
  /// next change.
  std::vector<Found> below(const Path& path) const {
    std::vector<Found> found;
    for (auto it = entries_.lower_bound(path); it != entries_.end() && startsWith(it->first, path); ++it) {
      found.push_back({relative(it->second.name, path.size()), it->second.name, &it->second.value});
    }
    return found;
  }
  std::vector<Found> all() const { return below({}); }
  /// Of each, in any order: `visit` is called with its name and value, and changes nothing.
  template <class Visit>
  void forEach(const Visit& visit) const {
    for (const auto& [place, entry] : entries_) visit(entry.name, entry.value);
  }

 private:
  struct Entry {
    albatross::Name name;
    T value;
  };

  /// A place before those below it, and siblings from the last to the first.
  struct ReplyOrder {
    bool operator()(const Path& a, const Path& b) const {
      const auto [inA, inB] = std::ranges::mismatch(a, b);
      return inA == a.end() ? inB != b.end() : inB != b.end() && *inA > *inB;
    }
  };

  static Path place(const albatross::Name& name) {
    Path labels = name.path;
    if (name.label) labels.push_back(*name.label);
    return labels;
  }

  static bool startsWith(const Path& place, const Path& path) {
    return place.size() >= path.size() && std::equal(path.begin(), path.end(), place.begin());
  }

  static albatross::Name relative(const albatross::Name& name, std::size_t depth) {
    if (depth > name.path.size()) return {};  // the thing itself, asked for as a domain
    const auto kept = name.path.begin() + static_cast<std::ptrdiff_t>(depth);
    return {Path(kept, name.path.end()), name.label};
  }

  std::map<Path, Entry, ReplyOrder> entries_;
};

}  // namespace rookery::emulator
