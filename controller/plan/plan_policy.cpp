// What plan decides about the policies of namespaces.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "plan/desired.h"
#include "plan/planner.h"

namespace rookery::plan {

using albatross::Policy;
using Ready = api::Condition::Status;

namespace {

/// The least policy that allows what either does.
Policy widest(const Policy& a, const Policy& b) {
  Policy both = a;
  both.unikernels = std::max(a.unikernels, b.unikernels);
  both.memory = std::max(a.memory, b.memory);
  if (b.block) both.block = std::max(a.block.value_or(0), *b.block);
  both.cpuIDs.insert(b.cpuIDs.begin(), b.cpuIDs.end());
  both.bridges.insert(b.bridges.begin(), b.bridges.end());
  return both;
}

}  // namespace

/// Policies are widened before unikernels are created and narrowed after others are gone: each phase says
/// what it can.
void Planner::planPolicies(PolicyPhase phase) {
  for (const auto& [nameSpace, policy] : desired_.policies) planPolicy(policy, phase);
}

void Planner::planPolicy(const DesiredPolicy& policy, PolicyPhase phase) {
  heedRequest(memoryOf(policy.object->key()), *policy.object);
  const api::ObjectKey key = policy.object->key();
  if (phase == PolicyPhase::AfterUnikernels && plan_.objects.contains(key)) return;
  Verdict verdict = judgePolicy(policy, phase);
  if (phase == PolicyPhase::BeforeUnikernels) {
    // What is only widened for now, or is below present usage, is for the second phase to speak about.
    const bool onlyWidened = verdict.step && verdict.step->domains.back().policy != policy.policy;
    if (onlyWidened && desired_.spec().observe) return;
    if (onlyWidened) return emit(std::move(*verdict.step));
    if (!verdict.step && verdict.reason == Reason::PolicyExceeded) return;
  }
  onlyObserve(verdict);
  qualify(key, verdict);
  conclude(key, policy.identity.generation, std::move(verdict)).status.instance = instance();
}

/// The policy that is to be set now: the declared one, or as much of it as what runs at present allows.
Result<Policy> Planner::nextPolicy(const albatross::Name& domain, const Policy& wanted,
                                   PolicyPhase phase) const {
  const auto error = world_.cannotSet(domain, wanted);
  if (!error) return wanted;
  const Policy* present = world_.policy(domain);
  if (phase == PolicyPhase::AfterUnikernels || present == nullptr) return std::unexpected(*error);
  Policy both = widest(*present, wanted);
  if (both == *present || world_.cannotSet(domain, both)) return std::unexpected(*error);
  return both;
}

Planner::Verdict Planner::judgePolicy(const DesiredPolicy& policy, PolicyPhase phase) {
  const api::ObjectKey key = policy.object->key();
  if (isRoot(key.nameSpace)) {
    return refusal(
        {Reason::PolicyInvalid,
         fmt::format("Namespace {} is the root namespace of {}, the credential's own domain, where "
                     "no policy can be set. Remove this UnikernelPolicy.",
                     key.nameSpace, instance())},
        false);
  }
  const albatross::Name domain = domainNamed(key.nameSpace);
  if (policy.error) return refusal(*policy.error, false);
  if (const auto& authority = authorityFor(domain); !authority) return refusal(authority.error(), false);
  const Policy* present = world_.policy(domain);
  ObjectMemory& object = memoryOf(key);
  if (present != nullptr && object.triedPolicy == *present) object.succeeded.reset();
  const Goal goal{{}, policy.policy};
  if (present != nullptr && *present == policy.policy) {
    object.lastError.reset();
    object.inForce = true;
    return judgePeace(
        key, goal,
        {.ready = Ready::True,
         .reason = Reason::Succeeded,
         .message = fmt::format("The policy of namespace {} is in force on {}.", key.nameSpace, instance())});
  }
  if (desired_.spec().suspend) {
    return {.ready = Ready::Unknown,
            .reason = Reason::InstanceSuspended,
            .message = instance() + " is suspended.",
            .stalled = true};
  }
  const Result<Policy> next = nextPolicy(domain, policy.policy, phase);
  if (!next) return refusal(next.error(), false);
  Step step;
  step.verb = Verb::ApplyPolicy;
  step.object = key;
  step.name = domain;
  step.reason = present == nullptr ? Reason::Absent : Reason::PolicyDiffers;
  step.message = present == nullptr
                     ? fmt::format("Namespace {} has no policy on {}.", key.nameSpace, instance())
                     : fmt::format("The policy of namespace {} differs on {}.", key.nameSpace, instance());
  step.fields = present == nullptr ? fieldsOf(*next) : compare(*next, *present).fields;
  step.domains = {{key.nameSpace, *next}};
  // A server that was restarted without its state has lost also what nobody has seen there yet.
  const bool lost = present == nullptr && object.succeeded == Verb::ApplyPolicy;
  if (lost) object.succeeded.reset();
  if (std::exchange(object.inForce, false) || lost) noteTakenBack(object, goal, step.fields);
  if (object.succeeded == Verb::ApplyPolicy && object.triedPolicy == *next && leftBehind(step)) {
    return refusal({Reason::NotConverging,
                    fmt::format("{} answered that the policy of namespace {} is set, but shows another.",
                                instance(), key.nameSpace)},
                   false);
  }
  Verdict verdict{.reason = Reason::Reconciling, .message = step.message, .reconciling = true};
  applyBackoff(verdict, step);
  verdict.step = std::move(step);
  awaitTurn(key, goal, verdict);
  return verdict;
}

}  // namespace rookery::plan
