#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plan/desired.h"
#include "plan/plan.h"
#include "plan/policy_use.h"
#include "reconcile/environment.h"

namespace rookery::reconcile {

/// What could not be written down, and why, by name on the wire.
using Unwritten = std::map<albatross::Name, Error>;

/// The policies of an instance, by namespace.
using Policies = std::map<std::string, plan::PolicyUse>;

/// Whether time alone does not mend what kept an instance from being observed.
bool isLasting(Reason reason);

/// Reports the statuses of one instance and of the objects on it, and warns of what has no object. On the
/// strand of the instance's loop.
class StatusReporter {
 public:
  /// `environment` must outlive it.
  explicit StatusReporter(const Environment& environment) : environment_(environment) {}

  /// The instance was looked at, and the objects that `plan` tells of were judged. Says of `plan`'s errors
  /// those that the last one did not have.
  /// `policies`: as plan::policyUse() has them now. `era`: of the server.
  void report(const plan::Desired& desired, const plan::Plan& plan, const Policies& policies,
              const Unwritten& unwritten, albatross::Era era);
  /// It was looked at, and the objects on it stand as they did.
  void reportInstance(const plan::Desired& desired) { reportInstance(desired, {}); }
  /// It could not be.
  void reportUnavailable(const plan::Desired& desired, const Error& error);

 private:
  void reportInstance(const plan::Desired& desired, const Unwritten& unwritten);
  api::Status instanceStatus(const plan::Desired& desired, const Unwritten& unwritten) const;
  void warn(const std::string& instance, const std::vector<Error>& errors);

  const Environment& environment_;
  std::optional<plan::PolicyUse> machine_;  // of the credential's own domain, as it was seen last
  std::optional<albatross::Era> era_;       // the same of the server
  std::set<std::string> warned_;            // messages of the last plan's errors
};

}  // namespace rookery::reconcile
