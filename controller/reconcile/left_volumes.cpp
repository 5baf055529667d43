#include "reconcile/left_volumes.h"

#include <fmt/format.h>

namespace rookery::reconcile {

std::string leftBehind(const albatross::Name& device, const std::string& instance) {
  return fmt::format(
      "The block device {} is left on {}, where this volume was before, with what is on it: nothing is "
      "copied or "
      "removed. Set the instance back to use it, or remove it on that server.",
      device.toString(), instance);
}

void LeftVolumes::tell(const plan::Inventories& volumes,
                       const std::map<std::string, std::shared_ptr<plan::Desired>>& desired,
                       Listener& listener) {
  std::set<std::pair<api::ObjectKey, std::string>> left;
  for (const auto& [server, inventory] : volumes) {
    for (const auto& [device, entry] : inventory) {
      for (const auto& [instance, wanted] : desired) {
        if (instance == entry.instance || !wanted->volumes.contains(entry.object)) continue;
        const auto [found, added] = left.emplace(entry.object, entry.instance);
        if (added && !told_.contains(*found))
          listener.volumeMoved(instance, entry.object, leftBehind(device, entry.instance));
      }
    }
  }
  told_ = std::move(left);
}

}  // namespace rookery::reconcile
