#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "clock/clock.h"
#include "plan/plan.h"
#include "reconcile/environment.h"
#include "reconcile/step_execution.h"

namespace rookery::reconcile {

/// Takes steps against one server, in their order and one at a time, while the next is prepared meanwhile:
/// its image is sent, but for its end. Nothing is executed on an assumption: that end is sent once the step
/// before was answered as it was foreseen. On the strand of the instance's loop.
class StepPipeline {
 public:
  /// `environment` and `memory`, the loop's, must outlive it.
  StepPipeline(asio::any_io_executor strand, const Environment& environment, plan::Memory& memory)
      : strand_(std::move(strand)), environment_(environment), memory_(memory), ended_(strand_) {}

  struct Taken {
    std::size_t steps = 0;
    bool destroyed = false;  // at least one unikernel
  };
  /// Takes these, of plan::takeable(), until one is not answered as it was foreseen, or `goOn` says no after
  /// one; the one after it may be left prepared then. What was left so before is taken if `steps` begin with
  /// it, and withdrawn otherwise. What `scene` refers to must stay until this returns. A coroutine that is
  /// cancelled ends what is on its way.
  asio::awaitable<Taken> take(std::vector<plan::Step> steps, StepExecution::Scene scene,
                              std::function<bool()> goOn);

  /// What is left prepared is not to be taken: it has ended when this returns.
  asio::awaitable<void> withdraw();

 private:
  struct UnderWay {
    explicit UnderWay(StepExecution of) : execution(std::move(of)) {}
    StepExecution execution;
    asio::cancellation_signal cancel;
    std::optional<StepExecution::End> end;
  };

  void prepare(const plan::Step& step, const StepExecution::Scene& scene);
  bool hasRoomFor(const plan::Step& step) const;
  asio::awaitable<StepExecution::End> frontEnded();

  asio::any_io_executor strand_;
  const Environment& environment_;
  plan::Memory& memory_;
  std::deque<std::unique_ptr<UnderWay>> underWay_;  // in the order of their turns
  clock::Timer ended_;                              // cancelled when one of them has
};

}  // namespace rookery::reconcile
