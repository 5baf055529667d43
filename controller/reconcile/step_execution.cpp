#include "reconcile/step_execution.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "clock/clock.h"
#include "reconcile/observe.h"

namespace rookery::reconcile {

using albatross::CallError;
using albatross::CallResult;

StepExecution::StepExecution(const asio::any_io_executor& strand, const Environment& environment,
                             std::string instance, std::string serverKey, plan::Step step,
                             plan::Memory& memory, const trace::Context& round)
    : environment_(environment),
      instance_(std::move(instance)),
      serverKey_(std::move(serverKey)),
      step_(std::move(step)),
      memory_(memory),
      turn_(strand, clock::Timer::time_point::max()),
      span_(trace::begin(environment_.tracer, round, "step")) {
  if (!span_) return;
  span_.set("rookery.instance", instance_);
  span_.set("rookery.object.kind", std::string(toString(step_.object.kind)));
  span_.set("rookery.object.namespace", step_.object.nameSpace);
  span_.set("rookery.object.name", step_.object.name);
  span_.set("rookery.verb", std::string(toString(step_.verb)));
  span_.set("rookery.reason", std::string(toString(step_.reason)));
  span_.set("albatross.name", step_.name.toString());
}

void StepExecution::proceed(const Scene& scene) {
  if (!scene_) scene_.emplace(scene);
  turn_.cancel();
}

void StepExecution::withdraw() {
  withdrawn_ = !scene_;
  turn_.cancel();
}

/// Waits for it. False: it will not come.
asio::awaitable<bool> StepExecution::turn() {
  while (!scene_ && !withdrawn_) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return false;
    (void)co_await turn_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return !withdrawn_;
}

asio::awaitable<StepExecution::End> StepExecution::run(albatross::Client& client) {
  co_await asio::this_coro::throw_if_cancelled(false);
  CallResult result = co_await carryOut(client);
  if (!scene_) {
    if (!co_await turn()) {
      span_.set("rookery.result", "withdrawn");
      co_return End::Withdrawn;
    }
    serverKey_ = scene_->observed.serverKey;
    result = co_await carryOut(scene_->client);
  }
  if (!begun_) begin();
  co_return co_await finish(result);
}

void StepExecution::begin() {
  begun_ = true;
  sentAt_ = environment_.now();
  start_ = clock::Steady::now();
  environment_.listener.stepStarted(instance_, step_.object, step_.verb, step_.reason, step_.message);
  if (sent_ > 0) tellSent();
  memory_ = plan::sending(std::move(memory_), step_, scene_->desired, scene_->observed, sentAt_);
}

/// Sends the step. What can be is done at once; the rest is commit()'s.
asio::awaitable<CallResult> StepExecution::carryOut(albatross::Client& client) {
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  Result<void> ready = mayCommand();
  if (ready && cancellation.cancelled() != asio::cancellation_type::none) {
    ready = fail(Reason::Cancelled, "The controller is about to stop.");
  }
  if (ready && step_.verb == plan::Verb::Adopt) {
    ready = co_await commit();
    if (ready) co_return albatross::Reply{};
  }
  // What is on a volume changes with the first byte that is sent, and its user may be stopped just before.
  const bool writes = step_.verb == plan::Verb::SetVolume;
  if (ready && writes) ready = co_await commit();
  if (ready && step_.image) ready = openImage();
  if (!ready) co_return std::unexpected(CallError{ready.error(), false});
  albatross::Request request;
  request.domains = step_.domains;
  request.serverKey = serverKey_;
  if (step_.verb != plan::Verb::ApplyPolicy) request.label = step_.name.label;
  request.command = commandOf(step_);
  request.image = step_.image ? this : nullptr;
  if (step_.image) request.imageSize = step_.image->size;
  if (!writes) request.commit = [this] { return commit(); };
  CallResult result = co_await client.call(std::move(request));
  endUpload();
  co_return result;
}

Result<void> StepExecution::openImage() {
  sent_ = 0;
  upload_ = trace::begin(environment_.tracer, span_.context(), "upload", trace::SpanKind::Client);
  if (upload_) upload_.set("rookery.image.sha256", image::toHex(step_.image->digest));
  auto reader = image::Reader::open(step_.image->path, step_.image->digest);
  if (!reader) return std::unexpected(reader.error());
  const int level = step_.volume ? step_.volume->compressionLevel : step_.compressionLevel;
  image_.reset();
  compressed_.reset();
  if (level > 0) {
    compressed_.emplace(*std::move(reader), level);
  } else {
    image_ = *std::move(reader);
  }
  return {};
}

/// From this moment on the server may carry it out, which is written down before it comes.
asio::awaitable<Result<void>> StepExecution::commit() {
  if (!co_await turn()) co_return fail(Reason::Cancelled, "The step was withdrawn before it was taken.");
  check(!scene_->desired.spec().observe, "nothing is sent to a server that is only observed");
  begin();
  if (scene_->observed.serverKey != serverKey_) {
    co_return fail(Reason::ConnectionFailed,
                   fmt::format("The image was sent to another server than is behind the address of "
                               "AlbatrossInstance {} now. It is sent again.",
                               instance_));
  }
  if (auto may = mayCommand(); !may) co_return may;
  if (step_.image && !step_.isAboutVolume()) memory_ = plan::committing(std::move(memory_), step_);
  if (const plan::Entry* about = entry()) {
    plan::Entry kept = *about;
    if (auto written = co_await environment_.state.record(std::move(kept)); !written) co_return written;
  }
  co_return mayCommand();  // again: that may have taken its time
}

asio::awaitable<StepExecution::End> StepExecution::finish(const CallResult& result) {
  CommandResult told;
  told.verb = toString(step_.verb);
  told.duration = clock::Steady::now() - start_;
  told.bytes = sent_;
  told.name = step_.name.toString();
  told.traceId = span_.context().traceId();
  memory_ = plan::answered(std::move(memory_), step_, scene_->desired, result, told.bytes, sentAt_,
                           environment_.now());
  // After a crash, what the reply said is seen again.
  if (const plan::Entry* about = entry()) {
    plan::Entry kept = *about;
    if (auto written = co_await environment_.state.recordSoon(std::move(kept)); !written)
      environment_.listener.warned(instance_, written.error().reason, written.error().message);
  }
  if (const auto failure = plan::failureOf(step_.verb, result)) told.error = failure->error;
  if (step_.verb != plan::Verb::Adopt) environment_.listener.commandEnded(instance_, told);
  environment_.listener.stepEnded(instance_, step_.object, step_.verb, told);
  traceEnd(told);
  co_return told.error ? End::Otherwise : End::AsForeseen;
}

/// What is remembered of what the step is about, as its instance's, whatever it said (InstanceLoop::mine).
plan::Entry* StepExecution::entry() {
  plan::Entry* found = memory_.entryOf(step_);
  if (found != nullptr) found->instance = instance_;
  return found;
}

Result<std::span<const std::byte>> StepExecution::next() {
  auto bytes = compressed_ ? compressed_->next() : image_->next();
  if (!bytes || bytes->empty()) endUpload();
  if (!bytes) return bytes;
  sent_ += bytes->size();
  if (begun_) tellSent();
  return bytes;
}

/// The server has got all of the image, or will not get more.
void StepExecution::endUpload() {
  if (!upload_) return;
  upload_.set("rookery.image.bytes", static_cast<std::int64_t>(sent_));
  upload_.end();
}

void StepExecution::traceEnd(const CommandResult& told) {
  if (!span_) return;
  span_.set("rookery.result", told.error ? "error" : "success");
  span_.set("rookery.seconds", std::chrono::duration<double>(told.duration).count());
  if (told.error) span_.fail(toString(told.error->reason), told.error->message);
  span_.end();
}

void StepExecution::tellSent() const {
  environment_.listener.imageSent(instance_, step_.object, sent_, step_.image->size);
}

}  // namespace rookery::reconcile
