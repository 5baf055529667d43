#pragma once

#include <filesystem>
#include <vector>

#include "cli/fleet.h"
#include "cli/plan_report.h"

namespace rookery::cli {

/// Looks at every instance and at what would be done for `snapshot`. Changes nothing.
PlanReport preview(Fleet& fleet, const source::SnapshotPtr& snapshot);

/// A plan as `plan --out` wrote it.
struct PlanFile {
  std::vector<std::filesystem::path> roots;
  nlohmann::json changes;
};

/// Error: SystemError, when the file cannot be written.
Result<void> writePlanFile(const std::filesystem::path& path, const std::vector<std::filesystem::path>& roots,
                           const PlanReport& report);

/// Error: UsageError, when it is not such a file.
Result<PlanFile> readPlanFile(const std::filesystem::path& path);

}  // namespace rookery::cli
