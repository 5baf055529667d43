#include "plan/compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "image/digest.h"
#include "image/image.h"

namespace rookery::plan {

using albatross::Arguments;
using albatross::BlockInfo;
using albatross::BridgeInfo;
using albatross::UnikernelInfo;
using nlohmann::json;

namespace {

constexpr std::int64_t defaultSectorSize = 512;

json mi(std::int64_t megabytes) {
  constexpr std::int64_t gigabyte = 1024;
  if (megabytes != 0 && megabytes % gigabyte == 0) return fmt::format("{}Gi", megabytes / gigabyte);
  return fmt::format("{}Mi", megabytes);
}

json orNull(const auto& optional) { return optional ? json(*optional) : json(nullptr); }

/// Without restart, nobody asks for exit codes.
albatross::FailBehaviour normal(const albatross::FailBehaviour& behaviour) {
  return behaviour.restart ? behaviour : albatross::FailBehaviour{};
}

json shown(const albatross::FailBehaviour& behaviour) {
  json value = {{"restart", behaviour.restart}};
  if (!behaviour.exitCodes.empty()) value["exitCodes"] = behaviour.exitCodes;
  return value;
}

/// Devices in the order of the names that the unikernel knows, each as it looks on the host. Sizes are not
/// for the manifest to say.
std::vector<BlockInfo> devices(const std::vector<albatross::Block>& blocks) {
  std::vector<BlockInfo> found;
  found.reserve(blocks.size());
  for (const auto& block : blocks) {
    found.push_back(
        {block.name, block.device.value_or(block.name), block.sectorSize.value_or(defaultSectorSize), 0});
  }
  std::ranges::sort(found, {}, &BlockInfo::unikernelDevice);
  return found;
}

std::vector<BlockInfo> devices(std::vector<BlockInfo> blocks) {
  for (auto& block : blocks) block.size = 0;
  std::ranges::sort(blocks, {}, &BlockInfo::unikernelDevice);
  return blocks;
}

std::vector<BridgeInfo> interfaces(const std::vector<albatross::Bridge>& bridges,
                                   const albatross::Name& name) {
  std::vector<BridgeInfo> found;
  for (const auto& bridge : bridges) {
    const albatross::Mac mac = bridge.mac ? *bridge.mac : albatross::derivedMac(bridge.netif, name);
    found.push_back({bridge.netif, bridge.bridge.value_or(bridge.netif), mac});
  }
  std::ranges::sort(found, {}, &BridgeInfo::unikernelDevice);
  return found;
}

std::vector<BridgeInfo> interfaces(std::vector<BridgeInfo> bridges) {
  std::ranges::sort(bridges, {}, &BridgeInfo::unikernelDevice);
  return bridges;
}

json shown(const std::vector<BlockInfo>& blocks) {
  json values = json::array();
  for (const auto& block : blocks) {
    values.push_back({{"name", block.unikernelDevice},
                      {"volumeName", block.hostDevice},
                      {"sectorSize", block.sectorSize}});
  }
  return values;
}

json shown(const std::vector<BridgeInfo>& bridges) {
  json values = json::array();
  for (const auto& bridge : bridges) {
    values.push_back({{"name", bridge.unikernelDevice},
                      {"bridge", bridge.hostDevice},
                      {"mac", albatross::toString(bridge.mac)}});
  }
  return values;
}

json shown(const std::vector<std::string>& arguments, const std::vector<std::string>& written) {
  json values = json::array();
  for (const std::string& argument : arguments) {
    const bool literal = std::find(written.begin(), written.end(), argument) != written.end();
    values.push_back(literal ? argument : std::string(redacted));
  }
  return values;
}

/// What compare() compares, image and memory left out, as text.
std::string spelled(const albatross::Name& name, const std::set<std::int64_t>& cpuIDs,
                    const std::optional<std::int64_t>& startup, const albatross::FailBehaviour& behaviour,
                    const std::vector<BlockInfo>& blocks, const std::vector<BridgeInfo>& bridges,
                    const std::optional<std::vector<std::string>>& arguments) {
  const json all = {name.toString(),
                    cpuIDs,
                    orNull(startup),
                    shown(normal(behaviour)),
                    shown(blocks),
                    shown(bridges),
                    arguments ? json(*arguments) : json::array()};
  return all.dump(-1, ' ', true, json::error_handler_t::replace);
}

Fingerprint fingerprintOf(const std::string& text) {
  image::Sha256 hash;
  hash.update(text);
  const std::string digest = hash.finish();
  const auto byte = [&](std::size_t index) {
    return static_cast<unsigned>(static_cast<std::uint8_t>(digest[index]));
  };
  return static_cast<Fingerprint>(byte(0) << 8u | byte(1));
}

/// Before, there was nothing.
std::vector<FieldChange> asNew(Difference difference) {
  for (FieldChange& field : difference.fields) field.oldValue = nullptr;
  return std::move(difference.fields);
}

class Collector {
 public:
  /// Notes a difference of `kind` when the two are not the same, as `show` writes them.
  template <class T, class Show>
  void compare(bool Difference::* kind, std::string_view path, const T& present, const T& wanted, Show show) {
    if (present == wanted) return;
    difference_.*kind = true;
    difference_.fields.push_back({std::string(path), show(present), show(wanted)});
  }
  Difference take() { return std::move(difference_); }

 private:
  Difference difference_;
};

}  // namespace

Difference compare(const Arguments& wanted, const std::string& digest, const UnikernelInfo& running,
                   const albatross::Name& name, const std::vector<std::string>& written) {
  constexpr auto kind = &Difference::arguments;
  const auto asItIs = [](const auto& value) { return json(value); };
  const auto show = [](const auto& value) { return shown(value); };
  Collector found;
  if (!digest.empty()) {
    found.compare(&Difference::image, "spec.image.sha256", running.digest, digest,
                  [](const std::string& raw) { return json(image::toHex(raw)); });
  }
  found.compare(&Difference::memory, "spec.memory", running.memory, wanted.memory, mi);
  found.compare(kind, "spec.cpuIDs", running.cpuIDs, wanted.cpuIDs, asItIs);
  found.compare(kind, "spec.startup", running.startup, wanted.startup,
                [](const auto& value) { return orNull(value); });
  found.compare(kind, "spec.failBehaviour", normal(running.failBehaviour), normal(wanted.failBehaviour),
                show);
  found.compare(kind, "spec.blockDevices", devices(running.blocks), devices(wanted.blocks), show);
  found.compare(kind, "spec.networkInterfaces", interfaces(running.bridges), interfaces(wanted.bridges, name),
                show);
  const std::vector<std::string> none;
  found.compare(kind, "spec.arguments", running.arguments ? *running.arguments : none,
                wanted.arguments ? *wanted.arguments : none,
                [&](const std::vector<std::string>& arguments) { return shown(arguments, written); });
  return found.take();
}

Difference compare(const albatross::Policy& wanted, const albatross::Policy& present) {
  constexpr auto kind = &Difference::arguments;
  const auto asItIs = [](const auto& value) { return json(value); };
  Collector found;
  found.compare(kind, "spec.unikernels", present.unikernels, wanted.unikernels, asItIs);
  found.compare(kind, "spec.memory", present.memory, wanted.memory, mi);
  found.compare(kind, "spec.cpuIDs", present.cpuIDs, wanted.cpuIDs, asItIs);
  found.compare(kind, "spec.blockStorage", present.block, wanted.block,
                [](const auto& block) { return block ? mi(*block) : json(nullptr); });
  found.compare(kind, "spec.bridges", present.bridges, wanted.bridges, asItIs);
  return found.take();
}

std::vector<FieldChange> fieldsOf(const Arguments& wanted, const std::string& digest,
                                  const albatross::Name& name, const std::vector<std::string>& written) {
  return asNew(compare(wanted, digest, UnikernelInfo{}, name, written));
}

std::vector<FieldChange> fieldsOf(const albatross::Policy& wanted) {
  return asNew(compare(wanted, albatross::Policy{}));
}

Fingerprint fingerprintOf(const Arguments& sent, const albatross::Name& name) {
  return fingerprintOf(spelled(name, sent.cpuIDs, sent.startup, sent.failBehaviour, devices(sent.blocks),
                               interfaces(sent.bridges, name), sent.arguments));
}

Fingerprint fingerprintOf(const UnikernelInfo& running, const albatross::Name& name) {
  return fingerprintOf(spelled(name, running.cpuIDs, running.startup, running.failBehaviour,
                               devices(running.blocks), interfaces(running.bridges), running.arguments));
}

}  // namespace rookery::plan
