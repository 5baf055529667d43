#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "plan/desired.h"
#include "reconcile/environment.h"
#include "reconcile/instance_loops.h"
#include "source/source.h"

namespace rookery::reconcile {

/// Tells in the status of each AlbatrossInstance which commit of the manifests it is to stand at, and at
/// which one all on it was last seen to be as declared: its unikernels, policies and volumes Ready, nothing
/// left to destroy, and no mistake in that root. On the controller's strand.
class AppliedRevisions {
 public:
  /// `standing`: as InstanceLoops::standing(). `environment` must outlive it.
  AppliedRevisions(const Environment& environment, std::function<Standing(const std::string&)> standing)
      : environment_(environment), standing_(std::move(standing)) {}

  /// What `snapshot` declares was handed to the loops, as `desired`.
  void distributed(const source::Snapshot& snapshot, const Instances& desired);
  /// An instance was looked at.
  void roundEnded(const std::string& instance);

 private:
  struct Checkout {
    source::Revision revision;
    bool whole = false;  // all of it could be read, and nothing is wrong in it
  };
  struct Known {
    plan::DesiredPtr desired;
    std::set<std::string> roots;  // that it comes from
    std::vector<api::SourceStatus> told;
  };

  void tell(const std::string& instance, Known& known);
  bool isAsDeclared(const std::string& instance) const;

  const Environment& environment_;
  const std::function<Standing(const std::string&)> standing_;
  std::map<std::string, Checkout> checkouts_;  // by root
  std::map<std::string, Known> known_;         // by instance
};

}  // namespace rookery::reconcile
