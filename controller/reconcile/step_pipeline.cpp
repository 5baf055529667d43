#include "reconcile/step_pipeline.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "clock/clock.h"

namespace rookery::reconcile {

namespace {

constexpr std::size_t depth = 2;  // the step whose turn it is, and the one that is prepared
/// Of the image of one that is prepared: the server holds it in memory beside the one before.
constexpr std::uint64_t largestPrepared = std::uint64_t{64} << 20;

}  // namespace

bool StepPipeline::hasRoomFor(const plan::Step& step) const {
  if (underWay_.empty()) return true;
  return underWay_.size() < depth && (!step.image || step.image->size <= largestPrepared);
}

void StepPipeline::prepare(const plan::Step& step, const StepExecution::Scene& scene) {
  UnderWay& begun = *underWay_.emplace_back(std::make_unique<UnderWay>(StepExecution(
      strand_, environment_, scene.desired.name(), scene.observed.serverKey, step, memory_, scene.round)));
  asio::co_spawn(
      strand_, begun.execution.run(scene.client),
      asio::bind_cancellation_slot(begun.cancel.slot(),
                                   [this, &begun](const std::exception_ptr& thrown, StepExecution::End end) {
                                     if (thrown) std::rethrow_exception(thrown);
                                     begun.end = end;
                                     ended_.cancel();
                                   }));
}

/// Waits for the first one, which is cancelled with the coroutine that waits, and removes it.
asio::awaitable<StepExecution::End> StepPipeline::frontEnded() {
  UnderWay& front = *underWay_.front();
  while (!front.end) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none)
      front.cancel.emit(asio::cancellation_type::terminal);
    if (front.end) break;
    ended_.expires_at(clock::Timer::time_point::max());
    (void)co_await ended_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  const StepExecution::End end = *front.end;
  underWay_.pop_front();
  co_return end;
}

asio::awaitable<StepPipeline::Taken> StepPipeline::take(std::vector<plan::Step> steps,
                                                        StepExecution::Scene scene,
                                                        std::function<bool()> goOn) {
  const bool prepared = !underWay_.empty() && !steps.empty() &&
                        plan::sendsTheSame(underWay_.front()->execution.step(), steps.front());
  if (!prepared) co_await withdraw();
  auto next = steps.begin() + (prepared ? 1 : 0);
  Taken taken;
  do {
    for (; next != steps.end() && hasRoomFor(*next); ++next) prepare(*next, scene);
    if (underWay_.empty()) break;
    StepExecution& execution = underWay_.front()->execution;
    const bool destroys = execution.step().verb == plan::Verb::Destroy;
    execution.proceed(scene);
    const StepExecution::End end = co_await frontEnded();
    ++taken.steps;
    if (end != StepExecution::End::AsForeseen) {
      co_await withdraw();
      break;
    }
    taken.destroyed = taken.destroyed || destroys;
  } while (goOn());
  co_return taken;
}

asio::awaitable<void> StepPipeline::withdraw() {
  for (const auto& each : underWay_) {
    each->execution.withdraw();
    each->cancel.emit(asio::cancellation_type::terminal);  // an upload need not come to its end
  }
  while (!underWay_.empty()) (void)co_await frontEnded();
}

}  // namespace rookery::reconcile
