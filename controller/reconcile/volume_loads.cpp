#include "reconcile/volume_loads.h"

#include <fmt/format.h>

#include <utility>

namespace rookery::reconcile {

Result<std::unique_ptr<VolumeLoads::Ticket>> VolumeLoads::add(const api::ObjectKey& volume,
                                                              image::ImageStore::Incoming content,
                                                              bool stopsUser) {
  image::Image file;
  file.path = content.path();
  file.size = content.size();
  file.digest = image::fromHex(content.sha256());
  std::unique_ptr<Ticket> ticket;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Reason::ServiceUnavailable, "The controller is about to stop.");
    if (orders_.contains(volume)) {
      return fail(Reason::Conflict,
                  fmt::format("Something else is being written to {}; wait for that.", volume.toString()));
    }
    const std::uint64_t id = ++last_;
    orders_.emplace(volume,
                    Order{.load = {.id = id, .content = std::move(file), .stopsUser = stopsUser},
                          .content = std::make_shared<image::ImageStore::Incoming>(std::move(content)),
                          .end = std::nullopt});
    ticket = std::make_unique<Ticket>(*this, volume, id);
  }
  changed_();
  return ticket;
}

std::optional<plan::VolumeLoad> VolumeLoads::of(const api::ObjectKey& volume) const {
  const std::lock_guard lock(mutex_);
  const auto order = orders_.find(volume);
  if (order == orders_.end() || order->second.end) return std::nullopt;
  return order->second.load;
}

bool VolumeLoads::empty() const {
  const std::lock_guard lock(mutex_);
  return orders_.empty();
}

void VolumeLoads::end(const api::ObjectKey& volume, const plan::LoadEnd& end) {
  const std::lock_guard lock(mutex_);
  const auto order = orders_.find(volume);
  if (order == orders_.end() || order->second.load.id != end.id || order->second.end) return;
  order->second.end = end;
  ended_.notify_all();
}

void VolumeLoads::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (auto& [volume, order] : orders_) {
    if (!order.end)
      order.end =
          plan::LoadEnd{order.load.id, Error{Reason::ServiceUnavailable, "The controller is about to stop."}};
  }
  ended_.notify_all();
}

std::optional<plan::LoadEnd> VolumeLoads::wait(const api::ObjectKey& volume, std::uint64_t id,
                                               std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const auto order = orders_.find(volume);
  check(order != orders_.end() && order->second.load.id == id, "an order stays as long as its ticket");
  ended_.wait_until(lock, deadline, [&] { return order->second.end.has_value(); });
  return order->second.end;
}

void VolumeLoads::giveUp(const api::ObjectKey& volume, std::uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    const auto order = orders_.find(volume);
    if (order == orders_.end() || order->second.load.id != id) return;
    orders_.erase(order);
  }
  changed_();
}

}  // namespace rookery::reconcile
