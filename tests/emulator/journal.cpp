#include "emulator/journal.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <variant>

namespace rookery::emulator {

namespace {

constexpr std::size_t entriesKept = 10'000;

// In the order of the alternatives of each variant.
constexpr std::array consoleKinds = {"console-add", "console-subscribe", "console-inactive"};
constexpr std::array statsKinds = {"stats-add", "stats-remove", "stats-subscribe", "stats-initial"};
constexpr std::array unikernelKinds = {"info", "create", "force-create", "restart", "destroy", "get"};
constexpr std::array policyKinds = {"policy-info", "policy-add", "policy-remove"};
constexpr std::array blockKinds = {"block-info", "block-add", "block-remove", "block-dump",
                                   "block-set",  "block-add", "block-set",    "block-dump"};

static_assert(consoleKinds.size() == std::variant_size_v<albatross::ConsoleCommand>);
static_assert(statsKinds.size() == std::variant_size_v<albatross::StatsCommand>);
static_assert(unikernelKinds.size() == std::variant_size_v<albatross::UnikernelCommand>);
static_assert(policyKinds.size() == std::variant_size_v<albatross::PolicyCommand>);
static_assert(blockKinds.size() == std::variant_size_v<albatross::BlockCommand>);

struct Kind {
  std::string operator()(const albatross::ConsoleCommand& command) const {
    return consoleKinds.at(command.index());
  }
  std::string operator()(const albatross::StatsCommand& command) const {
    return statsKinds.at(command.index());
  }
  std::string operator()(const albatross::UnikernelCommand& command) const {
    return unikernelKinds.at(command.index());
  }
  std::string operator()(const albatross::PolicyCommand& command) const {
    return policyKinds.at(command.index());
  }
  std::string operator()(const albatross::BlockCommand& command) const {
    return blockKinds.at(command.index());
  }
};

struct Words {
  std::string operator()(const albatross::success::Text& reply) const { return reply.text; }
  std::string operator()(const albatross::success::PolicyList& reply) const {
    return fmt::format("policies: {}", reply.policies.size());
  }
  std::string operator()(const albatross::success::BlockDeviceList& reply) const {
    return fmt::format("block devices: {}", reply.blockDevices.size());
  }
  std::string operator()(const albatross::success::UnikernelList& reply) const {
    return fmt::format("unikernels: {}", reply.unikernels.size());
  }
  std::string operator()(const albatross::success::UnikernelImage& reply) const {
    return fmt::format("image of {} bytes", reply.image.size());
  }
  std::string operator()(const auto&) const { return "success"; }
};

std::string_view toString(Outcome outcome) {
  switch (outcome) {
    case Outcome::Ok:
      return "ok";
    case Outcome::Failed:
      return "failed";
    case Outcome::Closed:
      return "closed";
    case Outcome::Aborted:
      return "aborted";
    case Outcome::Unsent:
      return "unsent";
  }
  std::unreachable();
}

/// Control characters would let a client write lines of its own.
std::string quote(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
  }
  return result + "\"";
}

}  // namespace

std::string kindOf(const albatross::Command& command) { return std::visit(Kind{}, command); }

std::string summary(const Answer& answer) {
  if (!answer) return "no answer";
  if (const auto* failure = std::get_if<albatross::Failure>(&*answer)) return failure->message;
  return std::visit(Words{}, std::get<albatross::Success>(*answer));
}

std::string Journal::Entry::logfmt() const {
  return fmt::format("command={} name={} bytes={} outcome={} result={}", command, name, bytes,
                     toString(outcome), quote(result));
}

void Journal::add(Entry entry) {
  ++counts_[entry.command];
  sink_(entry);
  entries_.push_back(std::move(entry));
  if (entries_.size() > entriesKept) entries_.pop_front();
}

std::uint64_t Journal::count(const std::string& command) const {
  const auto found = counts_.find(command);
  return found == counts_.end() ? 0 : found->second;
}

std::uint64_t Journal::mutations() const {
  std::uint64_t sum = 0;
  for (const auto* command : {"create", "force-create", "restart", "destroy", "policy-add", "policy-remove",
                              "block-add", "block-remove", "block-set"}) {
    sum += count(command);
  }
  return sum;
}

}  // namespace rookery::emulator
