#include "cli/plan_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

Result<void> writePlanFile(const std::filesystem::path& path, const FleetOptions& fleet,
                           const PlanReport& report) {
  json file = toJson(report);
  file["roots"] = json::array();
  for (const auto& root : absoluteRoots(fleet.roots)) file["roots"].push_back(root.string());
  file["prune"] = fleet.prune;
  file["confirmed"] = fleet.confirmed;
  std::ofstream out(path, std::ios::trunc);
  out << yaml::dump(file, 1) << '\n';
  out.close();
  if (!out) return fail(Reason::SystemError, fmt::format("The plan cannot be written to {}.", path.string()));
  return {};
}

Result<PlanFile> readPlanFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) {
    return fail(Reason::UsageError,
                fmt::format("The plan {} cannot be read: {}.", path.string(), std::strerror(errno)));
  }
  const json file = json::parse(in, nullptr, false);
  const auto has = [&](const char* key, bool (*fits)(const json&)) {
    return file.contains(key) && fits(file[key]);
  };
  const auto isFlag = [](const json& value) { return value.is_boolean(); };
  const auto isTexts = [](const json& value) {
    return value.is_array() && std::ranges::all_of(value, [](const json& item) { return item.is_string(); });
  };
  const auto isList = [](const json& value) { return value.is_array(); };
  if (!file.is_object() || !has("changes", isList) || !has("roots", isTexts) || !has("prune", isFlag) ||
      !has("confirmed", isTexts)) {
    return fail(
        Reason::UsageError,
        fmt::format("{} is not a plan that \"rookery plan --out\" of this release wrote.", path.string()));
  }
  PlanFile plan{.roots = {},
                .prune = file["prune"].get<bool>(),
                .confirmed = file["confirmed"].get<std::vector<std::string>>(),
                .changes = file["changes"]};
  for (const json& root : file["roots"]) plan.roots.emplace_back(root.get<std::string>());
  return plan;
}

}  // namespace rookery::cli
