#include "notify/queue.h"

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>

#include "plan/plan.h"

namespace rookery::notify {

namespace {

constexpr std::chrono::seconds longestAsked{3'600};  // that a receiver's Retry-After counts for

}  // namespace

Queue::Numbers Queue::add(std::uint64_t number, Notification notification) {
  // Of a commit only the last that is known of it is of use.
  Numbers dropped;
  if (notification.type == Type::CommitStatus) {
    for (const auto& [other, waiting] : waiting_) {
      const bool same = waiting.notification.type == Type::CommitStatus &&
                        waiting.notification.commit == notification.commit;
      if (same && std::ranges::find(underWay_, other) == underWay_.end()) dropped.push_back(other);
    }
    forget(dropped);
  }
  const SystemTime notBefore = notification.time + limits_.unwritten;
  waiting_.emplace(number, Waiting{.notification = std::move(notification), .notBefore = notBefore});
  if (waiting_.size() <= limits_.most) return dropped;
  const auto canGo = [&](const auto& item) {
    return std::ranges::find(underWay_, item.first) == underWay_.end();
  };
  auto first = std::ranges::find_if(
      waiting_, [&](const auto& item) { return canGo(item) && !matters(item.second.notification.type); });
  if (first == waiting_.end()) first = std::ranges::find_if(waiting_, canGo);
  if (first == waiting_.end()) return dropped;
  dropped.push_back(first->first);
  waiting_.erase(first);
  return dropped;
}

void Queue::written(std::uint64_t end) {
  for (auto item = waiting_.begin(); item != waiting_.lower_bound(end); ++item) {
    if (!std::exchange(item->second.written, true) && item->second.refusals == 0)
      item->second.notBefore = SystemTime::min();
  }
}

Queue::Numbers Queue::expire(SystemTime now) {
  Numbers old;
  for (const auto& [number, waiting] : waiting_) {
    const bool underWay = std::ranges::find(underWay_, number) != underWay_.end();
    if (!underWay && waiting.notification.time + limits_.longest < now) old.push_back(number);
  }
  forget(old);
  return old;
}

Queue::Batch Queue::take(SystemTime now) {
  Batch batch;
  if (const auto at = due(); !at || *at > now) return batch;
  const std::size_t most = oneByOne_ ? 1 : limits_.together;
  for (const auto& [number, time] : times()) {
    if (batch.size() >= most) break;
    if (time > now) continue;
    const Notification& notification = waiting_.at(number).notification;
    const bool alone = notification.type == Type::CommitStatus;
    if (alone && !batch.empty()) break;
    batch.emplace(number, notification);
    if (alone) break;
  }
  underWay_.clear();
  for (const auto& [number, notification] : batch) underWay_.push_back(number);
  const std::chrono::milliseconds interval = std::chrono::milliseconds(60'000) / limits_.perMinute;
  if (!batch.empty()) paid_ = std::max(paid_, now) + interval;
  return batch;
}

Queue::Numbers Queue::sent() {
  Numbers arrived = std::exchange(underWay_, {});
  forget(arrived);
  failures_ = 0;
  notBefore_ = SystemTime::min();
  oneByOne_ = oneByOne_ && !waiting_.empty();
  return arrived;
}

Queue::Numbers Queue::failed(bool refused, std::chrono::seconds retryAfter, SystemTime now) {
  const Numbers taken = std::exchange(underWay_, {});
  const auto asked = std::min(retryAfter, longestAsked);
  if (!refused) {
    notBefore_ = now + std::max<std::chrono::milliseconds>(plan::backoff(failures_, name_), asked);
    ++failures_;
    return {};
  }
  // One of them may be to blame, and the others not have to wait for it.
  if (taken.size() > 1) {
    oneByOne_ = true;
    return {};
  }
  Numbers given;
  for (const std::uint64_t number : taken) {
    Waiting& waiting = waiting_.at(number);
    if (!matters(waiting.notification.type)) given.push_back(number);
    waiting.notBefore = now + std::max<std::chrono::milliseconds>(
                                  plan::backoff(waiting.refusals, std::to_string(number)), asked);
    ++waiting.refusals;
  }
  forget(given);
  return given;
}

/// When each may be sent: not before what was told earlier of its object.
std::map<std::uint64_t, SystemTime> Queue::times() const {
  std::map<std::uint64_t, SystemTime> times;
  std::map<api::ObjectKey, SystemTime> last;
  for (const auto& [number, waiting] : waiting_) {
    SystemTime& time = times.emplace_hint(times.end(), number, waiting.notBefore)->second;
    if (!waiting.notification.object) continue;
    SystemTime& earlier = last.emplace(*waiting.notification.object, time).first->second;
    time = earlier = std::max(time, earlier);
  }
  return times;
}

/// When the rate allows a post.
SystemTime Queue::slot() const {
  if (paid_ == SystemTime::min()) return paid_;
  const std::chrono::milliseconds interval = std::chrono::milliseconds(60'000) / limits_.perMinute;
  return paid_ - interval * limits_.atOnce;
}

std::optional<SystemTime> Queue::due() const {
  if (waiting_.empty() || isUnderWay()) return std::nullopt;
  const SystemTime first = std::ranges::min(times() | std::views::values);
  return std::max({first, notBefore_, slot()});
}

Queue::Numbers Queue::numbers() const {
  const auto keys = waiting_ | std::views::keys;
  return {keys.begin(), keys.end()};
}

void Queue::forget(const Numbers& numbers) {
  for (const std::uint64_t number : numbers) waiting_.erase(number);
}

}  // namespace rookery::notify
