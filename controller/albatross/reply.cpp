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
  return listOf(reply, &success::UnikernelList::unikernels, "unikernels");
}

Result<Policies> policiesOf(const Reply& reply) {
  auto policies = listOf(reply, &success::PolicyList::policies, "policies");
  if (!policies) return policies;
  for (const auto& [name, policy] : *policies) {
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
  return listOf(reply, &success::BlockDeviceList::blockDevices, "block devices");
}

}  // namespace rookery::albatross
