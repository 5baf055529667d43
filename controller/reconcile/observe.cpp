#include "reconcile/observe.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "clock/clock.h"

namespace rookery::reconcile {

using albatross::CallResult;
using albatross::Command;
using albatross::Config;

namespace {

template <class Map, class List>
Map toMap(Result<List> list) {
  Map map;
  for (auto& [name, value] : *list) map.emplace(std::move(name), std::move(value));
  return map;
}

/// Asks one question about the credential's own domain.
asio::awaitable<Result<albatross::Reply>> ask(albatross::Client& client, Command command,
                                              std::string_view verb, const std::string& instance,
                                              Listener& listener) {
  albatross::Request request;
  request.command = std::move(command);
  CallResult result = co_await send(client, std::move(request), verb, instance, listener);
  if (!result) co_return std::unexpected(std::move(result.error().error));
  co_return std::move(*result);
}

}  // namespace

asio::awaitable<CallResult> send(albatross::Client& client, albatross::Request request, std::string_view verb,
                                 const std::string& instance, Listener& listener) {
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) {  // nobody would cancel the call any more
    co_return std::unexpected(
        albatross::CallError{{Reason::Cancelled, "The controller is about to stop."}, false});
  }
  const auto start = clock::Steady::now();
  CallResult result = co_await client.call(std::move(request));
  CommandResult told;
  told.verb = verb;
  if (!result) told.error = result.error().error;
  told.duration = clock::Steady::now() - start;
  listener.commandEnded(instance, told);
  co_return result;
}

asio::awaitable<Result<plan::Observed>> observe(albatross::Client& client, bool blockDevices,
                                                std::string instance, Listener& listener) {
  plan::Observed observed;
  const auto unikernels = co_await ask(client, albatross::UnikernelCommand(albatross::unikernel::Info{}),
                                       "info", instance, listener);
  if (!unikernels) co_return std::unexpected(unikernels.error());
  auto running = albatross::unikernelsOf(*unikernels);
  if (!running) co_return std::unexpected(running.error());
  if (unikernels->serverNotAfter) listener.serverCertificateSeen(instance, *unikernels->serverNotAfter);
  observed.serverKey = unikernels->serverKey;
  observed.base = {unikernels->name.path, std::nullopt};
  observed.unikernels = toMap<decltype(observed.unikernels)>(std::move(running));

  const auto policies = co_await ask(client, albatross::PolicyCommand(albatross::policy::Info{}),
                                     "policyInfo", instance, listener);
  const bool none = !policies && policies.error().reason == Reason::Refused &&
                    policies.error().message.find("not found") != std::string::npos;
  if (!policies && !none) co_return std::unexpected(policies.error());
  if (policies) {
    auto list = albatross::policiesOf(*policies);
    if (!list) co_return std::unexpected(list.error());
    observed.policies = toMap<decltype(observed.policies)>(std::move(list));
  }
  if (!blockDevices) co_return observed;

  const auto devices = co_await ask(client, albatross::BlockCommand(albatross::block::Info{}), "blockInfo",
                                    instance, listener);
  if (!devices) co_return std::unexpected(devices.error());
  auto list = albatross::blockDevicesOf(*devices);
  if (!list) co_return std::unexpected(list.error());
  observed.blockDevices = toMap<std::map<albatross::Name, albatross::BlockDevice>>(std::move(list));
  co_return observed;
}

bool needsBlockDevices(const plan::Desired& desired) {
  const auto uses = [](const auto& item) { return !item.second.arguments.blocks.empty(); };
  return !desired.policies.empty() || !desired.volumes.empty() ||
         std::any_of(desired.unikernels.begin(), desired.unikernels.end(), uses);
}

Command commandOf(const plan::Step& step) {
  namespace uk = albatross::unikernel;
  const auto config = [&] {
    return Config{albatross::UnikernelType::Solo5, false, "", step.wanted->arguments};
  };
  switch (step.verb) {
    case plan::Verb::Create:
      return albatross::UnikernelCommand(uk::Create{config()});
    case plan::Verb::ForceCreate:
      return albatross::UnikernelCommand(uk::ForceCreate{config()});
    case plan::Verb::Restart:
      return albatross::UnikernelCommand(uk::Restart{step.wanted->arguments});
    case plan::Verb::Destroy:
      return albatross::UnikernelCommand(uk::Destroy{});
    case plan::Verb::ApplyPolicy:
      return albatross::PolicyCommand(albatross::policy::Info{});
    case plan::Verb::CreateVolume:
      return albatross::BlockCommand(albatross::block::Add{step.volume->size});
    case plan::Verb::SetVolume:
      return albatross::BlockCommand(albatross::block::Set{step.volume->compressionLevel > 0});
    case plan::Verb::DestroyVolume:
      return albatross::BlockCommand(albatross::block::Remove{});
    case plan::Verb::Adopt:
      break;
  }
  check(false, "an adoption sends nothing");
  return albatross::PolicyCommand(albatross::policy::Info{});
}

}  // namespace rookery::reconcile
