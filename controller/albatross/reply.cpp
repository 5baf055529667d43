#include "albatross/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "text.h"

namespace rookery::albatross {

namespace {

/// How the messages begin that come from a server's TLS endpoint because it lost its daemon on the way.
constexpr std::array<std::string_view, 3> endpointTrouble{"error reading from fd",
                                                          "couldn't write unikernel to VMMD", "exception"};
constexpr std::string_view daemonMissing = "couldn't reach service";

/// What all the bridges, and all the CPUs, that a policy names may come to: messages about those whom it
/// limits quote them.
constexpr std::size_t mostBridgesText = 16 << 10, mostCPUs = 4096;

/// More than any machine has, and little enough that sums of what a reply can hold stay numbers.
constexpr std::int64_t mostMegabytes = std::int64_t{1} << 40;

/// A server's text is bytes that nobody validated, and as many as it likes; it goes into messages,
/// conditions, events and logs.
std::string quotable(std::string_view text) { return visible(text, longestForeignText); }

Error failureError(const Failure& failure, const std::string& server) {
  const auto starts = [&](std::string_view prefix) { return failure.message.starts_with(prefix); };
  if (starts(daemonMissing)) {
    return {Reason::ServiceUnavailable,
            fmt::format("The TLS endpoint {} cannot reach its daemon (\"{}\"); nothing was done.", server,
                        quotable(failure.message))};
  }
  if (std::ranges::any_of(endpointTrouble, starts)) {
    return {Reason::EndpointFailed,
            fmt::format("The TLS endpoint {} failed on the way to its daemon: \"{}\".", server,
                        quotable(failure.message))};
  }
  return {Reason::Refused, quotable(failure.message)};
}

/// A question about a domain is answered with names relative to it, one about a name with full names.
template <class List>
List resolved(List list, const Name& asked) {
  if (asked.label) return list;
  for (auto& [name, value] : list) name = asked.resolve(name);
  return list;
}

template <class Shape, class List>
Result<List> listOf(const Reply& reply, List Shape::* list, std::string_view what) {
  const auto* shape = std::get_if<Shape>(&reply.success);
  if (shape == nullptr) {
    return fail(Reason::ProtocolError,
                fmt::format("The server's reply about {} is not a list of {}.", reply.name.toString(), what));
  }
  return resolved(shape->*list, reply.name);
}

/// Only what is reckoned with: an absurd number anywhere else differs, and that is all.
bool isSize(std::int64_t megabytes) { return megabytes >= 0 && megabytes <= mostMegabytes; }

std::unexpected<Error> absurd(std::string_view what, const Name& name, std::string_view why) {
  return fail(Reason::ProtocolError,
              fmt::format("The {} {} that the server reports {}.", what, name.toString(), why));
}

}  // namespace

Result<Reply> interpretReply(std::string_view frame, std::string serverKey, const std::string& server) {
  auto wire = decodeWire(frame);
  if (!wire) {
    return fail(Reason::ProtocolError,
                fmt::format("The reply of {} cannot be decoded; is it an Albatross of wire version {}? {}",
                            server, wireVersion, wire.error().message));
  }
  if (auto* success = std::get_if<Success>(&wire->payload)) {
    if (auto* said = std::get_if<success::Text>(success)) said->text = quotable(said->text);
    return Reply{.serverKey = std::move(serverKey),
                 .name = std::move(wire->header.name),
                 .success = std::move(*success)};
  }
  if (const auto* failure = std::get_if<Failure>(&wire->payload)) {
    return std::unexpected(failureError(*failure, server));
  }
  return fail(Reason::ProtocolError,
              fmt::format("The server {} sent {} where a reply was due.", server,
                          std::holds_alternative<Command>(wire->payload) ? "a command" : "data"));
}

Result<Unikernels> unikernelsOf(const Reply& reply) {
  auto unikernels = listOf(reply, &success::UnikernelList::unikernels, "unikernels");
  if (!unikernels) return unikernels;
  for (const auto& [name, info] : *unikernels) {
    if (!isSize(info.memory))
      return absurd("unikernel", name, fmt::format("has {} MB of memory, which no machine has", info.memory));
    if (info.started && (*info.started < firstTime || *info.started > lastTime))
      return absurd("unikernel", name, "was started at a time that a clock cannot say");
  }
  return unikernels;
}

Result<Policies> policiesOf(const Reply& reply) {
  auto policies = listOf(reply, &success::PolicyList::policies, "policies");
  if (!policies) return policies;
  for (auto& [name, policy] : *policies) {
    if (policy.unikernels < 0 || policy.memory < 0 || policy.block.value_or(0) < 0)
      return absurd("policy of", name, "allows less than nothing");
    // Without a limit, in its author's words.
    policy.memory = std::min(policy.memory, mostMegabytes);
    if (policy.block) policy.block = std::min(*policy.block, mostMegabytes);
    std::size_t text = 0;
    for (const std::string& bridge : policy.bridges) text += bridge.size();
    if (text <= mostBridgesText && policy.cpuIDs.size() <= mostCPUs) continue;
    return fail(Reason::ProtocolError,
                fmt::format("The policy of {} that the server reports names more bridges or CPUs than a "
                            "machine has: {} bytes of bridges' names and {} CPUs; the most are {} and {}.",
                            name.toString(), text, policy.cpuIDs.size(), mostBridgesText, mostCPUs));
  }
  return policies;
}

Result<BlockDevices> blockDevicesOf(const Reply& reply) {
  auto devices = listOf(reply, &success::BlockDeviceList::blockDevices, "block devices");
  if (!devices) return devices;
  for (const auto& [name, device] : *devices) {
    if (!isSize(device.size))
      return absurd("block device", name, fmt::format("has {} MB, which no disk has", device.size));
  }
  return devices;
}

}  // namespace rookery::albatross
