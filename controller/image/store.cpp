#include "image/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "file/atomic.h"
#include "file/content.h"
#include "file/disk.h"
#include "image/digest.h"
#include "image/file.h"
#include "image/solo5.h"

namespace rookery::image {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view imageSuffix = ".img";
constexpr std::string_view usedSuffix = ".used";
constexpr std::string_view incomingPrefix = ".incoming-";
constexpr mode_t fileMode = 0600;
/// Room is looked for in steps: bytes that may be written before the next look.
constexpr std::uint64_t largestStep = std::uint64_t{16} << 20;

bool isDigest(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::unexpected<Error> unwritable(const fs::path& folder, int cause) {
  return fail(Reason::StoreUnwritable,
              fmt::format("The image store {} cannot take an image: {}. {}", folder.string(),
                          std::generic_category().message(cause), file::remedyFor(cause, folder)));
}

std::unexpected<Error> diskFull(const fs::path& folder, std::uint64_t reserve) {
  return fail(Reason::StoreUnwritable,
              fmt::format("The image store {} cannot take an image: {}. {}", folder.string(),
                          file::noRoomBut(reserve), file::remedyFor(ENOSPC, folder)));
}

Error tooLarge(std::uint64_t limit) {
  return {Reason::ImageTooLarge,
          fmt::format("the image is larger than {} bytes, the most that one may have here", limit)};
}

/// What `size` is beyond `room`.
std::uint64_t excessOf(std::uint64_t size, std::uint64_t room) { return size - std::min(size, room); }

/// The digest in the name of a file of the store; empty: it is not such a file.
std::string digestIn(const fs::path& file, std::string_view suffix) {
  const std::string name = file.filename().string();
  if (!name.ends_with(suffix)) return {};
  const std::string digest = name.substr(0, name.size() - suffix.size());
  return isDigest(digest) ? digest : std::string();
}

std::optional<struct stat> statusOf(const fs::path& file) {
  struct stat status{};
  if (::lstat(file.c_str(), &status) != 0) return std::nullopt;
  return status;
}

/// The size of a regular file.
std::optional<std::uint64_t> sizeOf(const fs::path& file) {
  const auto status = statusOf(file);
  if (!status || !S_ISREG(status->st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status->st_size);
}

int openFolder(const fs::path& folder) {
  if (const int cause = file::makeFolder(folder); cause != 0) return cause;
  return ::access(folder.c_str(), R_OK | W_OK | X_OK) == 0 ? 0 : errno;
}

/// Removes what a process that was killed left: images that were on their way, and times of use without an
/// image.
void removeLeftovers(const fs::path& folder) {
  for (const fs::path& entry : file::entriesOf(folder)) {
    const std::string digest = digestIn(entry, usedSuffix);
    const bool orphaned = !digest.empty() && !sizeOf(folder / (digest + std::string(imageSuffix)));
    if (orphaned || entry.filename().string().starts_with(incomingPrefix)) ::unlink(entry.c_str());
  }
}

/// An open file's bytes under the name that its owner knows it by.
class NamedSource : public ByteSource {
 public:
  NamedSource(const File& file, const std::string& name) : file_(file), name_(name) {}
  std::string name() const override { return name_; }
  std::uint64_t size() const override { return file_.size(); }
  Result<std::string> read(std::uint64_t offset, std::size_t length) const override {
    return file_.read(offset, length);
  }

 private:
  const File& file_;
  const std::string& name_;
};

}  // namespace

/// What the store and all that it gave out share.
struct ImageStore::State {
  /// The Stored objects of one image.
  struct Lease {
    unsigned holders = 0;
    bool provisional = false;  // it came with one of them, and nobody has kept it
  };
  struct Kept {
    std::string digest;
    std::uint64_t size;
    timespec used;
  };

  /// What may still come, in bytes.
  struct Room {
    std::uint64_t stored = 0;  // bytes of all images
    std::uint64_t budget = 0;  // within the capacity, and not reserved
    file::DiskRoom disk;       // left: but for what others have reserved
  };
  /// Bytes of files.
  struct Amounts {
    std::uint64_t stored = 0;
    std::uint64_t arrived = 0;  // of images that are on their way
  };

  State(fs::path where, Options chosen) : folder(std::move(where)), options(std::move(chosen)) {}

  fs::path imageOf(std::string_view digest) const {
    return folder / fmt::format("{}{}", digest, imageSuffix);
  }
  fs::path useOf(std::string_view digest) const { return folder / fmt::format("{}{}", digest, usedSuffix); }

  Result<void> reserve(Incoming::File& file, std::uint64_t bytes);
  void rest(Incoming::File& file);
  bool resume(Incoming::File& file);
  void forget(Incoming::File& file);
  Result<void> take(Incoming::File& file, const std::string& digest);
  void release(const std::string& digest);
  void keep(const std::string& digest);
  void noteUse(std::string_view digest) const;
  timespec lastUse(std::string_view digest) const;
  std::vector<Kept> listed() const;
  Amounts amounts() const;
  std::optional<std::vector<Kept>> unused() const;
  void remove(const std::vector<Kept>& images, std::uint64_t& excess) const;
  void remove(const std::string& digest) const;
  Room room(std::uint64_t size, std::uint64_t held) const;
  Room room(const Incoming::File& file) const;
  std::uint64_t removable(const std::optional<std::vector<Kept>>& images) const;
  bool makeRoom(std::uint64_t bytes);
  void takeAway(Incoming::File& file);
  std::unexpected<Error> full(const Room& room, std::uint64_t more, bool known) const;

  const fs::path folder;
  const Options options;
  std::mutex mutex;  // guards what follows, and which images there are
  std::map<std::string, Lease> leases;
  std::uint64_t reserved = 0;            // by all that is on its way: its bytes, and those that may come
  std::vector<Incoming::File*> resting;  // the longest first
};

/// The file that an image is written to; removed unless it has become one of the store.
struct ImageStore::Incoming::File {
  explicit File(std::shared_ptr<State> of)
      : state(std::move(of)), path((state->folder / fmt::format("{}XXXXXX", incomingPrefix)).string()) {
    descriptor = ::mkostemp(path.data(), O_CLOEXEC);
    if (descriptor < 0) failed = unwritable(state->folder, errno).error();
  }
  ~File() {
    if (descriptor < 0) return;
    ::close(descriptor);
    if (!path.empty()) ::unlink(path.c_str());
    state->forget(*this);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::unexpected<Error> giveUp(Error error) {
    failed = std::move(error);
    return std::unexpected(*failed);
  }

  /// Nothing is written after that.
  const std::string& finished() {
    if (digest.empty()) digest = hash.finish();
    return digest;
  }

  std::shared_ptr<State> state;
  std::string path;  // empty: it has another name now, or none
  int descriptor = -1;
  Sha256 hash;
  std::uint64_t size = 0;
  std::uint64_t reserved = 0;  // its part of the store's
  std::uint64_t cleared = 0;   // the size up to which there was room on the disk
  std::string digest;          // raw; empty while more may be written
  std::optional<Error> failed;
};

/// Room for so many bytes beyond its size, and for some more so that it need not be asked for each of them.
Result<void> ImageStore::State::reserve(Incoming::File& file, std::uint64_t bytes) {
  const std::uint64_t end = file.size + bytes;
  if (end <= file.reserved && end <= file.cleared) return {};
  const std::lock_guard lock(mutex);
  const std::uint64_t more = excessOf(end, file.reserved);
  Room now = room(file);
  if (more > now.budget || bytes > now.disk.left) {
    const bool known = makeRoom(std::max(excessOf(more, now.budget), excessOf(bytes, now.disk.left)));
    now = room(file);
    if (more > now.budget) return full(now, more, known);
    if (bytes > now.disk.left) return diskFull(folder, now.disk.reserve);
  }
  // Where there is little, one that is in need of less must not hold what another needs.
  const std::uint64_t step = std::min({largestStep, options.capacity / 1024, now.disk.left / 16});
  if (more > 0) {
    const std::uint64_t granted = std::min(more + step, now.budget);
    file.reserved += granted;
    reserved += granted;
  }
  file.cleared = file.size + step;  // others than this process write to the disk, too
  return {};
}

void ImageStore::State::rest(Incoming::File& file) {
  const std::lock_guard lock(mutex);
  reserved -= file.reserved - file.size;
  file.reserved = file.size;
  resting.push_back(&file);
}

bool ImageStore::State::resume(Incoming::File& file) {
  const std::lock_guard lock(mutex);
  return std::erase(resting, &file) > 0;
}

/// The end of its file.
void ImageStore::State::forget(Incoming::File& file) {
  const std::lock_guard lock(mutex);
  std::erase(resting, &file);
  reserved -= std::exchange(file.reserved, 0);
}

/// The image in the file is one of the store's, and somebody holds it.
Result<void> ImageStore::State::take(Incoming::File& file, const std::string& digest) {
  const std::lock_guard lock(mutex);
  const fs::path image = imageOf(digest);
  const std::optional<std::uint64_t> present = sizeOf(image);
  // One of another size is broken: the new one mends it.
  const bool moved = present != file.size;
  if (moved && std::rename(file.path.c_str(), image.c_str()) != 0) return unwritable(folder, errno);
  if (!moved) ::unlink(file.path.c_str());
  file.path.clear();
  reserved -= std::exchange(file.reserved, 0);
  if (const int cause = moved ? file::syncFolder(folder) : 0; cause != 0) {
    if (!present) remove(digest);
    return unwritable(folder, cause);
  }
  Lease& lease = leases[digest];
  ++lease.holders;
  if (!present) lease.provisional = true;
  noteUse(digest);
  // The capacity may have been larger once.
  std::uint64_t excess = excessOf(amounts().stored + reserved, options.capacity);
  if (const auto images = unused()) remove(*images, excess);
  return {};
}

void ImageStore::State::release(const std::string& digest) {
  const std::lock_guard lock(mutex);
  const auto lease = leases.find(digest);
  if (--lease->second.holders > 0) return;
  if (lease->second.provisional) remove(digest);
  leases.erase(lease);
}

void ImageStore::State::keep(const std::string& digest) {
  const std::lock_guard lock(mutex);
  leases.at(digest).provisional = false;
}

/// Only the order in which images go depends on it: what fails here is no failure.
void ImageStore::State::noteUse(std::string_view digest) const {
  const int descriptor = ::open(useOf(digest).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, fileMode);
  if (descriptor < 0) return;
  // Not UTIME_NOW: the kernel's own idea of now is as coarse as its timer.
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const timespec times[] = {now, now};
  std::ignore = ::futimens(descriptor, times);
  ::close(descriptor);
}

timespec ImageStore::State::lastUse(std::string_view digest) const {
  auto status = statusOf(useOf(digest));
  if (!status) status = statusOf(imageOf(digest));
  return status ? status->st_mtim : timespec{};
}

std::vector<ImageStore::State::Kept> ImageStore::State::listed() const {
  std::vector<Kept> images;
  for (const fs::path& entry : file::entriesOf(folder)) {
    std::string digest = digestIn(entry, imageSuffix);
    const auto size = sizeOf(entry);
    if (digest.empty() || !size) continue;
    const timespec used = lastUse(digest);
    images.push_back({std::move(digest), *size, used});
  }
  return images;
}

ImageStore::State::Amounts ImageStore::State::amounts() const {
  Amounts found;
  for (const fs::path& entry : file::entriesOf(folder)) {
    if (!digestIn(entry, imageSuffix).empty()) found.stored += sizeOf(entry).value_or(0);
    if (entry.filename().string().starts_with(incomingPrefix)) found.arrived += sizeOf(entry).value_or(0);
  }
  return found;
}

/// The images that nobody uses or holds, the least recently used first; nothing: that is not known now.
std::optional<std::vector<ImageStore::State::Kept>> ImageStore::State::unused() const {
  const auto used = options.inUse ? options.inUse() : std::set<std::string>();
  if (!used) return std::nullopt;
  std::vector<Kept> images = listed();
  for (const Kept& image : images) {
    if (used->contains(image.digest)) noteUse(image.digest);
  }
  std::erase_if(images, [&](const Kept& image) {
    return used->contains(image.digest) || leases.contains(image.digest);
  });
  std::ranges::sort(images, {},
                    [](const Kept& image) { return std::pair(image.used.tv_sec, image.used.tv_nsec); });
  return images;
}

/// Removes the first of them until `excess` bytes are gone, and counts those off.
void ImageStore::State::remove(const std::vector<Kept>& images, std::uint64_t& excess) const {
  for (const Kept& image : images) {
    if (excess == 0) return;
    remove(image.digest);
    excess -= std::min(excess, image.size);
  }
}

/// For one of which `size` bytes have come, and that has `held` of what is reserved.
ImageStore::State::Room ImageStore::State::room(std::uint64_t size, std::uint64_t held) const {
  const Amounts now = amounts();
  file::DiskRoom disk = file::diskRoom(folder);
  const std::uint64_t promised = excessOf(reserved - held + size, now.arrived);
  disk.left = excessOf(disk.left, promised);
  return {.stored = now.stored, .budget = excessOf(options.capacity, now.stored + reserved), .disk = disk};
}

ImageStore::State::Room ImageStore::State::room(const Incoming::File& file) const {
  return room(file.size, file.reserved);
}

/// Bytes of these, and of what rests.
std::uint64_t ImageStore::State::removable(const std::optional<std::vector<Kept>>& images) const {
  std::uint64_t most = 0;
  for (const Kept& image : images.value_or(std::vector<Kept>())) most += image.size;
  for (const Incoming::File* file : resting) most += file->size;
  return most;
}

/// Frees so many bytes, or none where there are not as many to be freed. False: which images are in use is
/// not known now.
bool ImageStore::State::makeRoom(std::uint64_t bytes) {
  const auto images = unused();
  if (bytes > removable(images)) return images.has_value();
  if (images) remove(*images, bytes);
  while (bytes > 0) {
    Incoming::File& file = *resting.front();
    bytes -= std::min(bytes, file.size);
    takeAway(file);
  }
  return images.has_value();
}

/// Of one that rests: it is open still, so that removing its name alone would free nothing.
void ImageStore::State::takeAway(Incoming::File& file) {
  std::erase(resting, &file);
  reserved -= std::exchange(file.reserved, 0);
  ::unlink(file.path.c_str());
  file.path.clear();
  std::ignore = ::ftruncate(file.descriptor, 0);
}

std::unexpected<Error> ImageStore::State::full(const Room& room, std::uint64_t more, bool known) const {
  const std::string_view why = known ? "too little of that is in nobody's use and could be removed"
                                     : "which images are in use is not known yet, so that none is removed";
  return fail(
      Reason::StoreUnwritable,
      fmt::format("The image store {} has no room for {} more: of the {} that it may have, images take {}, "
                  "and those that are on their way {}; {}. Raise --image-store-size, or remove Unikernels "
                  "whose images are not needed.",
                  folder.string(), file::inUnits(more), file::inUnits(options.capacity),
                  file::inUnits(room.stored), file::inUnits(reserved), why));
}

void ImageStore::State::remove(const std::string& digest) const {
  ::unlink(imageOf(digest).c_str());
  ::unlink(useOf(digest).c_str());
}

// -- ImageStore ---------------------------------------------------------------------------------------------

ImageStore::ImageStore(std::shared_ptr<State> state) : state_(std::move(state)) {}
ImageStore::~ImageStore() = default;

Result<std::unique_ptr<ImageStore>> ImageStore::open(const fs::path& folder, Options options) {
  const int cause = options.readOnly ? 0 : openFolder(folder);
  if (cause != 0) return unwritable(folder, cause);
  std::error_code error;
  const fs::path real = fs::weakly_canonical(folder, error);
  if (error) return unwritable(folder, error.value());
  if (!options.readOnly) removeLeftovers(real);
  return std::unique_ptr<ImageStore>(new ImageStore(std::make_shared<State>(real, std::move(options))));
}

const fs::path& ImageStore::folder() const { return state_->folder; }

std::uint64_t ImageStore::largestImage() const { return state_->options.largestImage; }

ImageStore::Usage ImageStore::usage() const {
  const std::lock_guard lock(state_->mutex);
  const State::Amounts amounts = state_->amounts();
  Usage usage{.used = amounts.stored + amounts.arrived, .capacity = state_->options.capacity};
  if (const auto unused = state_->unused()) {
    for (const State::Kept& image : *unused) usage.removable += image.size;
  }
  return usage;
}

fs::path ImageStore::path(std::string_view sha256) const {
  check(isDigest(sha256), "an image is called by its SHA-256");
  return state_->imageOf(sha256);
}

bool ImageStore::contains(std::string_view sha256) const { return sizeOf(path(sha256)).has_value(); }

void ImageStore::discard(std::string_view sha256) {
  if (state_->options.readOnly) return;
  const std::lock_guard lock(state_->mutex);
  state_->remove(std::string(sha256));
}

void ImageStore::touch(std::string_view sha256) {
  if (state_->options.readOnly) return;
  const std::lock_guard lock(state_->mutex);
  if (contains(sha256)) state_->noteUse(sha256);
}

// -- Incoming -----------------------------------------------------------------------------------------------

Result<ImageStore::Incoming> ImageStore::begin() {
  if (state_->options.readOnly) return unwritable(state_->folder, EROFS);
  auto file = std::make_unique<Incoming::File>(state_);
  if (file->failed) return std::unexpected(*file->failed);
  if (auto room = state_->reserve(*file, 1); !room) return std::unexpected(room.error());
  return Incoming(std::move(file));
}

Result<void> ImageStore::hasRoomFor(std::uint64_t bytes) const {
  const Options& options = state_->options;
  if (options.readOnly) return unwritable(state_->folder, EROFS);
  if (bytes > options.largestImage) return std::unexpected(tooLarge(options.largestImage));
  const std::lock_guard lock(state_->mutex);
  const State::Room now = state_->room(0, 0);
  if (bytes <= std::min(now.budget, now.disk.left)) return {};
  const auto images = state_->unused();
  const std::uint64_t removable = state_->removable(images);
  if (excessOf(bytes, now.budget) > removable) return state_->full(now, bytes, images.has_value());
  if (excessOf(bytes, now.disk.left) > removable) return diskFull(state_->folder, now.disk.reserve);
  return {};
}

ImageStore::Incoming::Incoming(std::unique_ptr<File> file) : file_(std::move(file)) {}
ImageStore::Incoming::Incoming(Incoming&&) noexcept = default;
ImageStore::Incoming& ImageStore::Incoming::operator=(Incoming&&) noexcept = default;
ImageStore::Incoming::~Incoming() = default;

std::uint64_t ImageStore::Incoming::size() const { return file_->size; }

fs::path ImageStore::Incoming::path() const { return file_->path; }

std::string ImageStore::Incoming::sha256() { return toHex(file_->finished()); }

Result<void> ImageStore::Incoming::reserve(std::uint64_t bytes) {
  return file_->state->reserve(*file_, bytes);
}

void ImageStore::Incoming::rest() { file_->state->rest(*file_); }

bool ImageStore::Incoming::resume() { return file_->state->resume(*file_); }

Result<void> ImageStore::Incoming::write(std::string_view bytes) {
  File& file = *file_;
  check(file.digest.empty(), "an image that was looked at takes no more bytes");
  if (file.failed) return std::unexpected(*file.failed);
  const std::uint64_t limit = file.state->options.largestImage;
  if (bytes.size() > limit - file.size) return file.giveUp(tooLarge(limit));
  if (auto room = reserve(bytes.size()); !room) return file.giveUp(std::move(room.error()));
  file.hash.update(bytes);
  file.size += bytes.size();
  const int cause = file::writeAll(file.descriptor, bytes);
  if (cause != 0) return file.giveUp(unwritable(file.state->folder, cause).error());
  return {};
}

Result<Image> ImageStore::Incoming::inspect(const std::string& name) {
  if (file_->failed) return std::unexpected(*file_->failed);
  const std::string& digest = file_->finished();
  const auto opened = image::File::open(file_->path);
  if (!opened) return std::unexpected(opened.error());
  const auto manifest = parseImage(NamedSource(*opened, name));
  if (!manifest) return std::unexpected(manifest.error());
  return Image{.path = file_->state->imageOf(toHex(digest)),
               .size = file_->size,
               .digest = digest,
               .manifest = *manifest};
}

Result<ImageStore::Stored> ImageStore::Incoming::commit() {
  const std::unique_ptr<File> file = std::move(file_);  // whatever comes of it, this is its end
  if (file->failed) return std::unexpected(*file->failed);
  if (::fsync(file->descriptor) != 0) return unwritable(file->state->folder, errno);
  std::string sha256 = toHex(file->finished());
  if (auto taken = file->state->take(*file, sha256); !taken) return std::unexpected(taken.error());
  return Stored(file->state, std::move(sha256), file->size);
}

// -- Stored -------------------------------------------------------------------------------------------------

ImageStore::Stored::Stored(std::shared_ptr<State> state, std::string sha256, std::uint64_t size)
    : state_(std::move(state)), sha256_(std::move(sha256)), size_(size) {}

ImageStore::Stored::Stored(Stored&& other) noexcept
    : state_(std::move(other.state_)), sha256_(std::move(other.sha256_)), size_(other.size_) {}

ImageStore::Stored& ImageStore::Stored::operator=(Stored&& other) noexcept {
  std::swap(state_, other.state_);
  std::swap(sha256_, other.sha256_);
  std::swap(size_, other.size_);
  return *this;
}

ImageStore::Stored::~Stored() {
  if (state_) state_->release(sha256_);
}

fs::path ImageStore::Stored::path() const { return state_->imageOf(sha256_); }

void ImageStore::Stored::keep() { state_->keep(sha256_); }

}  // namespace rookery::image
