#pragma once

#include <filesystem>
#include <vector>

#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/plan_report.h"

namespace rookery::cli {

/// Looks at every instance and at what would be done for `snapshot`. Changes nothing.
PlanReport preview(Fleet& fleet, const source::SnapshotPtr& snapshot);

/// A plan as `plan --out` wrote it.
struct PlanFile {
  std::vector<std::filesystem::path> roots;
  bool prune = false;
  std::vector<std::string> confirmed;  // IDs that --confirm-prune named
  nlohmann::json changes;
};

/// `fleet`: of what it is the plan. Error: SystemError, when the file cannot be written.
Result<void> writePlanFile(const std::filesystem::path& path, const FleetOptions& fleet,
                           const PlanReport& report);

/// Error: UsageError, when it is not such a file.
Result<PlanFile> readPlanFile(const std::filesystem::path& path);

}  // namespace rookery::cli
