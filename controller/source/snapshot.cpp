#include "source/snapshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/path.h"

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

/// By how much the times of a file system may lag behind the clock: FAT counts in steps of 2 s.
constexpr std::chrono::seconds clockSlack{2};

/// What lies in the way to `file`, if that is ignored.
std::optional<api::Silence> ignoring(const Snapshot& snapshot, const fs::path& file) {
  if (snapshot.ignored.empty()) return std::nullopt;
  for (fs::path at = file; at.has_relative_path(); at = at.parent_path()) {
    const auto rule = snapshot.ignored.find(at);
    if (rule == snapshot.ignored.end()) continue;
    return api::Silence{
        .reason = Reason::PruneBlocked,
        .path = at,
        .cause = fmt::format("{} is ignored by {}. Remove it, or the rule.", at.string(), rule->second)};
  }
  return std::nullopt;
}

bool hides(const Obstacle& obstacle, const api::ObjectKey& object, const api::Origin& origin,
           SystemTime seen) {
  if (api::liesBelow(origin.file, obstacle.silence.path)) return true;
  if (!obstacle.unseen || (obstacle.secretsOnly && object.kind != api::Kind::Secret)) return false;
  return seen == SystemTime() || obstacle.changed > seen - clockSlack;
}

}  // namespace

std::optional<api::Silence> Snapshot::silenceAbout(const api::ObjectKey& object, const api::Origin& origin,
                                                   SystemTime seen) const {
  const auto root = std::ranges::find(roots, origin.root.get(), &Root::path);
  if (root == roots.end() || !root->complete) {
    if (root != roots.end() && root->hidden) return root->hidden;
    return api::Silence{.path = origin.root,
                        .cause = fmt::format("The root {} cannot be read.", origin.root.string())};
  }
  if (root->deletesByName) return std::nullopt;
  const bool wasSingle = origin.file == origin.root;
  if (wasSingle != root->single) {
    return api::Silence{
        .path = root->path,
        .cause =
            fmt::format("{} was a {}, and is a {} now. Put things back, or name another root.",
                        root->path.string(), wasSingle ? "file" : "folder", wasSingle ? "folder" : "file")};
  }
  if (const auto found = silent.find(origin.file); found != silent.end()) return found->second;
  if (auto left = ignoring(*this, origin.file)) return left;
  if (root->hidden) return root->hidden;
  if (root->gitLocked) return api::Silence{.path = root->path, .cause = "A checkout is under way."};
  for (const Obstacle& obstacle : root->obstacles) {
    if (hides(obstacle, object, origin, seen)) return obstacle.silence;
  }
  return std::nullopt;
}

std::vector<api::Silence> Snapshot::silences(const Root& root) const {
  std::vector<api::Silence> all;
  if (root.hidden) all.push_back(*root.hidden);
  for (const Obstacle& obstacle : root.obstacles) {
    if (obstacle.unseen) all.push_back(obstacle.silence);  // else only what is held for its sake tells of it
  }
  for (const auto& [file, silence] : silent) {
    const bool told = std::ranges::find(all, silence) != all.end();
    if (!told && silence.reason != Reason::PruneBlocked && api::liesBelow(file, root.path))
      all.push_back(silence);
  }
  for (const auto& [key, object] : outdated) {
    if (std::ranges::find(all, object.silence) == all.end() && api::liesBelow(object.silence.path, root.path))
      all.push_back(object.silence);
  }
  return all;
}

std::set<std::string> instancesDeclared(const Snapshot& snapshot) {
  constexpr auto kind = api::Kind::AlbatrossInstance;
  std::set<std::string> names;
  const auto first = snapshot.declared.firstFrom({kind, "", ""});
  for (auto key = first; key != snapshot.declared.end() && key->kind == kind; ++key) names.insert(key->name);
  return names;
}

}  // namespace rookery::source
