#include "reconcile/step_execution.h"

#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>

#include "reconcile/observe.h"

namespace rookery::reconcile {

using albatross::CallError;
using albatross::CallResult;

StepExecution::StepExecution(const Environment& environment, const plan::Desired& desired,
                             const plan::Observed& observed, albatross::Client& client,
                             const plan::Step& step, plan::Memory& memory)
    : environment_(environment),
      desired_(desired),
      observed_(observed),
      client_(client),
      step_(step),
      memory_(memory) {}

asio::awaitable<CommandResult> StepExecution::run() {
  const SystemTime sentAt = environment_.now();
  environment_.listener.stepStarted(desired_.name(), step_.object, step_.verb, step_.reason, step_.message);
  const auto start = std::chrono::steady_clock::now();
  memory_ = plan::sending(std::move(memory_), step_, desired_, observed_, sentAt);
  const CallResult result = co_await carryOut();
  CommandResult told;
  told.verb = toString(step_.verb);
  told.duration = std::chrono::steady_clock::now() - start;
  told.bytes = sent_;
  memory_ =
      plan::answered(std::move(memory_), step_, desired_, result, told.bytes, sentAt, environment_.now());
  if (auto written = co_await persist(); !written) {
    environment_.listener.warned(desired_.name(), written.error().reason, written.error().message);
  }
  if (const auto failure = plan::failureOf(step_.verb, result)) told.error = failure->error;
  if (step_.verb != plan::Verb::Adopt) environment_.listener.commandEnded(desired_.name(), told);
  environment_.listener.stepEnded(desired_.name(), step_.object, step_.verb, told);
  co_return told;
}

/// Sends the step, once it is on the disk that it is about to be sent.
asio::awaitable<CallResult> StepExecution::carryOut() {
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  Result<void> ready = mayCommand();
  if (ready) ready = co_await persist();
  if (ready) ready = mayCommand();  // again: that may have taken its time
  if (ready && cancellation.cancelled() != asio::cancellation_type::none) {
    ready = fail(Reason::Cancelled, "The controller is about to stop.");
  }
  if (ready && step_.verb == plan::Verb::Adopt) co_return albatross::Reply{};
  if (ready && step_.image) {
    auto reader = image::Reader::open(step_.image->path, step_.image->digest);
    if (reader) {
      image_ = std::move(*reader);
    } else {
      ready = std::unexpected(reader.error());
    }
  }
  if (!ready) co_return std::unexpected(CallError{ready.error(), false});
  albatross::Request request;
  request.domains = step_.domains;
  if (step_.verb != plan::Verb::ApplyPolicy) request.label = step_.name.label;
  request.command = commandOf(step_);
  request.image = image_ ? this : nullptr;
  co_return co_await client_.call(std::move(request));
}

/// Writes down what is remembered of what the step is about.
asio::awaitable<Result<void>> StepExecution::persist() {
  const auto entry = memory_.inventory.find(step_.name);
  if (entry == memory_.inventory.end()) co_return Result<void>{};
  plan::Entry kept = entry->second;
  kept.instance = desired_.name();  // whatever it says (InstanceLoop::mine)
  co_return co_await environment_.state.record(std::move(kept));
}

Result<std::span<const std::byte>> StepExecution::next() {
  auto bytes = image_->next();
  if (!bytes) return bytes;
  sent_ += bytes->size();
  environment_.listener.imageSent(desired_.name(), step_.object, sent_, image_->size());
  return bytes;
}

/// From this moment on the server may carry it out, which is written down before it comes.
asio::awaitable<Result<void>> StepExecution::complete() {
  if (auto may = mayCommand(); !may) co_return may;
  memory_ = plan::committing(std::move(memory_), step_);
  auto written = co_await persist();
  co_return written ? mayCommand() : written;
}

}  // namespace rookery::reconcile
