#include "cli/plan_file.h"

#include <fmt/format.h>

#include <fstream>

#include "yaml/writer.h"

namespace rookery::cli {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

asio::awaitable<void> look(reconcile::Controller& controller, const source::SnapshotPtr& snapshot,
                           PlanReport& report) {
  const auto seen = co_await controller.preview(snapshot);
  report = makeReport(*snapshot, seen);
}

}  // namespace

PlanReport preview(Fleet& fleet, const source::SnapshotPtr& snapshot) {
  PlanReport report;
  fleet.run([&](reconcile::Controller& controller) { return look(controller, snapshot, report); });
  return report;
}

Result<void> writePlanFile(const std::filesystem::path& path, const std::vector<std::filesystem::path>& roots,
                           const PlanReport& report) {
  json file = toJson(report);
  file["roots"] = json::array();
  for (const auto& root : roots) file["roots"].push_back(root.string());
  std::ofstream out(path, std::ios::trunc);
  out << yaml::dump(file, 1) << '\n';
  out.close();
  if (!out) return fail(Reason::SystemError, fmt::format("The plan cannot be written to {}.", path.string()));
  return {};
}

Result<PlanFile> readPlanFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  const json file = json::parse(in, nullptr, false);
  if (!file.is_object() || !file.contains("changes") || !file.contains("roots") ||
      !file["roots"].is_array()) {
    return fail(Reason::UsageError,
                fmt::format("{} is not a plan that \"rookery plan --out\" wrote.", path.string()));
  }
  PlanFile plan;
  plan.changes = file["changes"];
  for (const json& root : file["roots"]) {
    if (!root.is_string())
      return fail(Reason::UsageError, fmt::format("{} is not a plan: a root is not a path.", path.string()));
    plan.roots.emplace_back(root.get<std::string>());
  }
  return plan;
}

}  // namespace rookery::cli
