#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "albatross/wire.h"
#include "api/object.h"

namespace rookery::reconcile {

using api::SystemTime;

inline double toSeconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

/// What passed through one of a unikernel's network interfaces since it was started, as the unikernel sees
/// it: a server counts at its own end, where what comes in is what the unikernel sent.
struct InterfaceUsage {
  std::string name;  // as the unikernel knows it; the bridge's where that is not known
  std::uint64_t receivedBytes = 0, receivedPackets = 0, receiveErrors = 0, receiveDrops = 0;
  std::uint64_t sentBytes = 0, sentPackets = 0, sendErrors = 0, sendDrops = 0;
  friend bool operator==(const InterfaceUsage&, const InterfaceUsage&) = default;
};

/// What a unikernel uses, as its server said last. Counts begin with its present life.
struct Usage {
  SystemTime time;  // when it was told, by our clock
  std::optional<std::chrono::milliseconds> window =
      {};  // since it was told before; absent: for the first time
  std::chrono::microseconds userTime{0}, systemTime{0};
  std::chrono::microseconds inWindow{0};  // of CPU, both
  std::uint64_t residentBytes = 0, limitBytes = 0;
  std::uint64_t minorFaults = 0, majorFaults = 0;
  std::vector<InterfaceUsage> interfaces = {};  // in the order of their names
  friend bool operator==(const Usage&, const Usage&) = default;

  /// CPU time per time, in thousandths of a CPU; absent as `window` is.
  std::optional<std::int64_t> millicpu() const;
};

/// What an Albatross' statistics say of a unikernel that runs as `running` (albatross-protocol: pages of
/// 4 KiB, an interface's input is what the unikernel sent). Numbers that no machine can have count as 0.
/// Of interfaces on one bridge, which the statistics do not name, the first is the first by name; names are
/// visible(), cut, and each is there once.
Usage usageOf(const albatross::data::Statistics& statistics, const albatross::UnikernelInfo& running,
              SystemTime now);

/// What all unikernels use whose servers say so. Thread-safe.
class UsageStore {
 public:
  struct Known {
    std::string instance;
    Usage usage;
  };
  using Key = std::pair<api::ObjectKey, std::string>;  // unikernel, instance
  using All = std::map<Key, Known>;

  /// Takes what was told; the window is since what was told before of the same life.
  void tell(const std::string& instance, const api::ObjectKey& unikernel, Usage usage);
  /// Forgets what else was told of an instance: it does not run any more, or is not declared.
  void keepOnly(const std::string& instance, const std::function<bool(const api::ObjectKey&)>& keep);

  /// On the first by name of the instances that it is on.
  std::optional<Known> find(const api::ObjectKey& unikernel) const;
  All all() const;

 private:
  mutable std::mutex mutex_;
  All known_;
};

}  // namespace rookery::reconcile
