#include "cli/running_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/json_path.h"
#include "api/manifest.h"
#include "file/atomic.h"
#include "source/names.h"
#include "state/folder_lock.h"
#include "state/state_error.h"
#include "yaml/writer.h"

namespace rookery::cli {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

fs::path fileIn(const fs::path& stateDir) { return stateDir / "controller.json"; }

}  // namespace

bool RunningController::follows(const std::vector<fs::path>& paths) const {
  return std::ranges::all_of(paths, [&](const fs::path& path) {
    return std::ranges::any_of(
        manifests, [&](const fs::path& root) { return root == path || source::leadsTo(root, path); });
  });
}

Result<void> announce(const fs::path& stateDir, const RunningController& controller) {
  json roots = json::array();
  for (const fs::path& root : controller.manifests) roots.push_back(root.string());
  const json said = {{"pid", controller.pid},
                     {"url", controller.url},
                     {"manifests", std::move(roots)},
                     {"prunes", controller.prunes}};
  if (const int cause = file::writeWhole(fileIn(stateDir), yaml::dump(said, 1) + "\n"); cause != 0)
    return state::stateUnwritable(fileIn(stateDir), cause);
  return {};
}

void withdraw(const fs::path& stateDir) {
  std::error_code none;
  fs::remove(fileIn(stateDir), none);
}

std::optional<RunningController> findRunning(const fs::path& stateDir) {
  if (!state::FolderLock::isHeld(stateDir)) return std::nullopt;
  const auto text = api::readText(fileIn(stateDir));
  if (!text) return std::nullopt;
  const json said = json::parse(*text, nullptr, false);
  if (!said.is_object() || !said.contains("pid") || !said["pid"].is_number_integer() ||
      !said.contains("manifests") || !said["manifests"].is_array())
    return std::nullopt;
  RunningController controller{.pid = said["pid"].get<pid_t>(),
                               .url = api::textAt(said, "url"),
                               .manifests = {},
                               .prunes = said.value("prunes", json(true)) != json(false)};
  // One that was killed has left its words behind.
  if (state::FolderLock::holder(stateDir) != std::to_string(controller.pid)) return std::nullopt;
  for (const json& root : said["manifests"]) {
    if (root.is_string()) controller.manifests.emplace_back(root.get<std::string>());
  }
  return controller;
}

}  // namespace rookery::cli
