#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "albatross/wire.h"
#include "emulator/guest_image.h"
#include "emulator/tree.h"

namespace rookery::emulator {

/// Nothing, or the server's refusal in its own words.
using Verdict = std::expected<void, albatross::Failure>;

/// What it takes to run a unikernel.
struct Configuration {
  albatross::UnikernelType type = albatross::UnikernelType::Solo5;
  albatross::Arguments arguments;
  std::shared_ptr<GuestImage> image;
};

/// One that runs.
struct Unikernel {
  Configuration configuration;
  std::string digest;  // the virtual machine's name, for bhyve
  albatross::Time started;
  std::optional<albatross::Time> ends;  // when its process ends; absent: not before it is told to
  std::optional<int> exitCode;          // absent: by a signal
  struct Ticking {
    std::chrono::milliseconds every;
    albatross::Time next;
    std::int64_t count = 0;
  };
  std::optional<Ticking> ticking = {};  // it prints a line now and then
};

/// What was written to a block device, from its beginning: the rest of it is zeros. Shared by who copies
/// resources.
class Content {
 public:
  explicit Content(std::string written) : bytes(std::move(written)) {}

  /// SHA-256, raw. Not thread-safe.
  const std::string& digest() const {
    if (digest_.empty()) digest_ = sha256(bytes);
    return digest_;
  }

  const std::string bytes;

 private:
  mutable std::string digest_;  // of what is large, and few ask for
};
using ContentPtr = std::shared_ptr<const Content>;

/// Who may use what and who does: policies, block devices and unikernels, and the server's rules about them.
/// Not thread-safe.
class Resources {
 public:
  /// Policy of the immediate domain first, then block devices, then the name.
  Verdict checkUnikernel(const albatross::Name& name, const albatross::Arguments& arguments) const;

  /// Refused when a block device is named twice: the second use finds it taken.
  Verdict insertUnikernel(const albatross::Name& name, Unikernel unikernel);
  void removeUnikernel(const albatross::Name& name);
  Unikernel* findUnikernel(const albatross::Name& name) { return unikernels_.find(name); }

  /// Compares it with the policies above (not with the root's), with those below and with what is in use
  /// below.
  Verdict addPolicy(const Path& path, const albatross::Policy& policy);
  const albatross::Policy* findPolicy(const Path& path) const { return policies_.find({path, std::nullopt}); }

  Verdict addBlock(const albatross::Name& name, std::int64_t size);
  Verdict removeBlock(const albatross::Name& name);
  /// Overwrites its beginning. Refused where it is missing or in use.
  Verdict setBlock(const albatross::Name& name, std::string bytes);
  /// Null: nothing was ever written to it.
  ContentPtr content(const albatross::Name& name) const;

  const Tree<albatross::Policy>& policies() const { return policies_; }
  const Tree<albatross::BlockDevice>& blocks() const { return blocks_; }
  const Tree<Unikernel>& unikernels() const { return unikernels_; }

 private:
  struct Usage {
    std::int64_t unikernels = 0;
    std::int64_t memory = 0;  // MB
    std::int64_t block = 0;   // MB
  };
  Usage usage(const Path& path) const;
  Verdict checkPolicy(const Path& path, const albatross::Arguments& arguments) const;
  Verdict checkBlocks(const albatross::Name& name, const albatross::Arguments& arguments) const;
  Verdict checkAgainstUse(const Path& path, const albatross::Policy& policy) const;

  Tree<albatross::Policy> policies_;
  Tree<albatross::BlockDevice> blocks_;
  std::map<std::string, ContentPtr> contents_;  // of block devices, by name on the wire
  Tree<Unikernel> unikernels_;
};

/// The bytes that fit on it.
std::size_t sizeInBytes(const albatross::BlockDevice& device);

/// The block device or bridge on the host's side.
std::string hostDevice(const albatross::Block& block);
std::string hostDevice(const albatross::Bridge& bridge);

std::unexpected<albatross::Failure> refuse(std::string message);

}  // namespace rookery::emulator
