#include "source/directory.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <variant>

#include "source/cache.h"
#include "source/compose.h"
#include "source/tree.h"
#include "source/watcher.h"

namespace rookery::source {

namespace {

using Clock = std::chrono::steady_clock;

/// The paths of files, as objects have them; several may have the same.
using Files = std::unordered_set<std::string_view>;

/// The files that an object names, which are read when it is acted upon.
void addNamedBy(const api::Object& object, Files& named) {
  if (object.kind() == api::Kind::Unikernel) {
    const api::Unikernel::Image& image = object.as<api::Unikernel>().image;
    if (!image.url && !image.path.empty()) named.insert(image.path.native());
  }
  if (object.kind() == api::Kind::UnikernelVolume) {
    const auto& source = object.as<api::UnikernelVolume>().source;
    if (source && !source->url && !source->path.empty()) named.insert(source->path.native());
  }
  if (object.kind() == api::Kind::AlbatrossInstance) {
    const auto* files =
        std::get_if<api::AlbatrossInstance::Files>(&object.as<api::AlbatrossInstance>().credentials);
    if (files == nullptr) return;
    for (const std::filesystem::path* file : {&files->ca, &files->certificate, &files->privateKey})
      named.insert(file->native());
  }
}

void addNamedBy(const std::vector<api::ObjectPtr>& objects, Files& named) {
  for (const api::ObjectPtr& object : objects) addNamedBy(*object, named);
}

/// Tells of which files objects came; looks at the objects when it is asked for the first time.
class HeldFiles {
 public:
  /// Null: of none. It must outlive this.
  explicit HeldFiles(const Snapshot* snapshot) : snapshot_(snapshot) {}

  bool operator()(const std::filesystem::path& file) {
    if (const Snapshot* snapshot = std::exchange(snapshot_, nullptr)) {
      for (const api::ObjectPtr& object : snapshot->objects) files_.insert(object->origin.file.native());
    }
    return files_.contains(file.native());
  }

 private:
  const Snapshot* snapshot_;  // that was not looked at yet
  std::unordered_set<std::string_view> files_;
};

/// Whether a file that said the one says the other now, and with it no more than how objects are: none has
/// come or gone, and nothing is uncertain.
bool isPlainEdit(const api::Manifest& before, const api::Manifest& now) {
  const auto isPlain = [](const api::Manifest& manifest) {
    return manifest.parsed && manifest.declares() && manifest.problems.empty() && manifest.invalid.empty() &&
           !manifest.cut;
  };
  return isPlain(before) && isPlain(now) && before.foreign == now.foreign &&
         std::ranges::equal(before.objects, now.objects, {}, &api::Object::key, &api::Object::key);
}

/// A bell that any thread may ring: an eventfd.
class Bell {
 public:
  Bell() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    check(descriptor_ >= 0, "an eventfd can be had");
  }
  ~Bell() { ::close(descriptor_); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() const { std::ignore = ::eventfd_write(descriptor_, 1); }
  /// Whether it was rung since the last time.
  bool rung() const {
    eventfd_t count = 0;
    return ::eventfd_read(descriptor_, &count) == 0;
  }
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

/// Waits until one of two descriptors is readable or a time has come, on one executor.
class Alarm {
 public:
  /// `changes` may be -1 (never readable); both stay the caller's.
  Alarm(const asio::any_io_executor& executor, int changes, int bell)
      : readable_(executor), bell_(executor, bell), timer_(executor) {
    boost::system::error_code refused;  // then the timer remains
    if (changes >= 0) readable_.assign(changes, refused);
  }
  ~Alarm() {
    if (readable_.is_open()) readable_.release();
    bell_.release();
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  asio::awaitable<void> wait(Clock::time_point until) {
    timer_.expires_at(until);
    constexpr auto readable = asio::posix::stream_descriptor::wait_read;
    if (!readable_.is_open()) {
      auto either = asio::experimental::make_parallel_group(bell_.async_wait(readable, asio::deferred),
                                                            timer_.async_wait(asio::deferred));
      co_await either.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
      co_return;
    }
    auto any = asio::experimental::make_parallel_group(readable_.async_wait(readable, asio::deferred),
                                                       bell_.async_wait(readable, asio::deferred),
                                                       timer_.async_wait(asio::deferred));
    co_await any.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  }

 private:
  asio::posix::stream_descriptor readable_;
  asio::posix::stream_descriptor bell_;
  asio::steady_timer timer_;
};

}  // namespace

struct DirectorySource::State {
  explicit State(DirectoryOptions given)
      : options(std::move(given)), cache(options.settling, options.documents) {
    if (options.watch)
      watcher.emplace(fmt::format("the scan of everything, every {:.3g}s",
                                  std::chrono::duration<double>(options.unwatched).count()));
  }

  SnapshotPtr scan();
  SnapshotPtr update();
  bool hasChangedElsewhere();
  std::shared_ptr<const api::Manifest> reload(const std::filesystem::path& path);
  SnapshotPtr composed(std::set<api::ObjectKey> gone, SystemTime scannedAt);
  std::set<api::ObjectKey> takeRemoved() {
    const std::lock_guard lock(mutex);
    return std::exchange(removed, {});
  }
  asio::awaitable<bool> untilDue();
  using Manifests = std::vector<std::shared_ptr<const api::Manifest>>;
  Manifests load(const std::vector<ManifestFile>& files, SystemTime now);
  static Files filesNamedIn(const Manifests& given);
  void follow(const Files& files);

  DirectoryOptions options;
  std::optional<Watcher> watcher;
  Bell bell;
  ManifestCache cache;
  Tree tree;            // as the last walk found it,
  Manifests manifests;  // and what the files in it say; both brought up to date with written files
  SnapshotPtr last;
  std::set<std::filesystem::path> written;  // files that were closed since
  bool changedElsewhere = true;             // something else has happened since
  std::mutex mutex;
  std::set<api::ObjectKey> removed;  // since the last scan; under the mutex
  Clock::time_point rescanAt;
  Clock::time_point lookAgainAt = Clock::time_point::max();  // when a file that is being written may be whole
};

SnapshotPtr DirectorySource::State::scan() {
  const auto now = std::chrono::system_clock::now();
  std::set<api::ObjectKey> gone = takeRemoved();  // before the walk, which may still see what goes meanwhile
  written.clear();
  changedElsewhere = false;
  Watcher* const watches = watcher ? &*watcher : nullptr;
  if (watches != nullptr) watches->begin();
  tree = walk(options.roots, watches, now);
  manifests = load(tree.files, now);
  if (watches != nullptr) {
    Files named = filesNamedIn(manifests);
    // Those of the scan before, too, as a file that is broken now keeps its last good objects.
    if (last != nullptr) addNamedBy(last->objects, named);
    follow(named);
    watches->end();
    if (watches->problem()) tree.problems.push_back(*watches->problem());
  }
  const bool watched = watches != nullptr && !watches->problem();
  const bool readable = std::ranges::all_of(tree.roots, &Root::complete);
  rescanAt = Clock::now() + std::min({options.rescan, watched ? options.rescan : options.unwatched,
                                      readable ? options.rescan : options.unreadable});
  return composed(std::move(gone), now);
}

SnapshotPtr DirectorySource::State::composed(std::set<api::ObjectKey> gone, SystemTime scannedAt) {
  auto snapshot = compose(tree, manifests, {.snapshot = last.get(), .removed = std::move(gone)}, scannedAt);
  if (options.alone) silenceDanglingReferences(*snapshot, last.get());
  last = std::move(snapshot);
  return last;
}

/// What there is now. Where the kernel has told of nothing but plain edits of files that the last walk met,
/// only they are looked at. The snapshot is of the time of that walk then: what it misses is not missed once
/// more.
SnapshotPtr DirectorySource::State::update() {
  constexpr std::size_t few = 100;
  if (hasChangedElsewhere() || written.empty() || written.size() > few) return scan();
  Manifests changed;
  for (const std::filesystem::path& path : std::exchange(written, {})) {
    auto manifest = reload(path);
    if (manifest == nullptr) return scan();
    changed.push_back(std::move(manifest));
  }
  if (!changed.empty()) follow(filesNamedIn(changed));
  return composed({}, last->scannedAt);
}

bool DirectorySource::State::hasChangedElsewhere() {
  const auto isLocked = [](const Root& root) { return root.gitLocked; };
  const std::lock_guard lock(mutex);
  return changedElsewhere || !watcher || watcher->problem() || last == nullptr || !removed.empty() ||
         Clock::now() >= rescanAt || lookAgainAt != Clock::time_point::max() ||
         std::ranges::any_of(tree.roots, isLocked);
}

/// What one of the files says now; null: it takes a walk to tell.
std::shared_ptr<const api::Manifest> DirectorySource::State::reload(const std::filesystem::path& path) {
  const SystemTime now = std::chrono::system_clock::now();
  const auto known = std::ranges::find(tree.files, path.native(),
                                       [](const ManifestFile& file) -> auto& { return file.path.native(); });
  struct stat status{};
  if (known == tree.files.end() || !known->aliases.empty() || ::lstat(path.c_str(), &status) != 0 ||
      !S_ISREG(status.st_mode) || status.st_nlink != 1)
    return nullptr;
  std::shared_ptr<const api::Manifest>& before =
      manifests[static_cast<std::size_t>(known - tree.files.begin())];
  if (before == nullptr || before->objects.empty()) return nullptr;
  known->stamp = file::stampOf(status);
  auto manifest = cache.load(*known, now, [](const std::filesystem::path&) { return true; });
  if (manifest == nullptr || !isPlainEdit(*before, *manifest)) return nullptr;
  before = manifest;
  return manifest;
}

/// Who scans once waits a little for files that are being written; others look again.
DirectorySource::State::Manifests DirectorySource::State::load(const std::vector<ManifestFile>& files,
                                                               SystemTime now) {
  constexpr std::chrono::seconds patience{5};
  const auto end = Clock::now() + patience;
  HeldFiles held(last.get());
  for (;;) {
    auto loaded = cache.load(files, now, std::ref(held));
    std::optional<std::chrono::milliseconds> wait;
    for (const auto& manifest : loaded) {
      if (manifest == nullptr || !manifest->lookAgainIn) continue;
      wait = std::min(wait.value_or(*manifest->lookAgainIn), *manifest->lookAgainIn);
    }
    lookAgainAt = wait ? Clock::now() + *wait : Clock::time_point::max();
    if (watcher || lookAgainAt > end) return loaded;
    std::this_thread::sleep_until(lookAgainAt);
  }
}

Files DirectorySource::State::filesNamedIn(const Manifests& given) {
  Files files;
  for (const auto& manifest : given) {
    if (manifest != nullptr) addNamedBy(manifest->objects, files);
  }
  return files;
}

/// Files that the manifests name matter, wherever they lie.
void DirectorySource::State::follow(const Files& files) {
  std::set<std::filesystem::path> folders;
  for (const std::filesystem::path file : files) {
    if (folders.insert(file.parent_path()).second) watcher->follow(file.parent_path());
    watcher->watchEntry(file.parent_path(), file.filename());
    std::error_code unknown;
    if (std::filesystem::is_symlink(file, unknown)) watcher->follow(file);
  }
}

/// Until the next scan is due, or the coroutine was cancelled: after a change, once it has been quiet for a
/// while; but changes without end do not put it off for ever. False: the scan may find nothing new.
asio::awaitable<bool> DirectorySource::State::untilDue() {
  Alarm alarm(co_await asio::this_coro::executor, watcher ? watcher->descriptor() : -1, bell.descriptor());
  std::optional<Clock::time_point> latest;
  std::chrono::microseconds quiet = options.debounce;
  quiet /= 8;
  bool certain = false;
  for (Clock::time_point due = std::min(rescanAt, lookAgainAt);;) {
    const Clock::time_point now = Clock::now();
    const Watcher::News news = watcher ? watcher->drain() : Watcher::News::None;
    if (watcher) {
      std::set<std::filesystem::path> closed = watcher->takeClosed();
      for (const std::filesystem::path& file : closed) cache.closed(file);
      written.merge(closed);
      if (watcher->takeOther()) changedElsewhere = true;
    }
    if (news != Watcher::News::None) {
      certain = certain || news == Watcher::News::Certain;
      if (!latest) latest = now + options.debounceLimit;
      due = std::min(now + quiet, *latest);
      quiet = std::min<std::chrono::microseconds>(2 * quiet, options.debounce);
    }
    if (bell.rung() || now >= rescanAt) co_return true;
    if (now >= due) co_return certain;
    co_await alarm.wait(due);
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return true;
  }
}

DirectorySource::DirectorySource(DirectoryOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

DirectorySource::~DirectorySource() = default;

SnapshotPtr DirectorySource::scan() { return state_->scan(); }

void DirectorySource::wake() { state_->bell.ring(); }

void DirectorySource::removed(const api::ObjectKey& key) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->removed.insert(key);
  }
  state_->bell.ring();
}

asio::awaitable<SnapshotPtr> DirectorySource::next() {
  if (state_->last == nullptr) co_return scan();
  const bool throwing = co_await asio::this_coro::throw_if_cancelled();
  SnapshotPtr news;
  while (news == nullptr) {
    co_await asio::this_coro::throw_if_cancelled(false);
    const bool certain = co_await state_->untilDue();
    co_await asio::this_coro::throw_if_cancelled(throwing);
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return nullptr;
    const SnapshotPtr before = state_->last;
    SnapshotPtr found = state_->update();
    if (certain || !saysTheSame(*before, *found)) news = std::move(found);
  }
  co_return news;
}

}  // namespace rookery::source
