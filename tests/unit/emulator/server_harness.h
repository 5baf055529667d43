#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emulator/journal.h"
#include "emulator/server.h"
#include "images/image_maker.h"

namespace rookery::emulator {

inline albatross::Policy policyOf(std::int64_t unikernels, std::int64_t memory) {
  albatross::Policy policy;
  policy.cpuIDs = {0, 1};
  policy.unikernels = unikernels;
  policy.memory = memory;
  policy.block = 100;
  policy.bridges = {"br0"};
  return policy;
}

/// A configuration of 32 MB on CPU 0 with a valid image of no devices, to be changed.
inline albatross::Config configOf(std::vector<std::string> arguments = {},
                                  const images::ImageSpec& image = {}) {
  albatross::Config config;
  config.image = images::makeImage(image);
  config.arguments.arguments = std::move(arguments);
  return config;
}

/// A server with a clock to turn, and short words for commands.
class ServerHarness {
 public:
  explicit ServerHarness(ServerHooks hooks = {}) : server(machine(), std::move(hooks)) {}

  static Machine machine() {
    Machine machine;
    machine.memory = 1024;
    machine.block = 1000;
    machine.cpus = 2;
    machine.bridges = {"br0", "br1"};
    return machine;
  }

  void pass(std::chrono::milliseconds time) {
    now += time;
    server.tick(now);
  }

  /// The answer, or nothing when there is none yet. `answers` keeps those that come later, too.
  Answer submit(const std::string& name, albatross::Command command,
                std::vector<std::pair<Path, albatross::Policy>> policies = {}, std::string content = {}) {
    const std::size_t index = answers.size();
    answers.emplace_back();
    const auto parsed = albatross::Name::parse(name);
    check(parsed.has_value(), "a test's name is right");
    Request request{std::move(policies), *parsed, std::move(command), std::move(content)};
    server.submit(std::move(request), now, [this, index](Answer answer) {
      answers[index] = summary(answer);
      last = std::move(answer);
    });
    return answers[index] ? last : std::nullopt;
  }

  /// The same in words; "pending" as long as there is no answer.
  std::string say(const std::string& name, albatross::Command command,
                  std::vector<std::pair<Path, albatross::Policy>> policies = {}, std::string content = {}) {
    submit(name, std::move(command), std::move(policies), std::move(content));
    return answers.back().value_or("pending");
  }

  std::string create(const std::string& name, albatross::Config config) {
    return say(name, albatross::UnikernelCommand(albatross::unikernel::Create{std::move(config)}));
  }
  std::string forceCreate(const std::string& name, albatross::Config config) {
    return say(name, albatross::UnikernelCommand(albatross::unikernel::ForceCreate{std::move(config)}));
  }
  std::string restart(const std::string& name, std::optional<albatross::Arguments> arguments = {}) {
    return say(name, albatross::UnikernelCommand(albatross::unikernel::Restart{std::move(arguments)}));
  }
  std::string destroy(const std::string& name) {
    return say(name, albatross::UnikernelCommand(albatross::unikernel::Destroy{}));
  }
  std::string addBlock(const std::string& name, std::int64_t size) {
    return say(name, albatross::BlockCommand(albatross::block::Add{size}));
  }
  std::string setBlock(const std::string& name, std::string content, bool compressed = false) {
    return say(name, albatross::BlockCommand(albatross::block::Set{compressed}), {}, std::move(content));
  }
  std::string applyPolicies(std::vector<std::pair<Path, albatross::Policy>> policies) {
    const albatross::Name domain{policies.back().first, std::nullopt};
    return say(domain.toString(), albatross::PolicyCommand(albatross::policy::Info{}), std::move(policies));
  }
  albatross::Unikernels info(const std::string& name) {
    const Answer answer = submit(name, albatross::UnikernelCommand(albatross::unikernel::Info{}));
    return std::get<albatross::success::UnikernelList>(std::get<albatross::Success>(*answer)).unikernels;
  }
  /// When it started; nothing when it does not run.
  std::optional<albatross::Time> started(const std::string& name) {
    const auto found = info(name);
    return found.empty() ? std::nullopt : found.front().second.started;
  }

  albatross::Time now{std::chrono::days(20'000)};
  Server server;
  std::vector<std::optional<std::string>> answers;
  Answer last;
};

}  // namespace rookery::emulator
