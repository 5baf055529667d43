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

/// Whether a server may not know what it was asked: it closed without a word.
bool mayNotKnow(const Result<albatross::Reply>& reply) {
  return !reply && reply.error().reason == Reason::ProtocolError;
}

struct Census {
  albatross::Era era = albatross::Era::Current;
  Result<albatross::Reply> unikernels;
};

/// What runs, asked in the newest form that the server knows. A current server that is asked in an old one
/// may crash: only one that refuses the current form twice, and answers another question in between, is taken
/// to be old.
asio::awaitable<Census> census(albatross::Client& client, const std::string& instance, Listener& listener,
                               std::optional<albatross::Era> known) {
  using albatross::Era;
  const auto info = [](Era era) {
    return Command(albatross::UnikernelCommand(albatross::unikernel::Info{era}));
  };
  Census found{
      .era = known.value_or(Era::Current),
      .unikernels = co_await ask(client, info(known.value_or(Era::Current)), "info", instance, listener)};
  if (known || !mayNotKnow(found.unikernels)) co_return found;
  const auto other = co_await ask(client, albatross::PolicyCommand(albatross::policy::Info{}), "policyInfo",
                                  instance, listener);
  if (!other && other.error().reason != Reason::Refused) co_return found;
  found.unikernels = co_await ask(client, info(Era::Current), "info", instance, listener);
  for (const Era era : {Era::V26, Era::V25}) {
    if (!mayNotKnow(found.unikernels)) break;
    auto older = co_await ask(client, info(era), "info", instance, listener);
    if (mayNotKnow(older) && era == Era::V25) break;  // it is something else: what was said first counts
    found = {.era = era, .unikernels = std::move(older)};
  }
  co_return found;
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
                                                std::string instance, Listener& listener,
                                                std::optional<albatross::Era> known) {
  plan::Observed observed;
  const Census census = co_await reconcile::census(client, instance, listener, known);
  observed.era = census.era;
  const Result<albatross::Reply>& unikernels = census.unikernels;
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
    return Config{albatross::UnikernelType::Solo5, step.compressionLevel > 0, "", step.wanted->arguments};
  };
  switch (step.verb) {
    case plan::Verb::Create:
      return albatross::UnikernelCommand(uk::Create{config(), step.era});
    case plan::Verb::ForceCreate:
      return albatross::UnikernelCommand(uk::ForceCreate{config(), step.era});
    case plan::Verb::Restart:
      return albatross::UnikernelCommand(uk::Restart{step.wanted->arguments, step.era});
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
