#include "api/cycles.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <set>
#include <utility>

namespace rookery::api {

namespace {

/// Finds those that can reach each other (Tarjan's strongly connected components), without recursion.
class Components {
 public:
  explicit Components(const WaitsFor& waitsFor) : waitsFor_(waitsFor) {
    for (const auto& [key, others] : waitsFor_) {
      if (!found_.contains(key)) explore(key);
    }
  }

  const std::vector<std::vector<ObjectKey>>& all() const { return components_; }

 private:
  struct Found {
    std::size_t index = 0;
    std::size_t lowest = 0;  // that can be reached from here
    bool open = true;        // it is on the stack
  };
  struct Visit {
    ObjectKey key;
    std::size_t looked = 0;  // so many of what it waits for
  };

  void begin(const ObjectKey& key) {
    found_.emplace(key, Found{found_.size(), found_.size(), true});
    stack_.push_back(key);
    path_.push_back({key});
  }

  void explore(const ObjectKey& first) {
    begin(first);
    while (!path_.empty()) {
      Visit& visit = path_.back();
      const std::vector<ObjectKey>& others = waitsFor_.at(visit.key);
      if (visit.looked == others.size()) {
        end();
        continue;
      }
      const ObjectKey& next = others[visit.looked++];
      if (!waitsFor_.contains(next)) continue;
      if (const auto known = found_.find(next); known == found_.end()) {
        begin(next);
      } else if (known->second.open) {
        Found& here = found_.at(visit.key);
        here.lowest = std::min(here.lowest, known->second.index);
      }
    }
  }

  void end() {
    const ObjectKey key = std::move(path_.back().key);
    path_.pop_back();
    const Found& here = found_.at(key);
    if (!path_.empty()) {
      Found& before = found_.at(path_.back().key);
      before.lowest = std::min(before.lowest, here.lowest);
    }
    if (here.lowest != here.index) return;
    std::vector<ObjectKey>& component = components_.emplace_back();
    do {
      component.push_back(std::move(stack_.back()));
      stack_.pop_back();
      found_.at(component.back()).open = false;
    } while (component.back() != key);
  }

  const WaitsFor& waitsFor_;
  std::map<ObjectKey, Found> found_;
  std::vector<ObjectKey> stack_;
  std::vector<Visit> path_;
  std::vector<std::vector<ObjectKey>> components_;
};

/// The shortest way from `first` back to it that leaves `within` nowhere.
std::vector<ObjectKey> roundFrom(const ObjectKey& first, const std::set<ObjectKey>& within,
                                 const WaitsFor& waitsFor) {
  std::map<ObjectKey, ObjectKey> cameFrom;
  std::deque<ObjectKey> open = {first};
  while (!open.empty()) {
    const ObjectKey here = std::move(open.front());
    open.pop_front();
    for (const ObjectKey& next : waitsFor.at(here)) {
      if (!within.contains(next) || !cameFrom.emplace(next, here).second) continue;
      if (next != first) {
        open.push_back(next);
        continue;
      }
      std::vector<ObjectKey> way = {first};
      for (ObjectKey at = here; at != first; at = cameFrom.at(at)) way.push_back(at);
      way.push_back(first);
      std::ranges::reverse(way);
      return way;
    }
  }
  return {};
}

std::string shown(const std::vector<ObjectKey>& way) {
  constexpr std::size_t most = 10;
  std::string text;
  for (std::size_t i = 0; i < way.size(); ++i) {
    const bool left = way.size() > most && i >= most - 1 && i + 1 < way.size();
    if (left && i > most - 1) continue;
    text += (i == 0 ? "" : " → ") + (left ? "…" : way[i].name);
  }
  return text;
}

}  // namespace

std::map<ObjectKey, std::string> cyclesOf(const WaitsFor& waitsFor) {
  std::map<ObjectKey, std::string> cycles;
  const Components components(waitsFor);
  for (const std::vector<ObjectKey>& component : components.all()) {
    const std::set<ObjectKey> within(component.begin(), component.end());
    const std::string text = shown(roundFrom(*within.begin(), within, waitsFor));
    if (text.empty()) continue;  // one alone, which does not wait for itself
    for (const ObjectKey& key : within) cycles.emplace(key, text);
  }
  return cycles;
}

}  // namespace rookery::api
