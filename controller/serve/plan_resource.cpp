#include "serve/plan_resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "albatross/wire.h"
#include "api/status.h"
#include "serve/table.h"
#include "yaml/writer.h"

namespace rookery::serve {

using nlohmann::json;
using reconcile::InstancePlans;

namespace {

ResourceType planType() {
  const std::string version(api::groupVersion);
  const std::size_t slash = version.find('/');
  return {.group = version.substr(0, slash),
          .version = version.substr(slash + 1),
          .plural = "instanceplans",
          .singular = "instanceplan",
          .kind = "InstancePlan",
          .namespaced = false,
          .shortNames = {"albaplan"},
          .verbs = {"get", "list"},
          .fieldLabels = {"metadata.name"},
          .columns = &planColumns()};
}

json shaped(std::string_view kind, const std::string& name) {
  return {{"apiVersion", api::groupVersion}, {"kind", kind}, {"metadata", {{"name", name}}}};
}

json shaped(const plan::Change& change) {
  json shown = plan::toJson(change);
  shown["message"] = change.message;
  if (change.notBefore) shown["notBefore"] = api::toRfc3339(*change.notBefore);
  if (change.waits) shown["waits"] = true;
  return shown;
}

json shaped(const api::ObjectKey& object) {
  return {{"kind", api::toString(object.kind)}, {"namespace", object.nameSpace}, {"name", object.name}};
}

json shaped(const api::ObjectKey& object, const std::string& message) {
  return {{"object", object.toString()}, {"message", message}};
}

api::ObjectKey keyOfInstance(const std::string& name) { return {api::Kind::AlbatrossInstance, "", name}; }

/// Puts so many of `all` into `list` of `shown` as there may be, and how many more there are beside it.
void bound(json& shown, const std::string& list, json all) {
  const std::size_t count = all.size();
  if (count > PlanReader::mostShown) {
    all.erase(all.begin() + PlanReader::mostShown, all.end());
    shown[list + "LeftOut"] = count - PlanReader::mostShown;
  }
  shown[list] = std::move(all);
}

/// Those of `changes` that `wanted` holds of, as far as there is room.
template <class Wanted>
void addChanges(json& shown, const std::vector<plan::Change>& changes, const Wanted& wanted) {
  json& list = shown["changes"];
  std::size_t bytes = 0, leftOut = 0;
  for (const plan::Change& change : changes) {
    if (!wanted(change)) continue;
    if (list.size() == PlanReader::mostShown || bytes >= PlanReader::mostBytes) {
      ++leftOut;
      continue;
    }
    json one = shaped(change);
    bytes += yaml::dump(one).size();
    if (bytes >= PlanReader::mostBytes) {
      ++leftOut;
      continue;
    }
    list.push_back(std::move(one));
  }
  if (leftOut > 0) shown["changesLeftOut"] = shown.value("changesLeftOut", std::size_t{0}) + leftOut;
}

json withheldBy(const plan::Desired& desired) {
  json withheld = json::array();
  for (const auto& [object, absence] : desired.absences) {
    if (absence.withheld.empty()) continue;
    json one = shaped(object);
    one["set"] = absence.withheld;
    withheld.push_back(std::move(one));
  }
  return withheld;
}

json unprunedBy(const reconcile::InstancePlan& plan, const std::string& instance) {
  json unpruned = json::array();
  for (const plan::Unpruned& left : plan.unpruned) {
    json one = shaped(left.object);
    one["instance"] = instance;
    one["message"] = left.message;
    unpruned.push_back(std::move(one));
  }
  return unpruned;
}

class PlanResource final : public Resource {
 public:
  explicit PlanResource(const PlanReader& reader) : Resource(planType()), reader_(reader) {}

  Listing list(const std::optional<std::string>& /*nameSpace*/) const override {
    Listing listing{.items = {}, .resourceVersion = reader_.objects().resourceVersion()};
    const auto declared = reader_.objects().list(api::Kind::AlbatrossInstance, std::nullopt);
    listing.items.reserve(declared.views.size());
    for (const reconcile::ObjectViewPtr& view : declared.views) listing.items.push_back(itemOf(view));
    return listing;
  }

  std::optional<Item> find(const std::string& /*nameSpace*/, const std::string& name) const override {
    const reconcile::ObjectViewPtr view = reader_.objects().find(keyOfInstance(name));
    return view == nullptr ? std::nullopt : std::optional(itemOf(view));
  }

  std::optional<Changes> after(std::uint64_t since,
                               std::chrono::steady_clock::time_point /*deadline*/) const override {
    return Changes{.changes = {}, .resourceVersion = since};  // nobody can watch them
  }

 private:
  Item itemOf(const reconcile::ObjectViewPtr& view) const {
    const api::Metadata& metadata = view->object->metadata;
    return {view, "", metadata.name, &metadata.labels, 0, [this, view] {
              return reader_.ofInstance(view->object->metadata.name);
            }};
  }

  const PlanReader& reader_;
};

}  // namespace

PlanReader::PlanReader(const InstancePlans& plans, const reconcile::ObjectStore& objects,
                       HolderElsewhere holderElsewhere)
    : plans_(plans), objects_(objects), holderElsewhere_(std::move(holderElsewhere)) {}

Result<void> PlanReader::check(const std::string& instance) const {
  if (plans_.find(instance)) return {};
  const auto holder = holderElsewhere_ ? holderElsewhere_(instance) : std::nullopt;
  const std::string name = keyOfInstance(instance).toString();
  if (holder) {
    return fail(Reason::InstanceUnavailable,
                fmt::format("{} is looked at by the controller {}: ask that one what it is about to do.",
                            name, *holder));
  }
  return fail(Reason::InstanceUnavailable, fmt::format("{} has not been looked at yet.", name));
}

/// What is in the way of an object, as its conditions say; as `plan` tells it.
void PlanReader::addTrouble(json& errors, const api::ObjectKey& key) const {
  const reconcile::ObjectViewPtr view = objects_.find(key);
  if (view == nullptr) return;
  using Type = api::Condition::Type;
  const api::Condition* moving = view->status.condition(Type::Reconciling);
  if (moving != nullptr && moving->reason == Reason::BeingWritten)
    errors.push_back(shaped(key, moving->message));
  const api::Condition* stalled = view->status.condition(Type::Stalled);
  if (stalled == nullptr || stalled->reason == Reason::Suspended ||
      stalled->reason == Reason::InstanceSuspended || stalled->reason == Reason::Observed)
    return;
  errors.push_back(shaped(key, stalled->message));
}

json PlanReader::errorsIn(const std::string& instance, const InstancePlans::Known& known) const {
  json errors = json::array();
  const api::ObjectKey self = keyOfInstance(instance);
  if (known.failure) errors.push_back(shaped(self, known.failure->message));
  if (known.plan == nullptr) return errors;
  for (const Error& error : known.plan->errors) errors.push_back(shaped(self, error.message));
  const plan::Desired& desired = *known.plan->desired;
  for (const auto& [key, unikernel] : desired.unikernels) addTrouble(errors, key);
  for (const auto& [nameSpace, policy] : desired.policies) addTrouble(errors, policy.object->key());
  for (const auto& [key, volume] : desired.volumes) addTrouble(errors, key);
  return errors;
}

json PlanReader::ofInstance(const std::string& instance) const {
  json shown = shaped("InstancePlan", instance);
  shown["changes"] = json::array();
  const auto known = plans_.find(instance);
  if (!known) {
    const auto planned = check(instance);
    shown["errors"] = json::array();
    if (!planned) shown["errors"].push_back(shaped(keyOfInstance(instance), planned.error().message));
    return shown;
  }
  if (known->observedAt) {
    shown["observedAt"] = api::toRfc3339(*known->observedAt);
    // It is made anew with each look: so who asks for rows or metadata only gets to know it, too.
    shown["metadata"]["creationTimestamp"] = shown["observedAt"];
  }
  bound(shown, "errors", errorsIn(instance, *known));
  if (known->plan == nullptr) return shown;
  const reconcile::InstancePlan& made = *known->plan;
  shown["server"] = {{"version", albatross::releasesOf(made.era)}};
  addChanges(shown, made.changes, [](const plan::Change&) { return true; });
  bound(shown, "notPruned", unprunedBy(made, instance));
  bound(shown, "withheld", withheldBy(*made.desired));
  return shown;
}

Result<json> PlanReader::ofUnikernel(const reconcile::ObjectView& unikernel) const {
  const api::ObjectKey key = unikernel.object->key();
  json shown = shaped("UnikernelPlan", key.name);
  shown["metadata"]["namespace"] = key.nameSpace;
  shown["changes"] = json::array();
  shown["errors"] = json::array();
  addTrouble(shown["errors"], key);
  std::optional<reconcile::SystemTime> observedAt;
  for (const auto& [instance, known] : plans_.all()) {
    const bool here = unikernel.status.instance == instance;
    if (here && known.failure)
      shown["errors"].push_back(shaped(keyOfInstance(instance), known.failure->message));
    const bool wanted = known.plan != nullptr && known.plan->desired->unikernels.contains(key);
    if ((wanted || here) && known.observedAt)
      observedAt = observedAt ? std::min(*observedAt, *known.observedAt) : known.observedAt;
    if (known.plan == nullptr) continue;
    addChanges(shown, known.plan->changes, [&](const plan::Change& change) { return change.object == key; });
  }
  if (unikernel.status.instance && !observedAt) {
    if (auto planned = check(*unikernel.status.instance); !planned) return std::unexpected(planned.error());
  }
  if (observedAt) shown["observedAt"] = api::toRfc3339(*observedAt);
  return shown;
}

std::unique_ptr<Resource> planResource(const PlanReader& reader) {
  return std::make_unique<PlanResource>(reader);
}

}  // namespace rookery::serve
