#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "albatross/client/client.h"
#include "clock/clock.h"
#include "image/compressed.h"
#include "image/image.h"
#include "image/reader.h"
#include "plan/desired.h"
#include "plan/plan.h"
#include "reconcile/environment.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// One step against a server, in two parts. What can be done before anything happens on the server is done as
/// soon as it runs: a certificate is issued, an image sent, all but the frame that ends it. Then it waits for
/// its turn, and only after that it is on the disk that it is about to be sent, is sent, and what came of it
/// is remembered. Lives for that step, on the strand of the instance's loop.
class StepExecution : private albatross::ImageStream {
 public:
  /// `environment` and `memory`, the loop's, must outlive it. `memory` changes once it is the step's turn.
  /// `serverKey`: of the server that was looked at, and no other gets it. `round`: what the step is traced as
  /// a part of.
  StepExecution(const asio::any_io_executor& strand, const Environment& environment, std::string instance,
                std::string serverKey, plan::Step step, plan::Memory& memory, const trace::Context& round);

  enum class End {
    AsForeseen,  // it was done, as plan foresaw
    Otherwise,   // it failed, or nobody knows
    Withdrawn    // it was never its turn: nothing happened
  };
  /// Prepares the step, and takes it when its turn has come; tells the environment's listener then how it
  /// begins and ends. A failure before its turn is none yet: it is tried again when that has come. `client`
  /// need not outlive the start. Once.
  asio::awaitable<End> run(albatross::Client& client);

  /// What holds when its turn comes. All must stay until the step has ended.
  struct Scene {
    const plan::Desired& desired;
    const plan::Observed& observed;
    albatross::Client& client;
    trace::Context round = {};
  };
  /// It is its turn: what was foreseen has come true.
  void proceed(const Scene& scene);
  /// It will not be its turn: it ends without an effect, unless that has come already.
  void withdraw();

  const plan::Step& step() const { return step_; }

 private:
  asio::awaitable<bool> turn();
  void begin();
  asio::awaitable<albatross::CallResult> carryOut(albatross::Client& client);
  Result<void> openImage();
  asio::awaitable<Result<void>> commit();
  asio::awaitable<End> finish(const albatross::CallResult& result);
  plan::Entry* entry();
  Result<void> mayCommand() const { return environment_.mayCommand(instance_); }
  // The image on its way
  Result<std::span<const std::byte>> next() override;
  void tellSent() const;
  void endUpload();
  void traceEnd(const CommandResult& told);

  const Environment& environment_;
  const std::string instance_;
  std::string serverKey_;
  const plan::Step step_;
  plan::Memory& memory_;
  clock::Timer turn_;  // cancelled when it is known
  std::optional<Scene> scene_;
  bool withdrawn_ = false;
  bool begun_ = false;  // in its turn
  SystemTime sentAt_;
  std::chrono::steady_clock::time_point start_;
  std::optional<image::Reader> image_;
  std::optional<image::Compressed> compressed_;  // of a volume's content, where it is to be; else image_
  std::uint64_t sent_ = 0;                       // of the image
  trace::Span span_, upload_;
};

}  // namespace rookery::reconcile
