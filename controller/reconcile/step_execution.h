#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <span>

#include "albatross/client.h"
#include "image/image.h"
#include "reconcile/environment.h"
#include "reconcile/plan.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// One step against a server: it is on the disk that it is about to be sent before it is, and what came of it
/// afterwards. Lives for that step, on the strand of the instance's loop.
class StepExecution : private albatross::ImageStream {
 public:
  /// All must outlive it. `memory` is the loop's, and changes as the step goes on.
  StepExecution(const Environment& environment, const Desired& desired, const Observed& observed,
                albatross::Client& client, const Step& step, Memory& memory);

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
  const Desired& desired_;
  const Observed& observed_;
  albatross::Client& client_;
  const Step& step_;
  Memory& memory_;
  std::optional<image::Reader> image_;
  std::uint64_t sent_ = 0;  // of the image
};

}  // namespace rookery::reconcile
