#include "emulator/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <tuple>
#include <utility>

#include "emulator/usage.h"

namespace rookery::emulator {

using albatross::Arguments;
using albatross::Command;
using albatross::Failure;
using albatross::Name;
using albatross::Policy;
using albatross::Success;
using albatross::Time;
using std::chrono::milliseconds;
namespace success = albatross::success;

namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

Answer say(std::string text) { return Success(success::Text{std::move(text)}); }
Answer say(Failure failure) { return failure; }
Answer say(const Verdict& verdict, std::string text) {
  return verdict ? say(std::move(text)) : say(verdict.error());
}

Policy rootPolicy(const Machine& machine) {
  Policy policy;
  policy.unikernels = (std::int64_t{1} << 62) - 1;  // the largest integer that the server knows
  policy.memory = machine.memory;
  policy.block = machine.block;
  policy.bridges = machine.bridges;
  for (std::int64_t cpu = 0; cpu < machine.cpus; ++cpu) policy.cpuIDs.insert(cpu);
  return policy;
}

/// What follows `key` in the guest's boot arguments.
std::optional<std::string_view> valueAfter(std::string_view key, const Arguments& arguments) {
  if (!arguments.arguments) return std::nullopt;
  for (const std::string_view argument : *arguments.arguments) {
    if (argument.starts_with(key)) return argument.substr(key.size());
  }
  return std::nullopt;
}

std::optional<int> numberAfter(std::string_view key, const Arguments& arguments) {
  const auto digits = valueAfter(key, arguments);
  if (!digits) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(digits->begin(), digits->end(), number);
  if (error != std::errc{} || end != digits->end() || number < 0) return std::nullopt;
  return number;
}

std::optional<Faults::ExitAfter> ownEnd(const Arguments& arguments) {
  const auto code = numberAfter("exit=", arguments);
  if (!code) return std::nullopt;
  return Faults::ExitAfter{milliseconds(numberAfter("after=", arguments).value_or(0)), *code};
}

/// By signals never; nor by the codes of an error in the image or the arguments.
bool restartsAfter(const albatross::FailBehaviour& behaviour, std::optional<int> exitCode) {
  if (!behaviour.restart || !exitCode || *exitCode == 1 || (*exitCode >= 60 && *exitCode <= 64)) return false;
  return behaviour.exitCodes.empty() || behaviour.exitCodes.contains(*exitCode);
}

Verdict devicesMatch(const image::Manifest& manifest, const Arguments& arguments) {
  std::set<std::string> blocks;
  std::set<std::string> networks;
  for (const auto& block : arguments.blocks) blocks.insert(block.name);
  for (const auto& bridge : arguments.bridges) networks.insert(bridge.netif);
  std::vector<std::string> present;
  present.reserve(manifest.blockDevices.size() + manifest.networkDevices.size());
  for (const auto& name : manifest.blockDevices) present.push_back(fmt::format("block \"{}\"", name));
  for (const auto& name : manifest.networkDevices) present.push_back(fmt::format("net \"{}\"", name));
  if (blocks != manifest.blockDevices) {
    return refuse(
        fmt::format("specified block device(s) does not match with manifest. Devices present in manifest: {}",
                    fmt::join(present, ", ")));
  }
  if (networks != manifest.networkDevices) {
    return refuse(
        fmt::format("specified bridge(s) does not match with the manifest. Devices present in manifest: {}",
                    fmt::join(present, ", ")));
  }
  return {};
}

/// `listed` is the name as the reply gives it. The server looks block devices up beside *that* name: in a
/// list that was asked of a domain the sizes are those of other devices, or 0.
albatross::UnikernelInfo describe(const Unikernel& unikernel, const Name& name, const Name& listed,
                                  const Tree<albatross::BlockDevice>& devices) {
  const Arguments& arguments = unikernel.configuration.arguments;
  albatross::UnikernelInfo info;
  info.type = unikernel.configuration.type;
  info.startup = arguments.startup;
  info.failBehaviour = arguments.failBehaviour;
  info.cpuIDs = arguments.cpuIDs;
  info.memory = arguments.memory;
  info.digest = unikernel.digest;
  info.arguments = arguments.arguments;
  info.started = unikernel.started;
  info.numcpus = arguments.numcpus;
  info.linuxBootPartition = arguments.linuxBootPartition;
  for (const auto& block : arguments.blocks) {
    const auto* device = devices.find({listed.path, hostDevice(block)});
    info.blocks.push_back({block.name, hostDevice(block), block.sectorSize.value_or(512),
                           device == nullptr ? 0 : device->size});
  }
  for (const auto& bridge : arguments.bridges) {
    info.bridges.push_back(
        {bridge.netif, hostDevice(bridge), bridge.mac.value_or(albatross::derivedMac(bridge.netif, name))});
  }
  return info;
}

Configuration toConfiguration(albatross::Config config) {
  return {config.type, std::move(config.arguments),
          std::make_shared<GuestImage>(std::move(config.image), config.compressed)};
}

}  // namespace

/// The form that a command has; nothing: it has only one.
std::optional<albatross::Era> formOf(const Command& command) {
  namespace uk = albatross::unikernel;
  const auto* asked = std::get_if<albatross::UnikernelCommand>(&command);
  if (asked == nullptr) return std::nullopt;
  if (const auto* info = std::get_if<uk::Info>(asked)) return info->era;
  if (const auto* create = std::get_if<uk::Create>(asked)) return create->era;
  if (const auto* create = std::get_if<uk::ForceCreate>(asked)) return create->era;
  const auto* restart = std::get_if<uk::Restart>(asked);
  return restart == nullptr || !restart->arguments ? std::nullopt : std::optional(restart->era);
}

/// Eras stand newest first.
bool knows(albatross::Era release, const Command& command) {
  const auto form = formOf(command);
  return !form || *form >= release;
}

bool isMutation(const Command& command) {
  return std::visit(Overloaded{[](const albatross::UnikernelCommand& unikernel) {
                                 return !std::holds_alternative<albatross::unikernel::Info>(unikernel) &&
                                        !std::holds_alternative<albatross::unikernel::Get>(unikernel);
                               },
                               [](const albatross::PolicyCommand& policy) {
                                 return !std::holds_alternative<albatross::policy::Info>(policy);
                               },
                               [](const albatross::BlockCommand& block) {
                                 return !std::holds_alternative<albatross::block::Info>(block) &&
                                        !std::holds_alternative<albatross::block::Dump>(block) &&
                                        !std::holds_alternative<albatross::block::OldDump>(block);
                               },
                               [](const auto&) { return false; }},
                    command);
}

Server::Server(const Machine& machine, ServerHooks hooks) : machine_(machine), hooks_(std::move(hooks)) {
  check(resources_.addPolicy({}, rootPolicy(machine_)).has_value(), "a policy fits on an empty server");
}

void Server::restore(const State& state, Time now) {
  for (const auto& [name, size] : state.blocks) std::ignore = resources_.addBlock(name, size);
  for (const auto& [name, content] : state.contents) std::ignore = resources_.setBlock(name, content);
  for (const auto& [path, policy] : state.policies) std::ignore = resources_.addPolicy(path, policy);
  auto unikernels = state.unikernels;
  std::ranges::stable_sort(unikernels, {}, [](const auto& entry) {
    return entry.second.arguments.startup.value_or(50);  // the server's default
  });
  for (const auto& [name, configuration] : unikernels) create(name, configuration, now, false);
  hooks_.dump(resources_);
}

void Server::submit(Request request, Time now, Done done) {
  tick(now);
  if (faults_.endpointError) return done(say(Failure{"couldn't reach service"}));
  // Of other daemons, which do not ask for policies.
  if (const auto* console = std::get_if<albatross::ConsoleCommand>(&request.command))
    return done(handle(request.name, *console));
  if (const auto* stats = std::get_if<albatross::StatsCommand>(&request.command)) return done(handle(*stats));
  if (!knows(machine_.release, request.command)) return done(std::nullopt);
  if (auto applied = applyPolicies(request); !applied) return done(say(applied.error()));
  if (faults_.refuse && isMutation(request.command)) return done(say(Failure{"refused by the emulator"}));
  std::visit(
      Overloaded{
          [&](albatross::UnikernelCommand& command) { handle(request.name, std::move(command), now, done); },
          [&](const albatross::PolicyCommand& command) {
            const bool info = std::holds_alternative<albatross::policy::Info>(command);
            done(info || request.local ? handle(request.name, command) : std::nullopt);
          },
          [&](albatross::BlockCommand& command) { handle(request, command, done); }, [&](const auto&) {}},
      request.command);
  tick(now);
}

void Server::tick(Time now) {
  printTicks(now);
  std::vector<std::pair<Time, Name>> due;
  resources_.unikernels().forEach([&](const Name& name, const Unikernel& unikernel) {
    if (unikernel.ends && *unikernel.ends <= now) due.emplace_back(*unikernel.ends, name);
  });
  std::ranges::sort(due);
  for (const auto& [time, name] : due) ended(name, now);
}

std::optional<Time> Server::nextEvent() const {
  std::optional<Time> next;
  resources_.unikernels().forEach([&](const Name& /*name*/, const Unikernel& unikernel) {
    const auto& [ends, ticking] = std::tie(unikernel.ends, unikernel.ticking);
    if (ends && (!next || *ends < *next)) next = ends;
    if (ticking && (!next || ticking->next < *next)) next = ticking->next;
  });
  return next;
}

Verdict Server::applyPolicies(const Request& request) {
  for (const auto& [path, policy] : request.policies) {
    const Policy* present = resources_.findPolicy(path);
    if (present != nullptr && *present == policy) continue;
    const Name domain{path, std::nullopt};
    const auto added =
        faults_.refuse ? refuse("refused by the emulator") : resources_.addPolicy(path, policy);
    if (!added) {
      return refuse(
          fmt::format("expected success when adding policy, got: host [unikernel: {}]: command failed {}",
                      domain.toString(), added.error().message));
    }
    hooks_.dump(resources_);
    hooks_.policyAdded(domain);
  }
  return {};
}

// -- Commands
// --------------------------------------------------------------------------------------------------------

Answer Server::handle(const Name& name, const albatross::PolicyCommand& command) {
  if (const auto* add = std::get_if<albatross::policy::Add>(&command)) {
    const Policy* present = resources_.findPolicy(name.path);
    const Verdict added = present != nullptr && *present == add->policy
                              ? Verdict()
                              : resources_.addPolicy(name.path, add->policy);
    if (added) {
      hooks_.dump(resources_);
      hooks_.policyAdded({name.path, std::nullopt});
    }
    return say(added, "added policy");
  }
  if (!std::holds_alternative<albatross::policy::Info>(command)) return std::nullopt;
  success::PolicyList list;
  for (const auto& policy : resources_.policies().below(name.path)) {
    list.policies.emplace_back(policy.relative, *policy.value);
  }
  return Success(std::move(list));
}

void Server::handle(Request& request, const albatross::BlockCommand& command, const Done& done) {
  namespace block = albatross::block;
  const Name& name = request.name;
  const auto changed = [&](const Verdict& verdict, const char* text) {
    if (verdict) hooks_.blocksChanged(resources_);
    done(say(verdict, text));
  };
  std::visit(Overloaded{[&](const block::Info&) { done(blocks(name)); },
                        [&](const block::Add& add) {
                          changed(resources_.addBlock(name, add.size), "added block device");
                        },
                        [&](const block::Remove&) { changed(resources_.removeBlock(name), "removed block"); },
                        [&](const block::Dump& wanted) { done(dump(name, wanted.compressionLevel)); },
                        [&](const block::Set& order) { set(request, order.compressed, done); },
                        [&](const auto&) { done(std::nullopt); }},
             command);
}

Answer Server::blocks(const Name& name) const {
  success::BlockDeviceList list;
  if (!name.label) {
    for (const auto& block : resources_.blocks().below(name.path))
      list.blockDevices.emplace_back(block.relative, *block.value);
  } else if (const auto* block = resources_.blocks().find(name)) {
    list.blockDevices.emplace_back(name, *block);
  }
  return Success(std::move(list));
}

/// What is too much is written as far as it fits, and never answered.
void Server::set(Request& request, bool compressed, const Done& done) {
  auto content = compressed ? uncompress(request.content) : std::move(request.content);
  if (!content) return done(say(content.error()));
  const auto* block = resources_.blocks().find(request.name);
  const bool fits = block == nullptr || content->size() <= sizeInBytes(*block);
  if (!fits) content->resize(sizeInBytes(*block));
  const Verdict written = resources_.setBlock(request.name, *std::move(content));
  if (written) hooks_.blocksChanged(resources_);
  if (!written || fits) done(say(written, "set block device"));
}

Answer Server::dump(const Name& name, std::int64_t compressionLevel) const {
  const auto* block = resources_.blocks().find(name);
  if (compressionLevel < 0 || compressionLevel > 9) return std::nullopt;
  if (block == nullptr) return say(Failure{"dump block: not found"});
  if (block->active) return say(Failure{"dump block: is in use"});
  return Success(success::BlockDeviceImage{compressionLevel > 0});
}

Answer Server::handle(const Name& name, const albatross::ConsoleCommand& command) const {
  namespace console = albatross::console;
  if (std::holds_alternative<console::Subscribe>(command))
    return name.label ? say(consoles_.known(name) ? "subscribed" : "waiting for VM") : std::nullopt;
  if (!std::holds_alternative<console::ListInactive>(command)) return std::nullopt;
  const auto runs = [&](const Name& each) { return resources_.unikernels().find(each) != nullptr; };
  return Success(success::Consoles{consoles_.inactive(name.path, runs)});
}

Answer Server::handle(const albatross::StatsCommand& command) const {
  if (faults_.noStatistics || !std::holds_alternative<albatross::stats::Subscribe>(command))
    return std::nullopt;
  return say("subscribed");
}

std::vector<std::pair<Name, albatross::data::Statistics>> Server::statistics(const Path& path,
                                                                             Time now) const {
  std::vector<std::pair<Name, albatross::data::Statistics>> all;
  for (const auto& unikernel : resources_.unikernels().below(path))
    all.emplace_back(unikernel.relative, usageOf(*unikernel.value, now));
  return all;
}

void Server::handle(const Name& name, albatross::UnikernelCommand command, Time now, const Done& done) {
  namespace unikernel = albatross::unikernel;
  std::visit(Overloaded{[&](const unikernel::Info& wanted) { done(info(name, wanted.era)); },
                        [&](const unikernel::Get& wanted) { done(get(name, wanted.compressionLevel)); },
                        [&](unikernel::Create& order) {
                          done(create(name, toConfiguration(std::move(order.config)), now, true));
                        },
                        [&](unikernel::ForceCreate& order) {
                          forceCreate(name, toConfiguration(std::move(order.config)), now, done);
                        },
                        [&](const unikernel::Restart& order) { restart(name, order.arguments, now, done); },
                        [&](const unikernel::Destroy&) { destroy(name, now, done); }},
             command);
}

Answer Server::info(const Name& name, albatross::Era era) const {
  success::UnikernelList list{{}, era};
  if (!name.label) {
    for (const auto& found : resources_.unikernels().below(name.path)) {
      list.unikernels.emplace_back(found.relative,
                                   describe(*found.value, found.name, found.relative, resources_.blocks()));
    }
  } else if (const Unikernel* found = resources_.unikernels().find(name)) {
    list.unikernels.emplace_back(name, describe(*found, name, name, resources_.blocks()));
  }
  const auto hasOneCpu = [](const auto& entry) { return entry.second.cpuIDs.size() == 1; };
  if (era != albatross::Era::Current && !std::ranges::all_of(list.unikernels, hasOneCpu)) return std::nullopt;
  return Success(std::move(list));
}

Answer Server::get(const Name& name, std::int64_t compressionLevel) const {
  const Unikernel* unikernel = resources_.unikernels().find(name);
  if (unikernel == nullptr) return say(Failure{"get: no unikernel found"});
  if (compressionLevel < 0 || compressionLevel > 9) return std::nullopt;
  const GuestImage& image = *unikernel->configuration.image;
  const bool compressed = compressionLevel > 0;
  if (image.compressed() == compressed) return Success(success::UnikernelImage{compressed, image.bytes()});
  if (compressed) {
    return Success(
        success::UnikernelImage{true, compress(image.bytes(), static_cast<int>(compressionLevel))});
  }
  auto bytes = uncompress(image.bytes());
  return bytes ? Answer(Success(success::UnikernelImage{false, *std::move(bytes)})) : say(bytes.error());
}

void Server::forceCreate(const Name& name, Configuration configuration, Time now, const Done& done) {
  Resources without = resources_;
  without.removeUnikernel(name);
  if (auto verdict = without.checkUnikernel(name, configuration.arguments); !verdict)
    return done(say(verdict.error()));
  if (resources_.findUnikernel(name) == nullptr) return done(create(name, configuration, now, true));
  replaceWhenStopped(name, std::move(configuration), now, done);
}

void Server::restart(const Name& name, const std::optional<Arguments>& arguments, Time now,
                     const Done& done) {
  const Unikernel* unikernel = resources_.findUnikernel(name);
  if (unikernel == nullptr) return done(stopRestarting(name, false));
  Configuration configuration = unikernel->configuration;
  // The server checks what runs already, not what is asked for: a restart over the policy kills first and
  // fails then.
  Resources without = resources_;
  without.removeUnikernel(name);
  if (auto verdict = without.checkUnikernel(name, configuration.arguments); !verdict)
    return done(say(verdict.error()));
  if (arguments) {
    const auto memory = configuration.arguments.memory;
    configuration.arguments = *arguments;
    if (faults_.restartIgnoresMemory) configuration.arguments.memory = memory;
  }
  if (configuration.type == albatross::UnikernelType::Solo5) {
    const auto inspection = configuration.image->inspect();
    if (!inspection) return done(say(inspection.error()));
    if (auto verdict = devicesMatch(inspection->manifest, configuration.arguments); !verdict) {
      return done(say(verdict.error()));
    }
  }
  replaceWhenStopped(name, std::move(configuration), now, done);
}

void Server::destroy(const Name& name, Time now, const Done& done) {
  Unikernel* unikernel = resources_.findUnikernel(name);
  if (unikernel == nullptr) return done(stopRestarting(name, true));
  stop(*unikernel, now);
  waiters_[name.toString()] = [this, done](Time, ExitCode) {
    hooks_.dump(resources_);
    done(say("destroyed unikernel"));
  };
}

// -- The life of a unikernel
// -----------------------------------------------------------------------------------------

std::expected<std::string, Failure> Server::prepare(const Configuration& configuration) {
  if (configuration.type == albatross::UnikernelType::Bhyve)
    return fmt::format("alba-{}", ++virtualMachines_);
  const auto inspection = configuration.image->inspect();
  if (!inspection) return std::unexpected(inspection.error());
  if (auto verdict = devicesMatch(inspection->manifest, configuration.arguments); !verdict) {
    return std::unexpected(verdict.error());
  }
  for (const auto& bridge : configuration.arguments.bridges) {
    if (machine_.bridges.contains(hostDevice(bridge))) continue;
    return refuse(fmt::format("interface {} does not exist", hostDevice(bridge)));
  }
  return inspection->digest;
}

Answer Server::create(const Name& name, const Configuration& configuration, Time now, bool dump) {
  if (resources_.findUnikernel(name) != nullptr) {
    return say(Failure{"Unikernel with same name is already running"});
  }
  if (auto verdict = resources_.checkUnikernel(name, configuration.arguments); !verdict)
    return say(verdict.error());
  auto digest = prepare(configuration);
  if (!digest) return say(digest.error());

  // Two lives never start at the same moment: a changed `started` is all that tells one from the next.
  lastStarted_ = std::max(now, lastStarted_ + milliseconds(1));
  Unikernel unikernel{configuration, *std::move(digest), lastStarted_, std::nullopt, std::nullopt};
  if (const auto end = faults_.exitAfter ? faults_.exitAfter : ownEnd(configuration.arguments)) {
    unikernel.ends = lastStarted_ + std::max(end->after, milliseconds(1));
    unikernel.exitCode = end->code;
  }
  if (const auto every = numberAfter("every=", configuration.arguments); every && *every > 0)
    unikernel.ticking = {milliseconds(*every), lastStarted_ + milliseconds(*every), 0};
  if (!resources_.insertUnikernel(name, std::move(unikernel))) {
    return say(Failure{"could not create unikernel: console failed"});
  }
  consoles_.add(name);
  if (const auto text = valueAfter("say=", configuration.arguments))
    consoles_.print(name, lastStarted_, std::string(*text));
  if (dump) hooks_.dump(resources_);
  registerRestart(name, configuration);
  return say("created unikernel");
}

void Server::registerRestart(const Name& name, const Configuration& configuration) {
  const Arguments& arguments = configuration.arguments;
  if (!arguments.failBehaviour.restart && !arguments.addName) return;
  waiters_.try_emplace(name.toString(), [this, name, configuration](Time now, ExitCode exitCode) {
    const Arguments& ran = configuration.arguments;
    const bool wanted = restarting_.erase(name.toString()) > 0;
    if (wanted && ran.addName && exitCode == 64) {  // it may not have understood the --name that was added
      Configuration withoutName = configuration;
      withoutName.arguments.addName = false;
      create(name, withoutName, now, true);
    } else if (wanted && restartsAfter(ran.failBehaviour, exitCode)) {
      create(name, configuration, now, false);
    } else {
      hooks_.dump(resources_);
    }
  });
}

void Server::replaceWhenStopped(const Name& name, Configuration configuration, Time now, const Done& done) {
  stop(*resources_.findUnikernel(name), now);
  waiters_[name.toString()] = [this, name, configuration = std::move(configuration), done](
                                  Time later, ExitCode) { done(create(name, configuration, later, true)); };
}

Answer Server::stopRestarting(const Name& name, bool dump) {
  const std::string key = name.toString();
  const bool waited = waiters_.erase(key) > 0;
  if (!waited && restarting_.erase(key) == 0) return say(Failure{"destroy: not found"});
  if (dump) hooks_.dump(resources_);
  return say(waited ? "destroyed: removed waiter" : "destroyed: removed from restarting");
}

void Server::stop(Unikernel& unikernel, Time now) const {
  const Time stopped = now + faults_.stopAfter;
  if (unikernel.ends && *unikernel.ends <= stopped) return;
  unikernel.ends = stopped;
  unikernel.exitCode.reset();
}

/// Of what nobody looked at for a long time, no more lines than are kept.
void Server::printTicks(Time now) {
  resources_.unikernels().forEach([&](const Name& name, const Unikernel& found) {
    if (!found.ticking) return;
    Unikernel& unikernel = *resources_.findUnikernel(name);
    auto& [every, next, count] = *unikernel.ticking;
    const Time until = std::min(now, unikernel.ends.value_or(now));
    if (next > until) return;
    const std::int64_t due = (until - next) / every + 1;
    const auto skipped = std::max<std::int64_t>(due - static_cast<std::int64_t>(Consoles::mostLines), 0);
    count += skipped;
    next += every * skipped;
    for (; next <= until; next += every) consoles_.print(name, next, fmt::format("tick {}", ++count));
  });
}

void Server::ended(const Name& name, Time now) {
  const ExitCode exitCode = resources_.findUnikernel(name)->exitCode;
  if (exitCode) consoles_.print(name, now, fmt::format("Solo5: solo5_exit({}) called", *exitCode));
  resources_.removeUnikernel(name);
  auto waiter = waiters_.extract(name.toString());
  if (waiter.empty()) return hooks_.dump(resources_);
  restarting_.insert(name.toString());
  waiter.mapped()(now, exitCode);
}

}  // namespace rookery::emulator
