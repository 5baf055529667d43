#include "image/inspector.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "image/digest.h"
#include "image/file.h"
#include "image/solo5.h"

namespace rookery::image {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t hashBufferSize = 1U << 17U;
constexpr std::size_t maxRemembered = 10'000;
constexpr int attempts = 3;  // to read one version of a file
constexpr std::chrono::milliseconds askAgain{1'000};

// The coarsest time stamps of a file system (FAT): two changes within it may carry the same stamp.
constexpr std::chrono::seconds stampGranularity{2};

/// A file whose last change is so recent that another one could have left the same stamp must be read again
/// next time, or an edit of the same size right after the reading would never be seen.
bool mayChangeUnseen(const Stamp& stamp, std::chrono::system_clock::time_point readAt) {
  const auto now = std::chrono::floor<std::chrono::seconds>(readAt.time_since_epoch());
  return stamp.changed.seconds >= (now - stampGranularity).count();
}

Result<std::string> digestOf(const File& file, const Inspector::Progress& progress) {
  Sha256 hash;
  std::vector<char> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(hashBufferSize, file.size())));
  for (std::uint64_t offset = 0; offset < file.size();) {
    if (progress && !progress(offset))
      return fail(Reason::Cancelled, fmt::format("Reading {} was cancelled.", file.name()));
    const std::span<char> part = std::span(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), file.size() - offset)));
    if (const Result<void> filled = file.readInto(offset, part); !filled)
      return std::unexpected(filled.error());
    hash.update(part);
    offset += part.size();
  }
  return hash.finish();
}

/// The notes first: what is no image is refused without hashing it.
Result<Image> readImage(const File& file, const fs::path& path, const Inspector::Progress& progress,
                        Content content) {
  const Result<Manifest> manifest = content == Content::Any ? Manifest{} : parseImage(file);
  if (!manifest) return file.unchanged() ? std::unexpected(manifest.error()) : file.changed();
  const Result<std::string> digest = digestOf(file, progress);
  if (!digest) return std::unexpected(digest.error());
  if (!file.unchanged()) return file.changed();
  return Image{.path = path, .size = file.size(), .digest = *digest, .manifest = *manifest};
}

Error notWhole(const fs::path& path, const file::BeingWritten& writing) {
  return {Reason::BeingWritten,
          fmt::format("Image {} is being written: {}. It counts once it is whole; rename "
                      "a finished file to its place to spare that.",
                      path.string(), writing.why())};
}

/// What is remembered of one path. Its mutex is held while the file is read, so that others who ask wait for
/// the answer rather than read it, too.
struct Entry {
  std::mutex mutex;
  Stamp stamp;
  std::optional<Result<Image>> image;  // valid as long as the file has `stamp`

  bool holds(const std::optional<Stamp>& present) const { return image && present == stamp; }
};

}  // namespace

struct Inspector::State {
  using Key = std::pair<std::string, Content>;

  explicit State(Options chosen) : options(std::move(chosen)) {}

  std::shared_ptr<Entry> entry(const fs::path& path, Content content) {
    const Key key{path.native(), content};
    const std::scoped_lock lock(mutex);
    // Starting afresh is as good as any order of eviction for who goes round more files than fit.
    if (entries.size() >= maxRemembered && !entries.contains(key)) entries.clear();
    std::shared_ptr<Entry>& found = entries[key];
    if (!found) found = std::make_shared<Entry>();
    return found;
  }

  void forget(const fs::path& path, Content content) {
    const std::scoped_lock lock(mutex);
    entries.erase(Key{path.native(), content});
  }

  /// Why a file is not to be read at all.
  std::optional<Error> tooLarge(const File& file) const {
    if (file.size() <= options.largest) return std::nullopt;
    return Error{Reason::ImageTooLarge,
                 fmt::format("{} has {} bytes, and one may have {} at most (--max-image-size)", file.name(),
                             file.size(), options.largest)};
  }

  const Options options;
  std::atomic<std::uint64_t> filesRead = 0;
  std::mutex mutex;  // guards entries, not what they point to
  std::map<Key, std::shared_ptr<Entry>> entries;
};

Inspector::Inspector(Options options) : state_(std::make_unique<State>(std::move(options))) {}

Inspector::~Inspector() = default;

Inspector::Glance Inspector::glance(const fs::path& path, file::Settling& settling, Content content) {
  const std::shared_ptr<Entry> entry = state_->entry(path, content);
  const std::unique_lock lock(entry->mutex, std::try_to_lock);  // else it is being read
  if (lock && entry->holds(stampOf(path))) return {.image = entry->image};
  const Result<File> file = File::open(path);
  if (!file) {
    state_->forget(path, content);
    const bool written = file.error().reason == Reason::BeingWritten;
    return {.image = std::unexpected(file.error()),
            .lookAgainIn = written ? std::optional(askAgain) : std::nullopt,
            .open = written};
  }
  if (const auto writing = file->beingWritten(settling))
    return {.image = std::unexpected(notWhole(path, *writing)),
            .lookAgainIn = writing->lookAgainIn,
            .open = writing->open};
  if (auto error = state_->tooLarge(*file)) return {.image = std::unexpected(std::move(*error))};
  return {.image = std::nullopt, .stamp = file->stamp()};
}

void Inspector::await(const fs::path& path, file::Settling& settling, Content content) {
  const auto end = std::chrono::steady_clock::now() + file::longestQuiet;
  for (;;) {
    const Glance seen = glance(path, settling, content);
    if (!seen.lookAgainIn || seen.open || std::chrono::steady_clock::now() >= end) return;
    std::this_thread::sleep_for(*seen.lookAgainIn);
  }
}

Result<Image> Inspector::inspect(const fs::path& path, file::Settling* settling, const Progress& progress,
                                 Content content) {
  const std::shared_ptr<Entry> entry = state_->entry(path, content);
  const std::scoped_lock lock(entry->mutex);
  if (entry->holds(stampOf(path))) return *entry->image;
  entry->image.reset();
  for (int attempt = 1;; ++attempt) {
    const std::chrono::system_clock::time_point readAt = state_->options.now();
    const Result<File> file = File::open(path);
    if (!file) {
      state_->forget(path, content);
      return std::unexpected(file.error());
    }
    if (settling != nullptr) {
      if (const auto writing = file->beingWritten(*settling))
        return std::unexpected(notWhole(path, *writing));
    }
    if (auto error = state_->tooLarge(*file)) return std::unexpected(std::move(*error));
    ++state_->filesRead;
    Result<Image> image = readImage(*file, path, progress, content);
    if (!image && image.error().reason == Reason::ImageChanged && attempt < attempts) continue;
    const bool told = image || image.error().reason == Reason::ImageInvalid;
    if (told && !mayChangeUnseen(file->stamp(), readAt)) {
      entry->stamp = file->stamp();
      entry->image = image;
    }
    return image;
  }
}

std::uint64_t Inspector::filesRead() const { return state_->filesRead; }

}  // namespace rookery::image
