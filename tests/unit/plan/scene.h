#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plan/desired.h"
#include "plan/plan.h"

namespace rookery::plan {

inline api::ObjectPtr makeObject(const std::string& nameSpace, const std::string& name,
                                 decltype(api::Object::spec) spec) {
  auto object = std::make_shared<api::Object>();
  object->metadata = {.name = name, .nameSpace = nameSpace, .labels = {}, .annotations = {}};
  object->origin = {
      .root = "/manifests", .file = "/manifests/" + nameSpace + ".yaml", .line = 1, .column = 1};
  object->specDigest = "spec-1";
  object->run = {.current = "run-1", .former = {"former-1", "former-2"}};
  object->spec = std::move(spec);
  return object;
}

/// "shop/web" as the key of a Unikernel.
inline api::ObjectKey keyOf(const std::string& path) {
  const std::size_t slash = path.find('/');
  return {api::Kind::Unikernel, path.substr(0, slash), path.substr(slash + 1)};
}

/// A raw digest that stands for an image.
inline std::string digestOf(char image) { return std::string(32, image); }

inline image::Image makeImage(char digest) {
  image::Image image;
  image.path = std::string("/manifests/") + digest + ".hvt";
  image.size = 4096;
  image.digest = digestOf(digest);
  return image;
}

/// What a server says of a unikernel that was started with `arguments`.
inline albatross::UnikernelInfo infoOf(const albatross::Arguments& arguments, const std::string& digest,
                                       const albatross::Name& name, std::int64_t started) {
  albatross::UnikernelInfo info;
  info.startup = arguments.startup;
  info.failBehaviour = arguments.failBehaviour;
  info.cpuIDs = arguments.cpuIDs;
  info.memory = arguments.memory;
  info.digest = digest;
  info.arguments = arguments.arguments;
  info.started = albatross::Time(std::chrono::milliseconds(started));
  for (const auto& block : arguments.blocks) {
    info.blocks.push_back({block.name, block.device.value_or(block.name), block.sectorSize.value_or(512), 0});
  }
  for (const auto& bridge : arguments.bridges) {
    const auto mac = bridge.mac.value_or(albatross::derivedMac(bridge.netif, name));
    info.bridges.push_back({bridge.netif, bridge.bridge.value_or(bridge.netif), mac});
  }
  return info;
}

inline albatross::Policy makePolicy(std::int64_t unikernels, std::int64_t memory) {
  return {{0, 1}, unikernels, memory, std::nullopt, {"br0"}};
}

inline albatross::Reply created() { return {"key", {}, albatross::success::Text{"created unikernel"}}; }
inline albatross::CallResult refused(const std::string& message) {
  return std::unexpected(albatross::CallError{{Reason::Refused, message}, false});
}
inline albatross::CallResult lost() {
  return std::unexpected(
      albatross::CallError{{Reason::DeadlineExceeded, "The server did not answer."}, true});
}

/// One instance, eu-1, as decide() sees it. Namespace sys is the root namespace; shop and db have policies.
struct Scene {
  Desired desired;
  Observed observed;
  Memory memory;
  Authority authority;
  SystemTime now{std::chrono::hours(24 * 365 * 55)};
  std::int64_t lastStarted = 1'000;

  Scene() {
    api::AlbatrossInstance instance;
    instance.endpoint = "127.0.0.1:1025";
    instance.rootNamespace = "sys";
    setInstance(instance);
    observed.serverKey = "key";
    observed.policies[{}] = {{0, 1, 2, 3}, 1'000'000, 4'096, 65'536, {"br0", "br1"}};
    observed.policies[domain("shop")] = makePolicy(10, 1'024);
    observed.policies[domain("db")] = makePolicy(10, 1'024);
  }

  void setInstance(const api::AlbatrossInstance& spec) { desired.instance = makeObject("", "eu-1", spec); }

  static albatross::Name domain(const std::string& nameSpace) { return {{nameSpace}, std::nullopt}; }
  static albatross::Name nameOf(const api::ObjectKey& key) {
    if (key.nameSpace == "sys") return {{}, key.name};
    return {{key.nameSpace}, key.name};
  }
  static albatross::Name name(const std::string& path) { return nameOf(keyOf(path)); }

  /// Declares a unikernel with image 'a' and 32 Mi, or changes its declaration.
  void declare(const std::string& path,
               const std::function<void(api::Unikernel&, DesiredUnikernel&)>& edit = {}) {
    const api::ObjectKey key = keyOf(path);
    const auto found = desired.unikernels.find(key);
    DesiredUnikernel unikernel = found == desired.unikernels.end()
                                     ? DesiredUnikernel{nullptr, {}, {}, makeImage('a'), {}, {}, {}}
                                     : found->second;
    api::Unikernel spec = unikernel.object ? unikernel.object->as<api::Unikernel>() : api::Unikernel{};
    if (edit) edit(spec, unikernel);
    unikernel.object = makeObject(key.nameSpace, key.name, spec);
    desired.unikernels.set(key, std::move(unikernel));
    desired.absences.erase(key);
  }

  /// Changes what is desired of one, whatever its manifest says.
  void change(const std::string& path, const std::function<void(DesiredUnikernel&)>& edit) {
    DesiredUnikernel unikernel = desired.unikernels.at(keyOf(path));
    edit(unikernel);
    desired.unikernels.set(keyOf(path), std::move(unikernel));
  }

  void declarePolicy(const std::string& nameSpace, const albatross::Policy& policy) {
    desired.policies.insert_or_assign(
        nameSpace, DesiredPolicy{makeObject(nameSpace, "limits", api::UnikernelPolicy{}), {}, policy});
  }

  static api::ObjectKey volumeKey(const std::string& path) {
    const api::ObjectKey key = keyOf(path);
    return {api::Kind::UnikernelVolume, key.nameSpace, key.name};
  }

  /// The server is asked for block devices, of which shop may have 100 Mi.
  void knowDevices() {
    if (observed.blockDevices) return;
    observed.blockDevices.emplace();
    observed.policies[domain("shop")].block = 100;
  }

  /// Declares a volume of 4 Mi, filled with content 'c' unless that is 0; or changes its declaration.
  DesiredVolume& declareVolume(const std::string& path, char content = 'c',
                               const std::function<void(api::UnikernelVolume&)>& edit = {}) {
    knowDevices();
    const api::ObjectKey key = volumeKey(path);
    api::UnikernelVolume spec;
    spec.size = 4;
    DesiredVolume volume;
    if (content != 0) {
      spec.source = api::Unikernel::Image{.path = std::string("/manifests/") + content + ".img"};
      volume.content = makeImage(content);
    }
    if (edit) edit(spec);
    volume.object = makeObject(key.nameSpace, key.name, spec);
    desired.absences.erase(key);
    return desired.volumes.insert_or_assign(key, std::move(volume)).first->second;
  }

  /// It has that volume as its device "disk".
  void attach(const std::string& unikernel, const std::string& volume) {
    declare(unikernel, [&](api::Unikernel& spec, DesiredUnikernel& wanted) {
      spec.blockDevices = {{.name = "disk", .volumeName = volume, .sectorSize = {}}};
      wanted.arguments.blocks = {{"disk", volume, std::nullopt}};
    });
  }

  /// Somebody has made that block device.
  void putDevice(const std::string& path, std::int64_t size = 4, bool active = false) {
    knowDevices();
    (*observed.blockDevices)[name(path)] = {size, active};
  }

  /// It is ours, with that content on it; 0: none that is known.
  Entry& putOurs(const std::string& path, char content = 'c') {
    putDevice(path);
    Entry& entry = memory.volumes[name(path)];
    entry.serverKey = "key";
    entry.name = name(path);
    entry.instance = "eu-1";
    entry.object = volumeKey(path);
    entry.size = 4;
    entry.confirmed = true;
    if (content != 0) entry.digests = {digestOf(content)};
    return entry;
  }

  /// Takes the declaration away, and what then becomes of it.
  void undeclare(const std::string& path, Absence::Verdict verdict = Absence::Verdict::Destroy,
                 Reason reason = Reason::ManifestRemoved) {
    desired.unikernels.erase(keyOf(path));
    desired.absences[keyOf(path)] = {verdict, reason, path + " is not declared any more."};
  }

  /// Something runs there, whoever started it.
  albatross::UnikernelInfo& run(const std::string& path, const albatross::Arguments& arguments = {},
                                char digest = 'a') {
    auto& info = observed.unikernels[name(path)];
    info = infoOf(arguments, digestOf(digest), name(path), ++lastStarted);
    return info;
  }

  /// It runs as declared and is ours, as after a create that went well.
  albatross::UnikernelInfo& runOurs(const std::string& path, const albatross::Arguments& arguments = {},
                                    char digest = 'a') {
    Entry& entry = memory.inventory[name(path)];
    entry.serverKey = "key";
    entry.name = name(path);
    entry.instance = "eu-1";
    entry.object = keyOf(path);
    entry.digests = {digestOf(digest)};
    entry.confirmed = true;
    return run(path, arguments, digest);
  }

  /// One call of decide(); its memory is kept.
  Plan next() {
    Plan made = decide(desired, observed, memory, authority, now);
    memory = made.memory;
    return made;
  }

  const api::Condition& ready(const Plan& plan, const std::string& path) const {
    return *plan.objects.at(keyOf(path)).status.condition(api::Condition::Type::Ready);
  }

  void beginStep(const Step& step) {
    memory = sending(std::move(memory), step, desired, observed, now);
    if (step.image && !step.isAboutVolume()) memory = committing(std::move(memory), step);
  }
  void endStep(const Step& step, const albatross::CallResult& result) {
    memory = answered(std::move(memory), step, desired, result, 0, now, now);
  }
  /// What the server does with it when all goes well.
  void carryOut(const Step& step) {
    if (step.verb == Verb::ApplyPolicy) observed.policies[step.name] = step.domains.back().policy;
    if (step.verb == Verb::Destroy) observed.unikernels.erase(step.name);
    if (step.verb == Verb::Restart) {
      observed.unikernels[step.name] =
          infoOf(step.wanted->arguments, observed.unikernels.at(step.name).digest, step.name, ++lastStarted);
    }
    if (step.verb == Verb::CreateVolume) (*observed.blockDevices)[step.name] = {step.volume->size, false};
    if (step.verb == Verb::DestroyVolume) observed.blockDevices->erase(step.name);
    if (step.image && !step.isAboutVolume())
      observed.unikernels[step.name] =
          infoOf(step.wanted->arguments, step.wanted->digest, step.name, ++lastStarted);
  }
  /// Takes a step as the loop does, with success.
  void take(const Step& step) {
    beginStep(step);
    carryOut(step);
    endStep(step, created());
  }
};

}  // namespace rookery::plan
