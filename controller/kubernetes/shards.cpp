#include "kubernetes/shards.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

namespace rookery::kubernetes {

namespace {

using Held = std::map<std::string, std::vector<std::string>>;  // instances by member

Held heldBy(const Shards& shards) {
  Held held;
  for (const std::string& member : shards.members) held[member];
  for (const auto& [instance, holder] : shards.holders) {
    if (const auto found = held.find(holder); found != held.end()) found->second.push_back(instance);
  }
  return held;
}

/// How many instances a member is to hold.
std::size_t targetOf(const std::string& member, const Held& held, std::size_t instances) {
  std::vector<std::string> order;
  for (const auto& [name, has] : held) order.push_back(name);
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [&](const std::string& name) { return held.at(name).size(); });
  const auto place = static_cast<std::size_t>(std::ranges::find(order, member) - order.begin());
  return instances / held.size() + (place < instances % held.size() ? 1 : 0);
}

}  // namespace

ShardMoves balance(const Shards& shards, const std::string& self) {
  ShardMoves moves;
  if (!shards.members.contains(self)) return moves;
  const Held held = heldBy(shards);
  const std::vector<std::string>& own = held.at(self);
  const std::size_t target = targetOf(self, held, shards.holders.size());
  if (own.size() > target) {
    moves.release.insert(own.begin() + static_cast<std::ptrdiff_t>(target), own.end());
    return moves;
  }
  // Each replica begins elsewhere, so that they do not all try for the same.
  std::vector<std::string> free;
  for (const auto& [instance, holder] : shards.holders) {
    if (!shards.members.contains(holder)) free.push_back(instance);
  }
  std::ranges::sort(
      free, {}, [&](const std::string& instance) { return std::hash<std::string>{}(self + "/" + instance); });
  const std::size_t wanted = std::min(target - own.size(), free.size());
  moves.acquire.insert(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(wanted));
  return moves;
}

}  // namespace rookery::kubernetes
