#include "reconcile/usage.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "text.h"

namespace rookery::reconcile {

namespace {

constexpr std::uint64_t pageBytes = 4'096;

/// More than an image can have, and what their names are cut to.
constexpr std::size_t mostInterfaces = 64, longestName = 64;

std::uint64_t count(std::int64_t told) { return static_cast<std::uint64_t>(std::max<std::int64_t>(told, 0)); }

/// `told` of a unit; 0 where that is more than there can be.
std::uint64_t bytesOf(std::int64_t told, std::uint64_t unit) {
  const std::uint64_t units = count(told);
  return units > std::numeric_limits<std::uint64_t>::max() / unit ? 0 : units * unit;
}

std::chrono::microseconds toDuration(const albatross::Timeval& time) {
  constexpr std::int64_t mostSeconds = std::chrono::seconds(std::chrono::years(1'000)).count();
  if (time.seconds < 0 || time.seconds > mostSeconds || time.microseconds < 0 ||
      time.microseconds >= 1'000'000)
    return {};
  return std::chrono::seconds(time.seconds) + std::chrono::microseconds(time.microseconds);
}

/// The names of the unikernel's interfaces on each bridge, sorted.
std::multimap<std::string, std::string> namesByBridge(const albatross::UnikernelInfo& running) {
  std::vector<albatross::BridgeInfo> bridges = running.bridges;
  std::ranges::sort(bridges, {}, &albatross::BridgeInfo::unikernelDevice);
  std::multimap<std::string, std::string> names;
  for (const auto& bridge : bridges) names.emplace(bridge.hostDevice, bridge.unikernelDevice);
  return names;
}

InterfaceUsage interfaceUsage(const albatross::IfData& data, std::string name) {
  return {.name = std::move(name),
          .receivedBytes = count(data.outputBytes),
          .receivedPackets = count(data.outputPackets),
          .receiveErrors = count(data.outputErrors),
          .receiveDrops = count(data.outputDropped),
          .sentBytes = count(data.inputBytes),
          .sentPackets = count(data.inputPackets),
          .sendErrors = count(data.inputErrors),
          .sendDrops = count(data.inputDropped)};
}

}  // namespace

std::optional<std::int64_t> Usage::millicpu() const {
  if (!window || window->count() <= 0) return std::nullopt;
  return inWindow.count() / window->count();
}

Usage usageOf(const albatross::data::Statistics& statistics, const albatross::UnikernelInfo& running,
              SystemTime now) {
  Usage usage{.time = now};
  usage.userTime = toDuration(statistics.rusage.utime);
  usage.systemTime = toDuration(statistics.rusage.stime);
  if (statistics.kinfo) usage.residentBytes = bytesOf(statistics.kinfo->rss, pageBytes);
  usage.limitBytes = bytesOf(running.memory, 1U << 20U);
  usage.minorFaults = count(statistics.rusage.minflt);
  usage.majorFaults = count(statistics.rusage.majflt);
  auto names = namesByBridge(running);
  std::set<std::string> told;
  for (const albatross::IfData& data : statistics.interfaces) {
    if (told.size() == mostInterfaces) break;
    const auto named = names.find(data.bridge);
    std::string name = visible(named == names.end() ? data.bridge : named->second, longestName);
    if (named != names.end()) names.erase(named);
    if (told.insert(name).second) usage.interfaces.push_back(interfaceUsage(data, std::move(name)));
  }
  std::ranges::sort(usage.interfaces, {}, &InterfaceUsage::name);
  return usage;
}

void UsageStore::tell(const std::string& instance, const api::ObjectKey& unikernel, Usage usage) {
  const std::lock_guard lock(mutex_);
  Known& known = known_[{unikernel, instance}];
  const Usage& before = known.usage;
  const auto used = usage.userTime + usage.systemTime - before.userTime - before.systemTime;
  if (known.instance == instance && used.count() >= 0 && usage.time > before.time) {
    usage.window = std::chrono::floor<std::chrono::milliseconds>(usage.time - before.time);
    usage.inWindow = used;
  }
  known = {instance, std::move(usage)};
}

void UsageStore::keepOnly(const std::string& instance,
                          const std::function<bool(const api::ObjectKey&)>& keep) {
  const std::lock_guard lock(mutex_);
  std::erase_if(known_,
                [&](const auto& item) { return item.first.second == instance && !keep(item.first.first); });
}

std::optional<UsageStore::Known> UsageStore::find(const api::ObjectKey& unikernel) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.lower_bound({unikernel, ""});
  const bool known = found != known_.end() && found->first.first == unikernel;
  return known ? std::optional(found->second) : std::nullopt;
}

UsageStore::All UsageStore::all() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

}  // namespace rookery::reconcile
