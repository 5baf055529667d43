#include "reconcile/instance_loops.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <utility>

namespace rookery::reconcile {

Instances contested(const Rivals& rivals, const Instances& instances) {
  Instances found;
  for (const auto& [name, desired] : instances) {
    if (!rivals.clashesOf(*desired).empty()) found.emplace(name, desired);
  }
  return found;
}

InstanceLoops::InstanceLoops(asio::any_io_executor executor, asio::any_io_executor strand,
                             const Environment& environment, Callbacks callbacks)
    : executor_(std::move(executor)),
      strand_(std::move(strand)),
      environment_(environment),
      rivals_(*environment.rivals),
      callbacks_(std::move(callbacks)) {}

std::set<std::string> InstanceLoops::assign(std::map<std::string, std::shared_ptr<plan::Desired>> instances) {
  std::vector<std::string> gone;
  for (const auto& [name, held] : held_) {
    if (!instances.contains(name) || !environment_.commands(name)) gone.push_back(name);
  }
  for (const std::string& name : gone) stop(name);
  std::set<std::string> changed;
  std::set<std::string> rivals;
  const auto noteRivals = [&] {
    for (const auto& [name, desired] : contested(rivals_, desired_)) rivals.insert(name);
  };
  noteRivals();
  Instances taken;
  for (auto& [name, desired] : instances) {
    const auto before = desired_.find(name);
    const bool same = before != desired_.end() && *before->second == *desired;
    taken[name] = same ? before->second : std::move(desired);
    if (!same) changed.insert(name);
  }
  const bool news = !changed.empty() || taken.size() != desired_.size();
  desired_ = std::move(taken);
  rivals_.declare(desired_);
  noteRivals();
  // What others want of the same server may have changed what may be done here.
  for (const std::string& name : rivals) {
    const auto here = desired_.find(name);
    if (!news || here == desired_.end() || !changed.insert(name).second) continue;
    here->second = std::make_shared<plan::Desired>(*here->second);
  }
  rivals_.declare(desired_);
  return changed;
}

void InstanceLoops::wake(const std::set<std::string>& changed) {
  for (const auto& [name, desired] : desired_) {
    const auto held = held_.find(name);
    if (held == held_.end()) {
      if (environment_.commands(name)) start(name, desired);
    } else if (changed.contains(name)) {
      held->second.last.reset();
      held->second.loop->update(desired);
    }
  }
}

void InstanceLoops::lookNow() {
  for (const auto& [name, held] : held_) held.loop->lookNow();
}

std::shared_ptr<InstanceLoop> InstanceLoops::loopOf(const std::string& instance) const {
  const auto held = held_.find(instance);
  return held == held_.end() ? nullptr : held->second.loop;
}

void InstanceLoops::stopAll() {
  desired_.clear();
  while (!held_.empty()) stop(held_.begin()->first);
}

/// Where the loop before it has not ended yet, loopEnded() will start it.
void InstanceLoops::start(const std::string& name, plan::DesiredPtr desired) {
  if (ending_.contains(name)) return;
  Held held;
  held.strand = asio::make_strand(executor_);
  held.cancel = std::make_shared<asio::cancellation_signal>();
  held.loop = std::make_shared<InstanceLoop>(
      held.strand, environment_, std::move(desired), [this, name](const RoundEnd& end) {
        asio::post(strand_, [this, name, end] { roundEnded(name, end); });
      });
  // Loop and signal live until the coroutine has ended; it may begin after stop().
  const auto done = [this, name, loop = held.loop, cancel = held.cancel](const std::exception_ptr& failure) {
    check(!failure, "an instance's loop does not throw");
    asio::post(strand_, [this, name] { loopEnded(name); });
  };
  asio::co_spawn(held.strand, held.loop->run(), asio::bind_cancellation_slot(held.cancel->slot(), done));
  held_[name] = std::move(held);
}

void InstanceLoops::stop(std::string name) {
  const auto held = held_.find(name);
  asio::post(held->second.strand,
             [cancel = held->second.cancel] { cancel->emit(asio::cancellation_type::terminal); });
  held_.erase(held);
  ending_.insert(std::move(name));
}

void InstanceLoops::loopEnded(const std::string& name) {
  ending_.erase(name);
  if (const auto wanted = desired_.find(name); wanted != desired_.end() && environment_.commands(name)) {
    start(name, wanted->second);
  } else {
    environment_.listener.instanceForgotten(name);
  }
  callbacks_.changed(name);
}

void InstanceLoops::roundEnded(const std::string& name, const RoundEnd& end) {
  if (end.located) wakeRivalsOf(name);
  const auto held = held_.find(name);
  if (held == held_.end() || desired_.at(name) != end.desired) return;
  std::optional<RoundEnd>& last = held->second.last;
  const bool changed = !last || last->failure != end.failure || last->removals != end.removals;
  last = end;
  if (changed) callbacks_.changed(name);
  callbacks_.roundEnded(end);
}

/// What others have as well as `name` was judged before that was known: they look again, and what they say of
/// earlier looks does not count.
void InstanceLoops::wakeRivalsOf(const std::string& name) {
  for (const auto& [other, desired] : contested(rivals_, desired_)) {
    const auto held = held_.find(other);
    if (other == name || held == held_.end()) continue;
    desired_[other] = std::make_shared<plan::Desired>(*desired);
    held->second.last.reset();
    held->second.loop->update(desired_[other]);
  }
  rivals_.declare(desired_);
}

bool InstanceLoops::allSeen() const {
  return std::ranges::all_of(held_, [](const auto& item) { return item.second.last.has_value(); });
}

bool InstanceLoops::finished() const {
  return std::ranges::all_of(desired_, [&](const auto& item) {
    const auto held = held_.find(item.first);
    return held != held_.end() && held->second.last && held->second.last->finished;
  });
}

std::vector<Error> InstanceLoops::errors() const {
  std::vector<Error> errors;
  for (const auto& [name, held] : held_) {
    if (!held.last) continue;
    if (held.last->failure) errors.push_back(*held.last->failure);
    errors.insert(errors.end(), held.last->errors.begin(), held.last->errors.end());
  }
  return errors;
}

std::map<std::string, std::vector<plan::Unpruned>> InstanceLoops::unpruned() const {
  std::map<std::string, std::vector<plan::Unpruned>> unpruned;
  for (const auto& [name, held] : held_) {
    if (held.last && !held.last->unpruned.empty()) unpruned[name] = held.last->unpruned;
  }
  return unpruned;
}

Standing InstanceLoops::standing(const std::string& instance) const {
  Standing standing;
  if (const auto desired = desired_.find(instance); desired != desired_.end())
    standing.desired = desired->second;
  const auto held = held_.find(instance);
  if (held != held_.end() && held->second.last) standing.last = &*held->second.last;
  standing.awaited = ending_.contains(instance) || (held != held_.end() && !held->second.last);
  return standing;
}

}  // namespace rookery::reconcile
