#include "simulation/folder.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

namespace rookery::simulation {

namespace asio = boost::asio;
using source::SnapshotPtr;
using source::SystemTime;

namespace {

constexpr std::chrono::milliseconds debounce{200};  // as DirectorySource
constexpr std::chrono::seconds rescan{60};

}  // namespace

std::map<std::string, std::string> Folder::files() const {
  if (elsewhere) return {{"readme.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: empty}\n"}};
  std::map<std::string, std::string> files = meant;
  for (const auto& [name, mishap] : mishaps) {
    if (mishap.text) {
      files[name] = *mishap.text;
    } else {
      files.erase(name);
    }
  }
  return files;
}

void Folder::changed() {
  ++version_;
  const std::map<std::string, Present> before = std::exchange(present_, {});
  for (auto& [name, text] : files()) {
    const auto written = meant.find(name);
    Present file{text, written == meant.end() ? "" : written->second, isBeingWritten(name), now_()};
    const auto known = before.find(name);
    const bool same = known != before.end() && known->second.text == file.text &&
                      known->second.meant == file.meant && known->second.beingWritten == file.beingWritten;
    if (same) file.changed = known->second.changed;
    present_[name] = std::move(file);
  }
  if (watcher) watcher();
}

source::Tree Folder::tree(SystemTime now) const {
  source::Tree tree;
  tree.begun = clock::Steady::now();
  source::Root root{.path = path_, .complete = !unreadable, .gitLocked = locked};
  if (locked) {
    root.lockedSince = now;
    root.hidden = api::Silence{
        .reason = Reason::PruneBlocked, .path = path_, .cause = "git is at work.", .passing = true};
  }
  root.bare = present_.empty() && !unreadable;
  if (unreadable) {
    tree.problems.push_back({.reason = Reason::SourceUnreadable,
                             .origin = {.root = path_, .file = path_},
                             .object = {},
                             .field = {},
                             .message = "the folder cannot be read"});
  } else {
    for (const auto& [name, file] : present_)
      tree.files.push_back(
          {path_, path_ / name, {}, {.modified = {}, .changed = file::toFileTime(file.changed)}});
  }
  tree.roots = {root};
  return tree;
}

std::string Folder::textOf(const std::string& name) const {
  const auto present = files();
  const auto found = present.find(name);
  return found == present.end() ? "" : found->second;
}

bool Folder::isBeingWritten(const std::string& name) const {
  const auto found = mishaps.find(name);
  return !elsewhere && found != mishaps.end() && found->second.beingWritten;
}

std::shared_ptr<const api::Manifest> Folder::parse(const api::Origin& origin, bool held) {
  const std::string name = origin.file.get().filename().string();
  const std::string text = textOf(name);
  auto& manifest = parsed_[{name, text, held}];
  if (manifest == nullptr)
    manifest = std::make_shared<const api::Manifest>(api::parseManifestFile(text, origin, held));
  return manifest;
}

FolderSource::FolderSource(Folder& folder, std::function<SystemTime()> now)
    : folder_(folder), now_(std::move(now)) {
  folder_.watcher = [this] {
    if (waiting_) waiting_->cancel();
  };
}

FolderSource::~FolderSource() { folder_.watcher = {}; }

std::shared_ptr<const api::Manifest> FolderSource::read(const source::ManifestFile& file) {
  const api::Origin origin{.root = file.root, .file = file.path};
  const std::string name = file.path.filename().string();
  if (!folder_.isBeingWritten(name)) {
    const bool held = last_ != nullptr && std::ranges::any_of(last_->objects, [&](const auto& object) {
                        return object->origin.file == file.path;
                      });
    return folder_.parse(origin, held);
  }
  auto manifest = std::make_shared<api::Manifest>();
  manifest->parsed = false;
  manifest->lookAgainIn = std::chrono::seconds(2);
  manifest->problems.push_back({Reason::BeingWritten, origin, {}, "", "somebody has it open for writing"});
  return manifest;
}

SnapshotPtr FolderSource::scan() {
  const SystemTime now = now_();
  seen_ = folder_.version();
  namedSeen_ = folder_.namedVersion();
  const source::Tree tree = folder_.tree(now);
  std::vector<std::shared_ptr<const api::Manifest>> manifests;
  manifests.reserve(tree.files.size());
  for (const source::ManifestFile& file : tree.files) manifests.push_back(read(file));
  auto snapshot = source::compose(tree, manifests, {.snapshot = last_.get()}, now);
  source::silenceDanglingReferences(*snapshot, last_.get());
  last_ = std::move(snapshot);
  return last_;
}

asio::awaitable<SnapshotPtr> FolderSource::next() {
  co_await asio::this_coro::throw_if_cancelled(false);
  waiting_.emplace(co_await asio::this_coro::executor);
  const auto isCancelled = [](const asio::cancellation_state& state) {
    return state.cancelled() != asio::cancellation_type::none;
  };
  constexpr auto quiet = asio::as_tuple(asio::use_awaitable);
  for (;;) {
    if (folder_.version() == seen_) {
      waiting_->expires_after(rescan);
      (void)co_await waiting_->async_wait(quiet);
    }
    if (isCancelled(co_await asio::this_coro::cancellation_state)) co_return nullptr;
    if (folder_.version() != seen_) {
      for (std::uint64_t before = seen_; before != folder_.version();) {
        before = folder_.version();
        waiting_->expires_after(debounce);
        (void)co_await waiting_->async_wait(quiet);
        if (isCancelled(co_await asio::this_coro::cancellation_state)) co_return nullptr;
      }
    }
    const SnapshotPtr before = last_;
    const bool certain = namedSeen_ != folder_.namedVersion();
    SnapshotPtr found = scan();
    if (certain || before == nullptr || !source::saysTheSame(*before, *found)) co_return found;
  }
}

}  // namespace rookery::simulation
