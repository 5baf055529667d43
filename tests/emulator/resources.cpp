#include "emulator/resources.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <set>
#include <vector>

namespace rookery::emulator {

using albatross::Arguments;
using albatross::Name;
using albatross::Policy;

namespace {

/// The server's integers have 63 bits and wrap.
std::int64_t wrap63(std::uint64_t value) { return static_cast<std::int64_t>(value << 1) >> 1; }
std::int64_t sum(std::int64_t a, std::int64_t b) {
  return wrap63(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t difference(std::int64_t a, std::int64_t b) {
  return wrap63(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

template <class T>
std::vector<T> missingFrom(const std::set<T>& allowed, const std::set<T>& wanted) {
  std::vector<T> missing;
  std::ranges::set_difference(wanted, allowed, std::back_inserter(missing));
  return missing;
}

std::set<std::string> bridgesOf(const Arguments& arguments) {
  std::set<std::string> bridges;
  for (const auto& bridge : arguments.bridges) bridges.insert(hostDevice(bridge));
  return bridges;
}

Verdict isSmaller(const Policy& super, const Policy& sub) {
  if (super.unikernels < sub.unikernels) {
    return refuse(fmt::format("policy above allows {} unikernels, which is fewer than {}", super.unikernels,
                              sub.unikernels));
  }
  if (super.memory < sub.memory) {
    return refuse(
        fmt::format("policy above allows {} MB memory, which is fewer than {} MB", super.memory, sub.memory));
  }
  if (const auto missing = missingFrom(super.cpuIDs, sub.cpuIDs); !missing.empty()) {
    return refuse(fmt::format("policy above does not allow CPUids {}", fmt::join(missing, ", ")));
  }
  if (!std::ranges::includes(super.bridges, sub.bridges)) {
    return refuse(fmt::format("policy above allows bridge(s) {}, which is not a superset of {}",
                              fmt::join(super.bridges, ", "), fmt::join(sub.bridges, ", ")));
  }
  if (sub.block && (!super.block || *super.block < *sub.block)) {
    return refuse(fmt::format("policy above allows {} MB block storage, which is fewer than {} MB",
                              super.block.value_or(0), *sub.block));
  }
  return {};
}

}  // namespace

std::unexpected<albatross::Failure> refuse(std::string message) {
  return std::unexpected(albatross::Failure{std::move(message)});
}

std::size_t sizeInBytes(const albatross::BlockDevice& device) {
  return static_cast<std::size_t>(device.size) << 20U;
}

std::string hostDevice(const albatross::Block& block) { return block.device.value_or(block.name); }
std::string hostDevice(const albatross::Bridge& bridge) { return bridge.bridge.value_or(bridge.netif); }

Resources::Usage Resources::usage(const Path& path) const {
  Usage used;
  for (const auto& unikernel : unikernels_.below(path)) {
    ++used.unikernels;
    used.memory = sum(used.memory, unikernel.value->configuration.arguments.memory);
  }
  for (const auto& block : blocks_.below(path)) used.block = sum(used.block, block.value->size);
  return used;
}

Verdict Resources::checkPolicy(const Path& path, const Arguments& arguments) const {
  const Policy* policy = findPolicy(path);
  if (policy == nullptr) return {};
  const Usage used = usage(path);
  if (used.unikernels + 1 > policy->unikernels) {
    return refuse(fmt::format("maximum amount of unikernels ({}) reached", policy->unikernels));
  }
  if (arguments.memory > difference(policy->memory, used.memory)) {
    return refuse(fmt::format("maximum allowed memory ({}, used {}) would be exceeded (requesting {})",
                              policy->memory, used.memory, arguments.memory));
  }
  if (const auto missing = missingFrom(policy->cpuIDs, arguments.cpuIDs); !missing.empty()) {
    return refuse(fmt::format("CPUids {} are not allowed by policy", fmt::join(missing, ", ")));
  }
  std::vector<std::string> disallowed;
  for (const auto& bridge : arguments.bridges) {
    if (!policy->bridges.contains(hostDevice(bridge))) disallowed.push_back(hostDevice(bridge));
  }
  if (!disallowed.empty())
    return refuse(fmt::format("bridges {} not allowed by policy", fmt::join(disallowed, ", ")));
  return {};
}

Verdict Resources::checkBlocks(const Name& name, const Arguments& arguments) const {
  for (const auto& block : arguments.blocks) {
    const Name device{name.path, hostDevice(block)};
    const auto* found = blocks_.find(device);
    if (found == nullptr) return refuse(fmt::format("block device {} not found", device.toString()));
    if (found->active) return refuse(fmt::format("block device {} already in use", device.toString()));
  }
  return {};
}

Verdict Resources::checkUnikernel(const Name& name, const Arguments& arguments) const {
  if (auto policy = checkPolicy(name.path, arguments); !policy) return policy;
  if (auto blocks = checkBlocks(name, arguments); !blocks) return blocks;
  if (unikernels_.find(name) != nullptr) return refuse("unikernel with same name already exists");
  return {};
}

Verdict Resources::insertUnikernel(const Name& name, Unikernel unikernel) {
  std::set<std::string> taken;
  for (const auto& block : unikernel.configuration.arguments.blocks) {
    if (!taken.insert(hostDevice(block)).second) {
      return refuse(fmt::format("block device {} already in state active",
                                Name{name.path, hostDevice(block)}.toString()));
    }
  }
  for (const auto& device : taken) {
    if (auto* block = blocks_.find({name.path, device})) block->active = true;
  }
  unikernels_.insertOrReplace(name, std::move(unikernel));
  return {};
}

void Resources::removeUnikernel(const Name& name) {
  const Unikernel* unikernel = unikernels_.find(name);
  if (unikernel == nullptr) return;
  for (const auto& used : unikernel->configuration.arguments.blocks) {
    if (auto* block = blocks_.find({name.path, hostDevice(used)})) block->active = false;
  }
  unikernels_.erase(name);
}

Verdict Resources::checkAgainstUse(const Path& path, const Policy& policy) const {
  std::set<std::string> bridges;
  std::set<std::int64_t> cpuIDs;
  for (const auto& unikernel : unikernels_.below(path)) {
    const Arguments& arguments = unikernel.value->configuration.arguments;
    bridges.merge(bridgesOf(arguments));
    cpuIDs.insert(arguments.cpuIDs.begin(), arguments.cpuIDs.end());
  }
  if (const auto missing = missingFrom(policy.cpuIDs, cpuIDs); !missing.empty()) {
    return refuse(fmt::format("policy does not allow CPUids {}", fmt::join(missing, ", ")));
  }
  if (!std::ranges::includes(policy.bridges, bridges)) {
    return refuse(fmt::format("policy allows bridges {}, which is not a superset of {}",
                              fmt::join(policy.bridges, ", "), fmt::join(bridges, ", ")));
  }
  const Usage used = usage(path);
  if (used.unikernels > policy.unikernels) {
    return refuse(
        fmt::format("unikernel would exceed running unikernel limit set by policy to {}, running {}",
                    policy.unikernels, used.unikernels));
  }
  if (used.memory > policy.memory) {
    return refuse(
        fmt::format("unikernel would exceed running memory limit set by policy to {} MB, used {} MB",
                    policy.memory, used.memory));
  }
  if (used.block > policy.block.value_or(0)) {
    return refuse(
        fmt::format("unikernel would exceed running block storage limit set by policy to {} MB, used {} MB",
                    policy.block.value_or(0), used.block));
  }
  return {};
}

Verdict Resources::addPolicy(const Path& path, const Policy& policy) {
  for (Path above = path; above.size() > 1;) {
    above.pop_back();
    const Policy* super = findPolicy(above);
    if (super == nullptr) continue;
    if (auto verdict = isSmaller(*super, policy); !verdict) return verdict;
  }
  for (const auto& sub : policies_.below(path) | std::views::reverse) {
    if (sub.relative == Name{}) continue;
    if (auto verdict = isSmaller(policy, *sub.value); !verdict) return verdict;
  }
  if (auto verdict = checkAgainstUse(path, policy); !verdict) return verdict;
  policies_.insertOrReplace({path, std::nullopt}, policy);
  return {};
}

Verdict Resources::addBlock(const Name& name, std::int64_t size) {
  if (blocks_.find(name) != nullptr) return refuse("block device with same name already exists");
  if (const Policy* policy = findPolicy(name.path)) {
    if (!policy->block) return refuse("no block devices are allowed by policy");
    const std::int64_t used = usage(name.path).block;
    if (size > difference(*policy->block, used)) {
      return refuse(fmt::format(
          "block device policy limit of {} MB (used {} MB) would be exceeded by the request ({} MB)",
          *policy->block, used, size));
    }
  }
  const std::int64_t bytes = wrap63(static_cast<std::uint64_t>(size) << 20U);
  if (bytes <= size) return refuse("overflow while computing bytes");
  blocks_.insertOrReplace(name, {size, false});
  return {};
}

Verdict Resources::removeBlock(const Name& name) {
  const auto* block = blocks_.find(name);
  if (block == nullptr) return refuse("remove block: not found");
  if (block->active) return refuse("remove block: is in use");
  blocks_.erase(name);
  contents_.erase(name.toString());
  return {};
}

Verdict Resources::setBlock(const Name& name, std::string bytes) {
  const auto* block = blocks_.find(name);
  if (block == nullptr || block->active) return refuse("writing block data");
  ContentPtr& content = contents_[name.toString()];
  if (content != nullptr && content->bytes.size() > bytes.size())
    bytes.append(content->bytes, bytes.size(), std::string::npos);
  content = std::make_shared<const Content>(std::move(bytes));
  return {};
}

ContentPtr Resources::content(const Name& name) const {
  const auto found = contents_.find(name.toString());
  return found == contents_.end() ? nullptr : found->second;
}

}  // namespace rookery::emulator
