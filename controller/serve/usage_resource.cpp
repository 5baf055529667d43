#include "serve/usage_resource.h"

#include <fmt/format.h>

#include <utility>

#include "api/status.h"
#include "http/target.h"

namespace rookery::serve {

using nlohmann::json;
using reconcile::ObjectStore;
using reconcile::UsageStore;

namespace {

ResourceType usageType() {
  const std::string version(api::groupVersion);
  const std::size_t slash = version.find('/');
  return {.group = version.substr(0, slash),
          .version = version.substr(slash + 1),
          .plural = "unikernelusages",
          .singular = "unikernelusage",
          .kind = "UnikernelUsage",
          .shortNames = {"ukusage"},
          .verbs = {"get", "list"},
          .fieldLabels = {"metadata.name", "metadata.namespace"},
          .columns = &usageColumns()};
}

json toJson(const reconcile::InterfaceUsage& interface) {
  return {{"name", interface.name},
          {"receivedBytes", interface.receivedBytes},
          {"receivedPackets", interface.receivedPackets},
          {"receiveErrors", interface.receiveErrors},
          {"receiveDrops", interface.receiveDrops},
          {"sentBytes", interface.sentBytes},
          {"sentPackets", interface.sentPackets},
          {"sendErrors", interface.sendErrors},
          {"sendDrops", interface.sendDrops}};
}

class UsageResource final : public Resource {
 public:
  UsageResource(const UsageStore& usages, const ObjectStore& objects)
      : Resource(usageType()), usages_(usages), objects_(objects) {}

  Listing list(const std::optional<std::string>& nameSpace) const override {
    Listing listing{.items = {}, .resourceVersion = objects_.resourceVersion()};
    for (auto& [key, known] : usages_.all()) {
      if (!nameSpace || key.first.nameSpace == *nameSpace)
        listing.items.push_back(itemOf(key.first, std::move(known)));
    }
    return listing;
  }

  std::optional<Item> find(const std::string& nameSpace, const std::string& name) const override {
    const api::ObjectKey key{api::Kind::Unikernel, nameSpace, name};
    auto known = usages_.find(key);
    return known ? std::optional(itemOf(key, *std::move(known))) : std::nullopt;
  }

  std::optional<Changes> after(std::uint64_t since,
                               std::chrono::steady_clock::time_point /*deadline*/) const override {
    return Changes{.changes = {}, .resourceVersion = since};  // nobody can watch them
  }

 private:
  struct Shown {
    api::ObjectKey key;
    UsageStore::Known known;
    reconcile::ObjectViewPtr view;  // null: the object has gone
  };

  Item itemOf(const api::ObjectKey& key, UsageStore::Known known) const {
    const auto shown = std::make_shared<const Shown>(key, std::move(known), objects_.find(key));
    const auto* labels = shown->view == nullptr ? nullptr : &shown->view->object->metadata.labels;
    return {shown, shown->key.nameSpace, shown->key.name, labels, 0, [shown] {
              return serve::toJson(shown->key, shown->known);
            }};
  }

  const UsageStore& usages_;
  const ObjectStore& objects_;
};

}  // namespace

std::unique_ptr<Resource> usageResource(const UsageStore& usages, const ObjectStore& objects) {
  return std::make_unique<UsageResource>(usages, objects);
}

json toJson(const api::ObjectKey& unikernel, const UsageStore::Known& known) {
  const reconcile::Usage& usage = known.usage;
  json used = {{"memory", std::to_string(usage.residentBytes)}};
  if (const auto millicpu = usage.millicpu()) used["cpu"] = fmt::format("{}m", *millicpu);
  json shaped = {
      {"apiVersion", api::groupVersion},
      {"kind", "UnikernelUsage"},
      {"metadata", {{"name", unikernel.name}, {"namespace", unikernel.nameSpace}}},
      {"timestamp", api::toRfc3339(usage.time)},
      {"instance", known.instance},
      {"usage", std::move(used)},
      {"memoryLimit", std::to_string(usage.limitBytes)},
      {"cpuSeconds",
       {{"user", reconcile::toSeconds(usage.userTime)}, {"system", reconcile::toSeconds(usage.systemTime)}}},
      {"pageFaults", {{"minor", usage.minorFaults}, {"major", usage.majorFaults}}},
      {"networkInterfaces", json::array()}};
  if (usage.window) shaped["window"] = fmt::format("{:.1f}s", reconcile::toSeconds(*usage.window));
  for (const reconcile::InterfaceUsage& interface : usage.interfaces)
    shaped["networkInterfaces"].push_back(toJson(interface));
  return shaped;
}

}  // namespace rookery::serve
