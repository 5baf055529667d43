#include "reconcile/preview_instances.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

#include "clock/clock.h"
#include "plan/desired.h"

namespace rookery::reconcile {

namespace {

/// The looks that are under way, told from the strand of who waits for them.
struct Looks {
  explicit Looks(const asio::any_io_executor& waiting)
      : strand(waiting), ended(waiting, clock::Timer::time_point::max()) {}

  struct Open {
    asio::any_io_executor strand;
    std::shared_ptr<asio::cancellation_signal> cancel;  // to be emitted on that strand
  };
  asio::any_io_executor strand;
  clock::Timer ended;  // cancelled whenever one has ended
  std::map<std::string, Open> open;
  InstancePreviews seen;
};

void beginLook(const std::shared_ptr<Looks>& looks, const asio::any_io_executor& executor,
               const Environment& environment, const std::string& instance, const plan::DesiredPtr& desired) {
  const auto strand = asio::make_strand(executor);
  const auto cancel = std::make_shared<asio::cancellation_signal>();
  const auto loop = std::make_shared<InstanceLoop>(strand, environment, desired, [](const RoundEnd&) {});
  looks->open[instance] = {strand, cancel};
  // The loop lives until its coroutine has ended; it may begin long after this.
  const auto done = [looks, instance, loop, cancel](const std::exception_ptr& failure,
                                                    InstanceLoop::Preview seen) {
    check(!failure, "a preview does not throw");
    asio::post(looks->strand, [looks, instance, seen = std::move(seen)]() mutable {
      looks->seen.insert_or_assign(instance, std::move(seen));
      looks->open.erase(instance);
      looks->ended.cancel();
    });
  };
  asio::co_spawn(strand, loop->preview(), asio::bind_cancellation_slot(cancel->slot(), done));
}

/// False: it was broken off.
asio::awaitable<bool> allEnded(std::shared_ptr<Looks> looks) {
  bool complete = true;
  while (!looks->open.empty()) {
    (void)co_await looks->ended.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() == asio::cancellation_type::none) continue;
    complete = false;
    for (const auto& [name, look] : looks->open) {
      asio::post(look.strand, [cancel = look.cancel] { cancel->emit(asio::cancellation_type::terminal); });
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  }
  co_return complete;
}

/// The instances for which what they wait for on others turned out to stand otherwise than they were told,
/// with that.
Instances corrected(const Instances& instances, const InstancePreviews& seen) {
  Instances found;
  for (const auto& [name, desired] : instances) {
    auto dependencies = desired->dependencies;
    for (auto& [key, dependency] : dependencies) {
      for (const auto& [other, preview] : seen) {
        if (preview.plan && preview.desired->unikernels.contains(key))
          dependency = plan::standingOf(preview.plan->memory, key);
      }
    }
    if (dependencies == desired->dependencies) continue;
    auto told = std::make_shared<plan::Desired>(*desired);
    told->dependencies = std::move(dependencies);
    found.emplace(name, std::move(told));
  }
  return found;
}

}  // namespace

asio::awaitable<InstancePreviews> previewInstances(asio::any_io_executor executor,
                                                   const Environment& environment, Instances instances) {
  environment.rivals->declare(instances);
  const asio::any_io_executor strand = co_await asio::this_coro::executor;
  const auto looks = std::make_shared<Looks>(strand);
  for (const auto& [name, desired] : instances) beginLook(looks, executor, environment, name, desired);
  if (co_await allEnded(looks)) {
    // The first did not know of the others yet.
    for (const auto& [name, desired] : contested(*environment.rivals, instances))
      beginLook(looks, executor, environment, name, desired);
    (void)co_await allEnded(looks);
    for (const auto& [name, desired] : corrected(instances, looks->seen))
      beginLook(looks, executor, environment, name, desired);
    (void)co_await allEnded(looks);
  }
  co_return std::move(looks->seen);
}

}  // namespace rookery::reconcile
