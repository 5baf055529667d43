#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "api/object.h"
#include "error.h"
#include "image/store.h"
#include "plan/plan.h"

namespace rookery::reconcile {

/// What is to be written to volumes, once each, as somebody has asked for and waits for. Thread-safe.
class VolumeLoads {
 public:
  /// One of them, as long as somebody waits for it: given up when this goes, unless it is being written
  /// already. It must not outlive the VolumeLoads.
  class Ticket {
   public:
    Ticket(VolumeLoads& loads, api::ObjectKey volume, std::uint64_t id)
        : loads_(loads), volume_(std::move(volume)), id_(id) {}
    ~Ticket() { loads_.giveUp(volume_, id_); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    /// Waits until `deadline` for its end; nothing: it has not come.
    std::optional<plan::LoadEnd> wait(std::chrono::steady_clock::time_point deadline) {
      return loads_.wait(volume_, id_, deadline);
    }

   private:
    VolumeLoads& loads_;
    const api::ObjectKey volume_;
    const std::uint64_t id_;
  };

  /// `changed` is called, on any thread, when there is another to carry out, or one less.
  explicit VolumeLoads(std::function<void()> changed) : changed_(std::move(changed)) {}

  /// Has the content, all of which has come, written to the volume. Errors: Conflict (another is being
  /// written to it), ServiceUnavailable (the controller stops).
  Result<std::unique_ptr<Ticket>> add(const api::ObjectKey& volume, image::ImageStore::Incoming content,
                                      bool stopsUser);

  /// What is to be written to a volume and has not ended, so far.
  std::optional<plan::VolumeLoad> of(const api::ObjectKey& volume) const;
  bool empty() const;
  void end(const api::ObjectKey& volume, const plan::LoadEnd& end);
  /// All end, and nothing can be added any more.
  void stop();

 private:
  struct Order {
    plan::VolumeLoad load;
    std::shared_ptr<image::ImageStore::Incoming> content;
    std::optional<plan::LoadEnd> end;
  };

  std::optional<plan::LoadEnd> wait(const api::ObjectKey& volume, std::uint64_t id,
                                    std::chrono::steady_clock::time_point deadline);
  void giveUp(const api::ObjectKey& volume, std::uint64_t id);

  const std::function<void()> changed_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::map<api::ObjectKey, Order> orders_;
  std::uint64_t last_ = 0;  // id
  bool stopped_ = false;
};

}  // namespace rookery::reconcile
