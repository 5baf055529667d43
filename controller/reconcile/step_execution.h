#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <span>

#include "albatross/client/client.h"
#include "image/image.h"
#include "image/reader.h"
#include "plan/desired.h"
#include "plan/plan.h"
#include "reconcile/environment.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// One step against a server: it is on the disk that it is about to be sent before it is, and what came of it
/// afterwards. Lives for that step, on the strand of the instance's loop.
class StepExecution : private albatross::ImageStream {
 public:
  /// All must outlive it. `memory` is the loop's, and changes as the step goes on.
  StepExecution(const Environment& environment, const plan::Desired& desired, const plan::Observed& observed,
                albatross::Client& client, const plan::Step& step, plan::Memory& memory);

  /// Takes the step, and tells the environment's listener how it begins and ends. Once.
  asio::awaitable<CommandResult> run();

 private:
  asio::awaitable<albatross::CallResult> carryOut();
  asio::awaitable<Result<void>> persist();
  Result<void> mayCommand() const { return environment_.mayCommand(desired_.name()); }
  // The image on its way
  Result<std::span<const std::byte>> next() override;
  asio::awaitable<Result<void>> complete() override;

  const Environment& environment_;
  const plan::Desired& desired_;
  const plan::Observed& observed_;
  albatross::Client& client_;
  const plan::Step& step_;
  plan::Memory& memory_;
  std::optional<image::Reader> image_;
  std::uint64_t sent_ = 0;  // of the image
};

}  // namespace rookery::reconcile
