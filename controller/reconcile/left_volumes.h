#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "api/object.h"
#include "plan/desired.h"
#include "plan/inventory.h"
#include "reconcile/listener.h"

namespace rookery::reconcile {

/// What is to be said of a block device that is left on an instance where a volume was before.
std::string leftBehind(const albatross::Name& device, const std::string& instance);

/// Tells once of each volume that was on another instance before that what it had there is left there. On the
/// controller's strand.
class LeftVolumes {
 public:
  /// `volumes`: all that is remembered of volumes; `desired`: where each is to be now.
  void tell(const plan::Inventories& volumes,
            const std::map<std::string, std::shared_ptr<plan::Desired>>& desired, Listener& listener);

 private:
  std::set<std::pair<api::ObjectKey, std::string>> told_;  // volumes, and where they were
};

}  // namespace rookery::reconcile
