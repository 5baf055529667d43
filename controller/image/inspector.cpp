#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "image/digest.h"
#include "image/file.h"
#include "image/image.h"
#include "image/solo5.h"

namespace rookery::image {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t hashBufferSize = 1U << 17U;
constexpr std::size_t maxRemembered = 10'000;

// The coarsest time stamps of a file system (FAT): two changes within it may carry the same stamp.
constexpr std::chrono::seconds stampGranularity{2};

/// A file whose last change is so recent that another one could have left the same stamp must be read again
/// next time, or an edit of the same size right after the reading would never be seen.
bool mayChangeUnseen(const Stamp& stamp, std::chrono::system_clock::time_point readAt) {
  const auto now = std::chrono::floor<std::chrono::seconds>(readAt.time_since_epoch());
  return stamp.changed.seconds >= (now - stampGranularity).count();
}

Result<std::string> digestOf(const File& file) {
  Sha256 hash;
  std::vector<char> buffer(hashBufferSize);
  for (std::uint64_t offset = 0; offset < file.size();) {
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
Result<Image> readImage(const File& file, const fs::path& path) {
  const Result<Manifest> manifest = parseImage(file);
  if (!manifest) return file.unchanged() ? std::unexpected(manifest.error()) : file.changed();
  const Result<std::string> digest = digestOf(file);
  if (!digest) return std::unexpected(digest.error());
  if (!file.unchanged()) return file.changed();
  return Image{.path = path, .size = file.size(), .digest = *digest, .manifest = *manifest};
}

/// What is remembered of one path. Its mutex is held while the file is read, so that others who ask wait for
/// the answer rather than read it, too.
struct Entry {
  std::mutex mutex;
  Stamp stamp;
  std::optional<Image> image;  // valid as long as the file has `stamp`
};

}  // namespace

struct Inspector::State {
  explicit State(Clock clock) : now(std::move(clock)) {}

  std::shared_ptr<Entry> entry(const fs::path& path) {
    const std::scoped_lock lock(mutex);
    // Starting afresh is as good as any order of eviction for who goes round more files than fit.
    if (entries.size() >= maxRemembered && !entries.contains(path.native())) entries.clear();
    std::shared_ptr<Entry>& found = entries[path.native()];
    if (!found) found = std::make_shared<Entry>();
    return found;
  }

  void forget(const fs::path& path) {
    const std::scoped_lock lock(mutex);
    entries.erase(path.native());
  }

  Clock now;
  std::atomic<std::uint64_t> filesRead = 0;
  std::mutex mutex;  // guards entries, not what they point to
  std::unordered_map<std::string, std::shared_ptr<Entry>> entries;
};

Inspector::Inspector(Clock now) : state_(std::make_unique<State>(std::move(now))) {}

Inspector::~Inspector() = default;

Result<Image> Inspector::inspect(const fs::path& path) {
  const std::shared_ptr<Entry> entry = state_->entry(path);
  const std::scoped_lock lock(entry->mutex);
  if (entry->image && stampOf(path) == entry->stamp) return *entry->image;

  entry->image.reset();
  const std::chrono::system_clock::time_point readAt = state_->now();
  const Result<File> file = File::open(path);
  if (!file) {
    state_->forget(path);
    return std::unexpected(file.error());
  }
  ++state_->filesRead;
  Result<Image> image = readImage(*file, path);
  if (image && !mayChangeUnseen(file->stamp(), readAt)) {
    entry->stamp = file->stamp();
    entry->image = *image;
  }
  return image;
}

std::uint64_t Inspector::filesRead() const { return state_->filesRead; }

}  // namespace rookery::image
