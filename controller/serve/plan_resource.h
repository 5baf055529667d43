#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "error.h"
#include "reconcile/instance_plans.h"
#include "reconcile/object_store.h"
#include "serve/resource.h"

namespace rookery::serve {

/// What is about to be done, and why, as the API shows it: of an instance (kind InstancePlan) and of one
/// unikernel (UnikernelPlan). What stands in `changes` has the members that `plan -o json` has, and
/// `message`, `notBefore` and `waits`. As `plan`, it shows nothing that is secret. Thread-safe.
class PlanReader {
 public:
  using HolderElsewhere = std::function<std::optional<std::string>(const std::string& instance)>;

  /// Of one plan so much is shown; how much is left out, `changesLeftOut` and its like say.
  static constexpr std::size_t mostShown = 1000;       // changes; and as many errors, and so on
  static constexpr std::size_t mostBytes = 1U << 20U;  // of changes

  /// `holderElsewhere`: as Streams has it. `plans` and `objects` must outlive it.
  PlanReader(const reconcile::InstancePlans& plans, const reconcile::ObjectStore& objects,
             HolderElsewhere holderElsewhere);

  /// Whether it is known here what is to be done on an instance. Error: InstanceUnavailable (it has not been
  /// looked at yet, or another controller does that: the message says which).
  Result<void> check(const std::string& instance) const;

  nlohmann::json ofInstance(const std::string& instance) const;
  /// Error: as check(), of the instances that it is on.
  Result<nlohmann::json> ofUnikernel(const reconcile::ObjectView& unikernel) const;

  const reconcile::ObjectStore& objects() const { return objects_; }

 private:
  nlohmann::json errorsIn(const std::string& instance, const reconcile::InstancePlans::Known& known) const;
  void addTrouble(nlohmann::json& errors, const api::ObjectKey& key) const;

  const reconcile::InstancePlans& plans_;
  const reconcile::ObjectStore& objects_;
  const HolderElsewhere holderElsewhere_;
};

/// The plans of all AlbatrossInstances that are declared, by their names, to be got and listed. `reader` must
/// outlive it.
std::unique_ptr<Resource> planResource(const PlanReader& reader);

}  // namespace rookery::serve
