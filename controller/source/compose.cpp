#include "source/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "api/outdated.h"
#include "api/path.h"
#include "sentence.h"

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

api::Silence silenceOf(const api::Problem& problem) {
  return {.reason = problem.reason,
          .path = problem.origin.file,
          .cause = sentences({fmt::format("There is a mistake in the file: {}", problem.toString()),
                              "Nothing that is missing from it is destroyed before that is mended."})};
}

/// Why a file does not tell all of what it once declared; none: it does.
std::optional<api::Silence> silenceOf(const fs::path& file, const api::Manifest& manifest) {
  const auto keep = [&](std::string_view what, std::string_view otherwise) {
    return api::Silence{
        .reason = Reason::PruneBlocked,
        .path = file,
        .cause = fmt::format("{} {}. {}, if what it declared is to go.", file.string(), what, otherwise)};
  };
  if (manifest.lookAgainIn) {
    return api::Silence{
        .reason = Reason::BeingWritten,
        .path = file,
        .cause = sentences({fmt::format("{}: {}", file.string(), manifest.problems.front().message),
                            "Until it is whole, what it declared before counts."}),
        .passing = true};
  }
  if (!manifest.problems.empty()) return silenceOf(manifest.problems.front());
  if (manifest.blank) return keep("is empty, as a full disk leaves files", "Remove the file");
  if (!manifest.declares()) return keep("is there, and declares nothing any more", "Remove the file");
  if (manifest.cut)
    return keep("ends in the middle of a line or of a document, as if its end were missing",
                "End it with a line break");
  return std::nullopt;
}

/// An object that says something else than before.
struct Edit {
  api::ObjectPtr before, after;
};

/// How the one became the other. Nothing: not all objects are the same ones, in the same order.
std::optional<std::vector<Edit>> editsBetween(const std::vector<api::ObjectPtr>& before,
                                              const std::vector<api::ObjectPtr>& after) {
  if (before.size() != after.size()) return std::nullopt;
  std::vector<Edit> edits;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (before[i] == after[i]) continue;
    if (before[i]->key() != after[i]->key()) return std::nullopt;
    edits.push_back({before[i], after[i]});
  }
  return edits;
}

/// Brings together what the manifests say, what they said before, and what cannot be seen.
class Composer {
 public:
  Composer(const Tree& tree, SystemTime scannedAt) : tree_(tree) {
    snapshot_->scannedAt = scannedAt;
    snapshot_->begun = tree_.begun;
    snapshot_->silent = tree_.unreadable;
    for (const auto& [file, silence] : snapshot_->silent) unparsed_.insert(file);
    snapshot_->files = unparsed_.size();
    snapshot_->problems = tree_.problems;
    snapshot_->warnings = tree_.warnings;
    snapshot_->ignored = tree_.ignored;
    snapshot_->passedOver = tree_.passedOver;
    snapshot_->roots = tree_.roots;
    for (Root& root : snapshot_->roots) {
      if (root.bare && !root.hidden) root.hidden = silenceOfBare(root);
    }
  }

  std::shared_ptr<Snapshot> compose(const std::vector<std::shared_ptr<const api::Manifest>>& manifests,
                                    const Previous& previous) {
    for (std::size_t i = 0; i < manifests.size(); ++i) {
      if (manifests[i] == nullptr) continue;
      const bool endLost = mayHaveLostItsEnd(tree_.files[i].path, *manifests[i], previous.snapshot);
      add(tree_.files[i], *manifests[i], endLost);
    }
    if (!takeOver(previous.snapshot)) gather(previous);
    finish();
    return std::move(snapshot_);
  }

 private:
  static api::Silence silenceOfBare(const Root& root) {
    return {.reason = Reason::PruneBlocked,
            .path = root.path,
            .cause = fmt::format("The folder {} is empty, as if what is mounted there were missing. Put any "
                                 "file into it, if all that it declared is to go.",
                                 root.path.string())};
  }

  /// `endLost`: the last object stays as it was, the same as with a mistake in it.
  void add(const ManifestFile& file, const api::Manifest& manifest, bool endLost) {
    if (manifest.foreign > 0 && !manifest.declares() && manifest.problems.empty()) {
      snapshot_->passedOver.push_back({file.path, "nothing in it is rookery's"});
    } else {
      ++snapshot_->files;
    }
    std::vector<api::ObjectPtr>& written = snapshot_->written;
    written.insert(written.end(), manifest.objects.begin(), manifest.objects.end() - (endLost ? 1 : 0));
    if (endLost) complainOfEnd(*manifest.objects.back());
    std::ranges::copy(manifest.problems, std::back_inserter(snapshot_->problems));
    declared_.insert(manifest.invalid.begin(), manifest.invalid.end());
    std::optional<api::Silence> silence = silenceOf(file.path, manifest);
    if (!silence) return;
    if (!manifest.parsed) unparsed_.insert(file.path);
    if (!manifest.parsed || manifest.blank) hide(file, *silence, manifest.secretsOnly);
    for (const fs::path& alias : file.aliases) {
      if (!manifest.parsed) unparsed_.insert(alias);
      snapshot_->silent.emplace(alias, *silence);
    }
    snapshot_->silent.emplace(file.path, *std::move(silence));
  }

  /// Whether the file ends within a line although it did not before, and the object that stands there is
  /// another than before: what is left of a text may well say something.
  static bool mayHaveLostItsEnd(const fs::path& file, const api::Manifest& manifest, const Snapshot* before) {
    if (before == nullptr || !manifest.cut || !manifest.problems.empty() || manifest.objects.empty())
      return false;
    const api::Object& last = *manifest.objects.back();
    const auto known = std::ranges::find(before->objects, last.key(), &api::Object::key);
    if (known == before->objects.end() || (*known)->origin.file != file) return false;
    if ((*known)->manifest == last.manifest) return false;
    return !before->silent.contains(file) || before->outdated.contains(last.key());
  }

  void complainOfEnd(const api::Object& last) {
    declared_.insert(last.key());
    snapshot_->problems.push_back({.reason = Reason::InvalidManifest,
                                   .origin = last.origin,
                                   .object = last.key(),
                                   .field = {},
                                   .message =
                                       "the file ends in the middle of a line, as if its end were missing, "
                                       "and says something else here than before; end it with a line break"});
  }

  /// Somebody may just have renamed a file and left a mistake in it: what is missing elsewhere can be in it.
  void hide(const ManifestFile& file, const api::Silence& silence, bool secretsOnly) {
    const auto root = std::ranges::find(snapshot_->roots, file.root, &Root::path);
    if (root == snapshot_->roots.end()) return;
    root->obstacles.push_back(
        {.silence = silence, .changed = file::toSystemTime(file.stamp.changed), .secretsOnly = secretsOnly});
  }

  /// Where the files declare the same objects as before, of which none was uncertain, in the same order, only
  /// those that say something else need to be looked at.
  bool takeOver(const Snapshot* before) {
    if (before == nullptr || !declared_.empty() || !before->outdated.empty()) return false;
    const std::vector<api::ObjectPtr>&was = before->written, &is = snapshot_->written;
    if (was.size() != is.size() || was.size() != before->objects.size() ||
        was.size() != before->declared.size())
      return false;
    auto edits = editsBetween(was, is);
    if (!edits) return false;
    snapshot_->declared = before->declared;
    snapshot_->objects = before->objects;
    for (const Edit& edit : *edits)
      *std::ranges::lower_bound(snapshot_->objects, edit.after->key(), {}, &api::Object::key) = edit.after;
    countEdits(*before, *edits);
    return true;
  }

  /// How many objects came from each root, where only these have changed since.
  void countEdits(const Snapshot& before, const std::vector<Edit>& edits) {
    for (Root& root : snapshot_->roots) {
      const auto known = std::ranges::find(before.roots, root.path, &Root::path);
      root.objects = known == before.roots.end() ? 0 : known->objects;
      for (const Edit& edit : edits) {
        if (edit.before->origin.root == edit.after->origin.root) continue;
        if (edit.before->origin.root == root.path) --root.objects;
        if (edit.after->origin.root == root.path) ++root.objects;
      }
    }
  }

  void gather(const Previous& previous) {
    const std::vector<api::ObjectPtr>& written = snapshot_->written;
    const std::set<api::ObjectKey> duplicates = api::findDuplicates(written, snapshot_->problems);
    silenceMistaken();
    for (const api::ObjectPtr& object : written) {
      declared_.insert(object->key());
      if (!duplicates.contains(object->key())) objects_.emplace(object->key(), object);
    }
    if (previous.snapshot != nullptr) keepWhatIsUncertain(previous);
    for (const auto& [key, object] : objects_) {
      declared_.insert(key);
      snapshot_->objects.push_back(object);
    }
    snapshot_->declared = api::KeySet(std::move(declared_));
    std::unordered_map<std::string_view, std::size_t> counts;
    for (const api::ObjectPtr& object : snapshot_->objects) ++counts[object->origin.root.native()];
    for (Root& root : snapshot_->roots) root.objects = std::exchange(counts[root.path.native()], 0);
  }

  void silenceMistaken() {
    for (const api::Problem& problem : snapshot_->problems) {
      if (problem.reason == Reason::DuplicateObject)
        snapshot_->silent.emplace(problem.origin.file, silenceOf(problem));
    }
  }

  void keepWhatIsUncertain(const Previous& previous) {
    for (const api::ObjectPtr& object : previous.snapshot->objects) {
      const api::ObjectKey key = object->key();
      if (objects_.contains(key)) continue;
      const auto before = previous.snapshot->outdated.find(key);
      const SystemTime seen =
          before == previous.snapshot->outdated.end() ? previous.snapshot->scannedAt : before->second.seen;
      if (const auto mistake = mistakeIn(key)) {
        snapshot_->outdated.emplace(key, api::Outdated{.gone = false, .seen = seen, .silence = *mistake});
      } else {
        auto silence = previous.removed.contains(key) ? std::nullopt
                                                      : snapshot_->silenceAbout(key, object->origin, seen);
        if (!silence) continue;
        snapshot_->outdated.emplace(
            key, api::Outdated{.gone = canSee(object->origin), .seen = seen, .silence = *std::move(silence)});
      }
      objects_.emplace(key, object);
    }
  }

  /// Whether it can be seen what the file declares now: nothing, if it is gone.
  bool canSee(const api::Origin& origin) const {
    const auto root = std::ranges::find(snapshot_->roots, origin.root.get(), &Root::path);
    return root != snapshot_->roots.end() && root->complete && !unparsed_.contains(origin.file) &&
           std::ranges::none_of(root->obstacles, [&](const Obstacle& obstacle) {
             return api::liesBelow(origin.file, obstacle.silence.path) && obstacle.unseen;
           });
  }

  /// Of an object that is declared with a mistake, or twice.
  std::optional<api::Silence> mistakeIn(const api::ObjectKey& key) const {
    if (!declared_.contains(key)) return std::nullopt;
    const auto problem = std::ranges::find(snapshot_->problems, key, &api::Problem::object);
    if (problem != snapshot_->problems.end()) return silenceOf(*problem);
    return api::Silence{
        .reason = Reason::InvalidManifest, .path = {}, .cause = "Its manifest has a mistake."};
  }

  void finish() {
    std::ranges::stable_sort(snapshot_->problems, {}, [](const api::Problem& problem) {
      const api::Origin& origin = problem.origin;
      return std::tie(origin.file, origin.line, origin.column, problem.field, problem.message);
    });
    std::ranges::stable_sort(snapshot_->passedOver, {}, &PassedOver::path);
  }

  const Tree& tree_;
  std::shared_ptr<Snapshot> snapshot_ = std::make_shared<Snapshot>();
  std::set<fs::path> unparsed_;  // files that are there, and of which nothing says what they declare
  std::set<api::ObjectKey> declared_;
  std::map<api::ObjectKey, api::ObjectPtr> objects_;
};

bool sameObject(const api::ObjectPtr& one, const api::ObjectPtr& other) {
  return one == other || (one->key() == other->key() && one->specDigest == other->specDigest &&
                          one->origin == other->origin && one->manifest == other->manifest);
}

}  // namespace

std::shared_ptr<Snapshot> compose(const Tree& tree,
                                  const std::vector<std::shared_ptr<const api::Manifest>>& manifests,
                                  const Previous& previous, SystemTime scannedAt) {
  return Composer(tree, scannedAt).compose(manifests, previous);
}

namespace {

/// The dangling references of a snapshot, where only unikernels are others than in the one before. Nothing:
/// it takes a look at all.
std::optional<std::vector<api::Problem>> danglingAgain(const Snapshot& snapshot, const Snapshot* before) {
  if (before == nullptr) return std::nullopt;
  const auto edits = editsBetween(before->objects, snapshot.objects);
  const auto isUnikernel = [](const Edit& edit) { return edit.after->kind() == api::Kind::Unikernel; };
  if (!edits || !std::ranges::all_of(*edits, isUnikernel)) return std::nullopt;
  // What depends on others is judged with those, and they with it.
  const auto waits = [](const api::ObjectPtr& object) {
    return object != nullptr && object->kind() == api::Kind::Unikernel &&
           !object->as<api::Unikernel>().dependsOn.empty();
  };
  if (std::ranges::any_of(*edits, [&](const Edit& edit) { return waits(edit.before) || waits(edit.after); }))
    return std::nullopt;
  std::vector<api::ObjectPtr> concerned;
  const auto add = [&](api::Kind kind) {
    const auto those = std::ranges::equal_range(snapshot.objects, kind, {}, &api::Object::kind);
    concerned.insert(concerned.end(), those.begin(), those.end());
  };
  std::set<api::ObjectKey> edited;
  add(api::Kind::AlbatrossInstance);
  for (const Edit& edit : *edits) {
    edited.insert(edit.after->key());
    concerned.push_back(edit.after);
  }
  add(api::Kind::Secret);
  const auto isEdited = [&](const api::Problem& problem) { return edited.contains(*problem.object); };
  std::vector<api::Problem> dangling;
  api::checkReferences(concerned, dangling);
  std::erase_if(dangling, std::not_fn(isEdited));
  std::ranges::remove_copy_if(before->dangling, std::back_inserter(dangling), isEdited);
  return dangling;
}

}  // namespace

void silenceDanglingReferences(Snapshot& snapshot, const Snapshot* before) {
  if (auto again = danglingAgain(snapshot, before)) {
    snapshot.dangling = *std::move(again);
  } else {
    api::checkReferences(snapshot.objects, snapshot.dangling);
  }
  std::ranges::stable_sort(snapshot.dangling, {}, &api::Problem::object);
  for (const api::Problem& problem : snapshot.dangling)
    snapshot.silent.emplace(problem.origin.file, silenceOf(problem));
}

bool saysTheSame(const Snapshot& one, const Snapshot& other) {
  const auto told = [](const Snapshot& snapshot) {
    return std::tie(snapshot.problems, snapshot.warnings, snapshot.declared, snapshot.outdated,
                    snapshot.silent, snapshot.ignored, snapshot.passedOver, snapshot.roots,
                    snapshot.unreadable, snapshot.released, snapshot.synced, snapshot.files);
  };
  return told(one) == told(other) && std::ranges::equal(one.objects, other.objects, sameObject);
}

}  // namespace rookery::source
