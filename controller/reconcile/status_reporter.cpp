#include "reconcile/status_reporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sentence.h"

namespace rookery::reconcile {

namespace {

/// How an instance stands that was looked at: with what waits there for somebody's word.
api::Condition answering(const plan::Desired& desired, SystemTime now) {
  constexpr std::size_t shown = 10;
  std::string message = fmt::format("{} answers.", desired.spec().endpoint);
  for (std::size_t i = 0; i < std::min(shown, desired.withheld.size()); ++i)
    message = sentences({message, desired.withheld[i].message});
  if (desired.withheld.size() > shown)
    message += fmt::format(" {} more sets are withheld.", desired.withheld.size() - shown);
  if (desired.credentialsStand) message = sentences({message, desired.credentialsStand->message});
  const Reason reason = desired.withheld.empty() ? Reason::Succeeded : Reason::PruneGuard;
  const auto outdated = desired.outdated.find(desired.instance->key());
  if (outdated != desired.outdated.end() && outdated->second.gone) {
    message = sentences({message, plan::whyKept(outdated->first, outdated->second.silence)});
    return {api::Condition::Type::Ready, api::Condition::Status::False, Reason::PruneBlocked,
            std::move(message), now};
  }
  if (outdated != desired.outdated.end())
    message = sentences({message, "This is what its manifest said before.", outdated->second.silence.cause});
  return {api::Condition::Type::Ready, api::Condition::Status::True, reason, std::move(message), now};
}

}  // namespace

bool isLasting(Reason reason) {
  switch (reason) {
    case Reason::CertificateRefused:
    case Reason::CredentialCannotIssue:
    case Reason::CredentialExpired:
    case Reason::CredentialInvalid:
    case Reason::InvalidManifest:
    case Reason::ReferenceNotFound:
    case Reason::ServerCertificateExpired:
    case Reason::ServerCertificateUnknownCA:
    case Reason::ServerNameMismatch:
    case Reason::StateDirLost:
      return true;
    default:
      return false;
  }
}

void StatusReporter::report(const plan::Desired& desired, const plan::Plan& plan, const Policies& policies,
                            const Unwritten& unwritten, albatross::Era era) {
  era_ = era;
  for (const auto& [key, state] : plan.objects) {
    api::Status status = state.status;
    const auto policy = policies.find(key.nameSpace);
    if (key.kind == api::Kind::UnikernelPolicy && policy != policies.end()) status.used = policy->second.used;
    const auto unikernel = desired.unikernels.find(key);
    if (unikernel != desired.unikernels.end() && unikernel->second.replicas) {
      environment_.objects.report(key, status, *unikernel->second.replicas, environment_.now(),
                                  environment_.listener);
    } else {
      environment_.objects.report(key, std::move(status), environment_.listener);
    }
  }
  if (const auto own = policies.find(""); own != policies.end()) machine_ = own->second;
  reportInstance(desired, unwritten);
  std::vector<Error> errors = plan.errors;
  if (desired.credentialsStand) errors.push_back(*desired.credentialsStand);
  warn(desired.name(), errors);
}

void StatusReporter::reportInstance(const plan::Desired& desired, const Unwritten& unwritten) {
  environment_.objects.report(desired.instance->key(), instanceStatus(desired, unwritten),
                              environment_.listener);
}

/// It answers; and what of it has to wait all the same, as it cannot be remembered, or is not gone yet.
api::Status StatusReporter::instanceStatus(const plan::Desired& desired, const Unwritten& unwritten) const {
  api::Condition ready = answering(desired, environment_.now());
  if (!unwritten.empty()) {
    const auto& [name, error] = *unwritten.begin();
    ready.reason = error.reason;
    ready.message += fmt::format(
        " What has to be remembered of {} unikernel{} on it cannot be written down, and only that waits; the "
        "first is {}: {}",
        unwritten.size(), unwritten.size() == 1 ? "" : "s", name.toString(), error.message);
  }
  if (const auto left = environment_.state.whyKept(desired.name())) {
    const bool waits = ready.status == api::Condition::Status::True && ready.reason == Reason::Succeeded;
    if (waits) ready.reason = Reason::InstanceInUse;
    ready.status = api::Condition::Status::False;
    ready.message = sentences({ready.message, *left});
  }
  api::Status status;
  status.observedGeneration = desired.identity.generation;
  status.conditions = {std::move(ready)};
  if (era_) status.version = albatross::releasesOf(*era_);
  if (!machine_) return status;
  status.used = machine_->used;
  status.capacity = {machine_->limit.unikernels, machine_->limit.memory, machine_->limit.block};
  return status;
}

/// Says what the last plan did not say already.
void StatusReporter::warn(const std::string& instance, const std::vector<Error>& errors) {
  std::set<std::string> messages;
  for (const Error& error : errors) {
    if (!warned_.contains(error.message)) environment_.listener.warned(instance, error.reason, error.message);
    messages.insert(error.message);
  }
  warned_ = std::move(messages);
}

void StatusReporter::reportUnavailable(const plan::Desired& desired, const Error& error) {
  using api::Condition;
  const auto conditions = [&](Condition::Status ready, Reason reason, const std::string& message) {
    std::vector<Condition> all{{Condition::Type::Ready, ready, reason, message, environment_.now()}};
    if (isLasting(error.reason)) {
      all.push_back({Condition::Type::Stalled, Condition::Status::True, reason, message, environment_.now()});
    }
    return all;
  };
  const std::vector<Condition> unavailable =
      conditions(Condition::Status::Unknown, Reason::InstanceUnavailable,
                 fmt::format("AlbatrossInstance {} cannot be asked: {}", desired.name(), error.message));
  const auto publish = [&](const auto& item) {
    const api::ObjectKey key = item.object->key();
    const ObjectViewPtr before = environment_.objects.find(key);
    api::Status status = before == nullptr ? api::Status{} : before->status;
    status.observedGeneration = item.identity.generation;
    status.conditions = unavailable;
    environment_.objects.report(key, std::move(status), environment_.listener);
  };
  for (const auto& [key, unikernel] : desired.unikernels) {
    if (!unikernel.replicas) {
      publish(unikernel);
      continue;
    }
    const ObjectViewPtr before = environment_.objects.find(key);
    api::Status status =
        before == nullptr ? api::Status{} : before->status.seenOn(desired.name()).value_or(api::Status{});
    status.instance = desired.name();
    status.observedGeneration = unikernel.identity.generation;
    status.conditions = unavailable;
    environment_.objects.report(key, status, *unikernel.replicas, environment_.now(), environment_.listener);
  }
  for (const auto& [nameSpace, policy] : desired.policies) publish(policy);
  for (const auto& [key, volume] : desired.volumes) publish(volume);
  api::Status status;
  status.observedGeneration = desired.identity.generation;
  const auto left = environment_.state.whyKept(desired.name());
  status.conditions = conditions(Condition::Status::False, error.reason,
                                 left ? sentences({error.message, *left}) : error.message);
  environment_.objects.report(desired.instance->key(), std::move(status), environment_.listener);
}

}  // namespace rookery::reconcile
