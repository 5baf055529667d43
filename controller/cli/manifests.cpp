#include "cli/manifests.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <istream>
#include <memory>
#include <string>
#include <utility>

#include "api/manifest.h"
#include "cli/failure.h"
#include "source/directory.h"
#include "source/merged.h"

namespace rookery::cli {

namespace fs = std::filesystem;

namespace {

/// One manifest that is read once.
class StandardInput : public source::Source {
 public:
  explicit StandardInput(std::istream& in) : in_(in) {}

  source::SnapshotPtr scan() override {
    api::Manifest manifest = read();
    auto snapshot = std::make_shared<source::Snapshot>();
    snapshot->scannedAt = std::chrono::system_clock::now();
    snapshot->files = 1;
    snapshot->problems = std::move(manifest.problems);
    std::set<api::ObjectKey> declared = std::move(manifest.invalid);
    const auto duplicates = api::findDuplicates(manifest.objects, snapshot->problems);
    for (const api::ObjectPtr& object : manifest.objects) {
      declared.insert(object->key());
      if (!duplicates.contains(object->key())) snapshot->objects.push_back(object);
    }
    snapshot->declared = api::KeySet(std::move(declared));
    return snapshot;
  }

  boost::asio::awaitable<source::SnapshotPtr> next() override { co_return nullptr; }

 private:
  api::Manifest read() {
    const api::Origin origin{.root = name_, .file = name_, .line = 0, .column = 0};
    std::string text(yaml::maxBytes + 1, '\0');
    in_.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in_.gcount()));
    api::Manifest manifest;
    if (!in_.bad()) manifest = api::parseManifestFile(text, origin, true);
    const bool silent = !manifest.declares() && manifest.problems.empty();
    if (in_.bad() || silent) {
      manifest.problems.push_back({.reason = in_.bad() ? Reason::SourceUnreadable : Reason::UsageError,
                                   .origin = origin,
                                   .object = std::nullopt,
                                   .field = {},
                                   .message = in_.bad() ? "Standard input cannot be read."
                                                        : "There is no manifest here: what writes it has "
                                                          "failed, perhaps."});
    }
    return manifest;
  }

  std::istream& in_;
  const fs::path name_ = standardInput;
};

/// What a file that is no manifest of ours hardly has.
constexpr std::string_view mark = "rookery.dev/";

/// Whether a manifest lies in it, as far as the beginnings of its files tell.
bool holdsManifests(const fs::path& folder) {
  constexpr std::size_t looked = 64 << 10;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string extension = entry->path().extension().string();
    std::error_code none;
    if ((extension != ".yaml" && extension != ".yml" && extension != ".json") ||
        !entry->is_regular_file(none))
      continue;
    std::ifstream file(entry->path());
    std::string text(looked, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.contains(mark)) return true;
  }
  return false;
}

}  // namespace

CLI::Option* addManifestPaths(CLI::App& verb, std::vector<fs::path>& paths) {
  return verb
      .add_option("-f,--filename,PATH", paths,
                  "A folder of manifests, one manifest file, or - for standard input; several, too. Without "
                  "any, the current folder, if manifests lie in it")
      ->type_name("PATH");
}

Result<void> orCurrentFolder(std::vector<fs::path>& paths, std::ostream& err) {
  if (!paths.empty()) return {};
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error || !holdsManifests(here)) {
    return fail(Reason::UsageError,
                "No manifests are named, and there are none in the current folder: name a folder or a file "
                "of them.");
  }
  say(err, "", fmt::format("The manifests are those of the current folder, {}.", here.string()));
  paths.emplace_back(".");
  return {};
}

bool namesStandardInput(const std::vector<fs::path>& paths) {
  return std::ranges::find(paths, fs::path(standardInput)) != paths.end();
}

source::SnapshotPtr readManifests(std::vector<fs::path> roots, std::istream& in) {
  const bool alsoInput = std::erase(roots, fs::path(standardInput)) > 0;
  source::DirectorySource folders({.roots = std::move(roots), .watch = false});
  if (!alsoInput) return folders.scan();
  StandardInput input(in);
  return source::MergedSource(folders, input).scan();
}

}  // namespace rookery::cli
