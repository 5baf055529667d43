#include "cli/exported_manifests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "api/expand.h"
#include "api/manifest.h"
#include "api/syntax.h"
#include "cli/secret_arguments.h"
#include "image/digest.h"
#include "image/image.h"
#include "plan/compare.h"
#include "sentence.h"
#include "yaml/writer.h"

namespace rookery::cli {

using albatross::UnikernelInfo;
using api::ObjectKey;
using nlohmann::json;

namespace {

constexpr std::int64_t defaultSectorSize = 512;

constexpr std::array<std::string_view, 12> exportOrder = {
    "apiVersion", "kind",   "metadata",          "name",         "namespace", "spec", "instance",
    "image",      "memory", "networkInterfaces", "blockDevices", "arguments"};

json document(std::string_view version, const ObjectKey& key) {
  return {{"apiVersion", version},
          {"kind", api::toString(key.kind)},
          {"metadata", {{"name", key.name}, {"namespace", key.nameSpace}}}};
}

std::string quantity(std::int64_t mebibytes) { return fmt::format("{}Mi", mebibytes); }

json interfacesOf(const UnikernelInfo& running, const albatross::Name& name) {
  json interfaces = json::array();
  for (const albatross::BridgeInfo& bridge : running.bridges) {
    json interface = {{"name", bridge.unikernelDevice}};
    if (bridge.hostDevice != bridge.unikernelDevice) interface["bridge"] = bridge.hostDevice;
    if (bridge.mac != albatross::derivedMac(bridge.unikernelDevice, name))
      interface["mac"] = albatross::toString(bridge.mac);
    interfaces.push_back(std::move(interface));
  }
  return interfaces;
}

json devicesOf(const UnikernelInfo& running) {
  json devices = json::array();
  for (const albatross::BlockInfo& block : running.blocks) {
    json device = {{"name", block.unikernelDevice}};
    if (block.hostDevice != block.unikernelDevice) device["volumeName"] = block.hostDevice;
    if (block.sectorSize != defaultSectorSize) device["sectorSize"] = block.sectorSize;
    devices.push_back(std::move(device));
  }
  return devices;
}

/// So that expanding it gives it back.
std::string escaped(std::string_view argument) {
  std::string text;
  text.reserve(argument.size());
  for (std::size_t at = 0; at < argument.size(); ++at) {
    text += argument[at];
    const bool expands = argument[at] == '$' && at + 1 < argument.size() &&
                         (argument[at + 1] == '(' || argument[at + 1] == '$');
    if (expands) text += '$';
  }
  return text;
}

/// A name for $(NAME), made of an argument's: "--db-password" is DB_PASSWORD.
std::string variableOf(const SecretArgument& secret, const json& taken) {
  std::string name;
  for (const char c : secret.name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain || !name.empty())
      name += plain ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : '_';
  }
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0) name.insert(0, "SECRET_");
  std::string free = name;
  for (int next = 2; taken.contains(free); ++next) free = fmt::format("{}_{}", name, next);
  return free;
}

/// Puts the arguments into `spec`, and what is secret in them into `data`, encoded as a Secret has it.
void putArguments(const ExportedUnikernel& unikernel, const std::vector<SecretArgument>& secrets,
                  const std::vector<std::string>& arguments, json& spec, json& data) {
  json written = json::array();
  auto secret = secrets.begin();
  for (std::size_t index = 0; index < arguments.size(); ++index) {
    const std::string& argument = arguments[index];
    if (secret == secrets.end() || secret->index != index) {
      written.push_back(escaped(argument));
      continue;
    }
    const std::string variable = variableOf(*secret, data);
    data[variable] = api::encodeBase64(argument.substr(secret->begin));
    written.push_back(fmt::format("{}$({})", argument.substr(0, secret->begin), variable));
    spec["argumentsFrom"].push_back(
        {{"name", variable},
         {"secretKeyRef", {{"name", argumentsKey(unikernel.key).name}, {"key", variable}}}});
    ++secret;
  }
  spec["arguments"] = std::move(written);
}

json specOf(const std::string& instance, const albatross::Name& name, const UnikernelInfo& running) {
  const api::Unikernel defaults;
  json spec = {{"instance", instance},
               {"image",
                {{"path", fmt::format("../images/{}", imageFile(running.digest))},
                 {"sha256", image::toHex(running.digest)}}}};
  if (running.cpuIDs != defaults.cpuIDs) spec["cpuIDs"] = running.cpuIDs;
  if (running.memory != defaults.memory) spec["memory"] = quantity(running.memory);
  if (!running.bridges.empty()) spec["networkInterfaces"] = interfacesOf(running, name);
  if (!running.blocks.empty()) spec["blockDevices"] = devicesOf(running);
  if (running.startup) spec["startup"] = *running.startup;
  if (!running.failBehaviour.restart) return spec;
  spec["failBehaviour"] = {{"restart", true}};
  if (!running.failBehaviour.exitCodes.empty())
    spec["failBehaviour"]["exitCodes"] = running.failBehaviour.exitCodes;
  return spec;
}

/// The objects of manifests that were just written, by kind. Error: InvalidManifest.
Result<std::map<api::Kind, api::ObjectPtr>> readAgain(const std::string& text, const ObjectKey& key) {
  const api::Manifest manifest = api::parseManifest(text, {.root = "/", .file = "/namespace/export.yaml"});
  if (!manifest.problems.empty()) {
    const api::Problem& problem = manifest.problems.front();
    return fail(Reason::InvalidManifest,
                fmt::format("{}{}{}", problem.field, problem.field.empty() ? "" : ": ", problem.message));
  }
  std::map<api::Kind, api::ObjectPtr> objects;
  for (const api::ObjectPtr& object : manifest.objects) {
    if (object->metadata.nameSpace == key.nameSpace) objects[object->kind()] = object;
  }
  if (objects.contains(key.kind) && objects[key.kind]->key() == key) return objects;
  return fail(Reason::InvalidManifest, "it comes back as another object");
}

std::unexpected<Error> differs(const plan::Difference& difference) {
  std::vector<std::string> fields;
  fields.reserve(difference.fields.size());
  for (const plan::FieldChange& change : difference.fields) fields.push_back(change.path);
  return fail(Reason::InvalidManifest, fmt::format("no manifest can say its {}", fmt::join(fields, ", ")));
}

/// What `unikernel` was started with, as its manifests say. Error: InvalidManifest.
Result<albatross::Arguments> argumentsOf(const ExportedUnikernel& unikernel) {
  std::string text = unikernel.manifest;
  if (unikernel.secret) text += "---\n" + *unikernel.secret;
  const auto objects = readAgain(text, unikernel.key);
  if (!objects) return std::unexpected(objects.error());
  const auto& spec = objects->at(api::Kind::Unikernel)->as<api::Unikernel>();
  auto arguments = plan::toArguments(spec);
  if (!arguments) return arguments;
  std::map<std::string, std::string> values;
  for (const auto& from : spec.argumentsFrom)
    values[from.name] = objects->at(api::Kind::Secret)->as<api::Secret>().data.at(from.secretKeyRef.key);
  arguments->arguments.emplace();
  for (const std::string& argument : spec.arguments)
    arguments->arguments->push_back(api::expand(argument, values));
  return arguments;
}

/// Collects what is exported, and what is not.
class Exporter {
 public:
  Exporter(const plan::Desired& instance, const plan::Observed& observed,
           const std::function<bool(const ObjectKey&)>& wanted)
      : instance_(instance), observed_(observed), wanted_(wanted) {}

  ExportedManifests run() && {
    for (const auto& [domain, policy] : observed_.policies) addPolicy(domain, policy);
    if (observed_.blockDevices) {
      for (const auto& [name, device] : *observed_.blockDevices) addVolume(name, device);
    }
    for (const auto& [name, running] : observed_.unikernels) addUnikernel(name, running);
    return std::move(found_);
  }

 private:
  void leaveOut(std::string_view what, const std::string& name, std::string_view why) {
    found_.leftOut.push_back(fmt::format("{} {}: {}.", what, name, withoutFullStop(why)));
  }

  /// Why what is there can be no object; empty: it can be one.
  std::string whyNone(const albatross::Name& name) const {
    const std::size_t depth = observed_.base.path.size();
    const auto& root = instance_.spec().rootNamespace;
    if (name.path.size() > depth + 1) return "it is in a domain deeper than a namespace";
    if (name.path.size() <= depth && !root)
      return fmt::format(
          "it is in the credential's own domain, and AlbatrossInstance {} names no "
          "rootNamespace for it",
          instance_.name());
    if (name.path.size() > depth && name.path[depth] == root)
      return fmt::format("its domain has the name of the rootNamespace, {}", *root);
    const std::string nameSpace = name.path.size() > depth ? name.path[depth] : *root;
    const auto& allowed = instance_.spec().allowedNamespaces;
    if (allowed && !allowed->contains(nameSpace))
      return fmt::format("AlbatrossInstance {} does not allow namespace {}", instance_.name(), nameSpace);
    return "";
  }

  void addPolicy(const albatross::Name& domain, const albatross::Policy& policy) {
    const std::size_t depth = observed_.base.path.size();
    if (domain.path.size() <= depth) return;  // the credential's own, which is set elsewhere
    const std::string& nameSpace = domain.path[depth];
    const std::string domainName = fmt::format("{}", fmt::join(domain.path, ":"));
    const std::string why = whyNone(domain);
    ObjectKey key = policyKey(instance_.name(), nameSpace);
    if (!why.empty()) key.name.clear();  // there can be no such object
    if (!wanted_(key)) return;
    if (!why.empty()) return leaveOut("The policy of", domainName, why);
    if (instance_.policies.contains(nameSpace)) return;
    auto exported = exportPolicy(instance_.name(), nameSpace, policy);
    if (!exported) return leaveOut("The policy of", domainName, exported.error().message);
    found_.policies.push_back(*std::move(exported));
  }

  void addVolume(const albatross::Name& name, const albatross::BlockDevice& device) {
    ObjectKey key = instance_.objectAt(name, observed_.base);
    key.kind = api::Kind::UnikernelVolume;
    if (!wanted_(key)) return;
    if (const std::string why = whyNone(name); !why.empty())
      return leaveOut("The block device", name.toString(), why);
    auto exported = exportVolume(instance_.name(), key, device);
    if (!exported) return leaveOut("The block device", name.toString(), exported.error().message);
    found_.volumes.push_back(*std::move(exported));
  }

  void addUnikernel(const albatross::Name& name, const UnikernelInfo& running) {
    const ObjectKey key = instance_.objectAt(name, observed_.base);
    if (!wanted_(key)) return;
    if (const std::string why = whyNone(name); !why.empty())
      return leaveOut("Unikernel", name.toString(), why);
    if (name.path != observed_.base.path && !observed_.policies.contains({name.path, std::nullopt})) {
      return leaveOut(
          "Unikernel", name.toString(),
          fmt::format("namespace {} has no policy on the server, without which nothing in it can be "
                      "asked for or deployed; declare a UnikernelPolicy and apply it first",
                      key.nameSpace));
    }
    auto exported = exportUnikernel(instance_.name(), key, name, running);
    if (!exported) return leaveOut("Unikernel", name.toString(), exported.error().message);
    found_.unikernels.push_back(*std::move(exported));
  }

  const plan::Desired& instance_;
  const plan::Observed& observed_;
  const std::function<bool(const ObjectKey&)>& wanted_;
  ExportedManifests found_;
};

}  // namespace

Result<ExportedUnikernel> exportUnikernel(const std::string& instance, const ObjectKey& key,
                                          const albatross::Name& name, const UnikernelInfo& running) {
  if (running.type != albatross::UnikernelType::Solo5)
    return fail(Reason::TypeNotSupported, "it is a bhyve machine, which rookery never touches");
  ExportedUnikernel unikernel{.key = key, .name = name, .digest = running.digest, .manifest = {}};
  json spec = specOf(instance, name, running);
  json data = json::object();
  if (running.arguments && !running.arguments->empty()) {
    const std::vector<SecretArgument> secrets = secretsAmong(*running.arguments);
    unikernel.hidden.reserve(secrets.size());
    for (const SecretArgument& secret : secrets) unikernel.hidden.push_back(secret.name);
    putArguments(unikernel, secrets, *running.arguments, spec, data);
  }
  json manifest = document(api::groupVersion, key);
  manifest["spec"] = std::move(spec);
  unikernel.manifest = yaml::toYaml(manifest, exportOrder);
  if (!data.empty()) {
    json secret = document("v1", argumentsKey(key));
    secret["data"] = std::move(data);
    unikernel.secret = yaml::toYaml(secret, exportOrder);
  }
  const auto arguments = argumentsOf(unikernel);
  if (!arguments) return std::unexpected(arguments.error());
  const plan::Difference difference = plan::compare(*arguments, running.digest, running, name, {});
  if (difference.any()) return differs(difference);
  return unikernel;
}

Result<ExportedPolicy> exportPolicy(const std::string& instance, const std::string& nameSpace,
                                    const albatross::Policy& present) {
  const ObjectKey key = policyKey(instance, nameSpace);
  json manifest = document(api::groupVersion, key);
  json& spec = manifest["spec"] = {{"instance", instance},
                                   {"unikernels", present.unikernels},
                                   {"memory", quantity(present.memory)},
                                   {"cpuIDs", present.cpuIDs}};
  if (present.block) spec["blockStorage"] = quantity(*present.block);
  if (!present.bridges.empty()) spec["bridges"] = present.bridges;
  ExportedPolicy policy{.nameSpace = nameSpace, .manifest = yaml::toYaml(manifest, exportOrder)};
  const auto objects = readAgain(policy.manifest, key);
  if (!objects) return std::unexpected(objects.error());
  const auto wanted = plan::toPolicy(objects->at(key.kind)->as<api::UnikernelPolicy>());
  const plan::Difference difference = plan::compare(wanted, present);
  if (difference.any()) return differs(difference);
  return policy;
}

Result<ExportedVolume> exportVolume(const std::string& instance, const ObjectKey& key,
                                    const albatross::BlockDevice& device) {
  json manifest = document(api::groupVersion, key);
  manifest["spec"] = {{"instance", instance}, {"size", quantity(device.size)}};
  ExportedVolume volume{.key = key, .manifest = yaml::toYaml(manifest, exportOrder)};
  if (const auto objects = readAgain(volume.manifest, key); !objects) return std::unexpected(objects.error());
  return volume;
}

ExportedManifests exportManifests(const plan::Desired& instance, const plan::Observed& observed,
                                  const std::function<bool(const ObjectKey&)>& wanted) {
  return Exporter(instance, observed, wanted).run();
}

ObjectKey policyKey(const std::string& instance, const std::string& nameSpace) {
  return {api::Kind::UnikernelPolicy, nameSpace, instance};
}

ObjectKey argumentsKey(const ObjectKey& unikernel) {
  return {api::Kind::Secret, unikernel.nameSpace, unikernel.name + "-arguments"};
}

std::string imageFile(const std::string& digest) {
  constexpr std::size_t digits = 12;
  return image::toHex(digest).substr(0, digits) + ".hvt";
}

Result<std::string> imageIn(albatross::Reply reply, const std::string& digest, std::uint64_t largest) {
  auto* got = std::get_if<albatross::success::UnikernelImage>(&reply.success);
  if (got == nullptr || got->compressed)
    return fail(Reason::ProtocolError, "the server did not answer with the image as it is");
  if (got->image.size() > largest) {
    return fail(Reason::ImageTooLarge, fmt::format("its image has {} bytes, and --max-image-size allows {}",
                                                   got->image.size(), largest));
  }
  image::Sha256 hash;
  hash.update(got->image);
  const std::string found = hash.finish();
  if (found == digest) return std::move(got->image);
  return fail(Reason::DigestMismatch,
              fmt::format("the image that the server sent has the SHA-256 {}, and what runs has {}",
                          image::toHex(found), image::toHex(digest)));
}

}  // namespace rookery::cli
