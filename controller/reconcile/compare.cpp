#include "reconcile/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "image/image.h"

namespace rookery::reconcile {

using albatross::Arguments;
using albatross::UnikernelInfo;
using nlohmann::json;

namespace {

constexpr std::int64_t defaultSectorSize = 512;

json mi(std::int64_t megabytes) { return fmt::format("{}Mi", megabytes); }

json orNull(const auto& optional) { return optional ? json(*optional) : json(nullptr); }

json failBehaviour(const albatross::FailBehaviour& behaviour) {
  json value = {{"restart", behaviour.restart}};
  if (behaviour.restart && !behaviour.exitCodes.empty()) value["exitCodes"] = behaviour.exitCodes;  // without, nobody asks for them
  return value;
}

/// Devices by the name that the unikernel knows, each as it looks on the host.
std::map<std::string, json> devices(const std::vector<albatross::Block>& blocks) {
  std::map<std::string, json> found;
  for (const auto& block : blocks) {
    found[block.name] = {{"name", block.name},
                         {"volumeName", block.device.value_or(block.name)},
                         {"sectorSize", block.sectorSize.value_or(defaultSectorSize)}};
  }
  return found;
}

std::map<std::string, json> devices(const std::vector<albatross::BlockInfo>& blocks) {
  std::map<std::string, json> found;
  for (const auto& block : blocks) {
    found[block.unikernelDevice] = {
        {"name", block.unikernelDevice}, {"volumeName", block.hostDevice}, {"sectorSize", block.sectorSize}};
  }
  return found;
}

std::map<std::string, json> interfaces(const std::vector<albatross::Bridge>& bridges, const albatross::Name& name) {
  std::map<std::string, json> found;
  for (const auto& bridge : bridges) {
    const albatross::Mac mac = bridge.mac.value_or(albatross::derivedMac(bridge.netif, name));
    found[bridge.netif] = {
        {"name", bridge.netif}, {"bridge", bridge.bridge.value_or(bridge.netif)}, {"mac", albatross::toString(mac)}};
  }
  return found;
}

std::map<std::string, json> interfaces(const std::vector<albatross::BridgeInfo>& bridges) {
  std::map<std::string, json> found;
  for (const auto& bridge : bridges) {
    found[bridge.unikernelDevice] = {{"name", bridge.unikernelDevice},
                                     {"bridge", bridge.hostDevice},
                                     {"mac", albatross::toString(bridge.mac)}};
  }
  return found;
}

json valuesOf(const std::map<std::string, json>& byName) {
  json values = json::array();
  for (const auto& [name, value] : byName) values.push_back(value);
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

class Collector {
 public:
  void note(bool Difference::*kind, std::string path, json oldValue, json newValue) {
    difference_.*kind = true;
    difference_.fields.push_back({std::move(path), std::move(oldValue), std::move(newValue)});
  }
  /// Notes a difference of `kind` when the two are not the same.
  void compare(bool Difference::*kind, std::string path, const json& oldValue, const json& newValue) {
    if (oldValue != newValue) note(kind, std::move(path), oldValue, newValue);
  }
  Difference take() { return std::move(difference_); }

 private:
  Difference difference_;
};

}  // namespace

Difference compare(const Arguments& wanted, const std::string& digest, const UnikernelInfo& running,
                   const albatross::Name& name, const std::vector<std::string>& written) {
  Collector found;
  if (!digest.empty()) {
    found.compare(&Difference::image, "spec.image.sha256", image::toHex(running.digest), image::toHex(digest));
  }
  found.compare(&Difference::memory, "spec.memory", mi(running.memory), mi(wanted.memory));
  found.compare(&Difference::arguments, "spec.cpuIDs", running.cpuIDs, wanted.cpuIDs);
  found.compare(&Difference::arguments, "spec.startup", orNull(running.startup), orNull(wanted.startup));
  found.compare(&Difference::arguments, "spec.failBehaviour", failBehaviour(running.failBehaviour),
                failBehaviour(wanted.failBehaviour));
  found.compare(&Difference::arguments, "spec.blockDevices", valuesOf(devices(running.blocks)),
                valuesOf(devices(wanted.blocks)));
  found.compare(&Difference::arguments, "spec.networkInterfaces", valuesOf(interfaces(running.bridges)),
                valuesOf(interfaces(wanted.bridges, name)));
  const std::vector<std::string> none;
  const auto& now = running.arguments ? *running.arguments : none;
  const auto& then = wanted.arguments ? *wanted.arguments : none;
  if (now != then) {
    found.note(&Difference::arguments, "spec.arguments", shown(now, written), shown(then, written));
  }
  return found.take();
}

Difference compare(const albatross::Policy& wanted, const albatross::Policy& present) {
  const auto block = [](const albatross::Policy& policy) { return policy.block ? mi(*policy.block) : json(nullptr); };
  Collector found;
  found.compare(&Difference::arguments, "spec.unikernels", present.unikernels, wanted.unikernels);
  found.compare(&Difference::arguments, "spec.memory", mi(present.memory), mi(wanted.memory));
  found.compare(&Difference::arguments, "spec.cpuIDs", present.cpuIDs, wanted.cpuIDs);
  found.compare(&Difference::arguments, "spec.blockStorage", block(present), block(wanted));
  found.compare(&Difference::arguments, "spec.bridges", present.bridges, wanted.bridges);
  return found.take();
}

}  // namespace rookery::reconcile
