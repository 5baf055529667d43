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

#include "image/digest.h"
#include "image/file.h"
#include "image/solo5.h"

namespace rookery::image {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view imageSuffix = ".img";
constexpr std::string_view usedSuffix = ".used";
constexpr std::string_view incomingPrefix = ".incoming-";
constexpr mode_t folderMode = 0700;
constexpr mode_t fileMode = 0600;

bool isDigest(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string_view remedyFor(int cause) {
  switch (cause) {
    case ENOSPC:
    case EDQUOT:
      return "Make room on its file system, or raise the quota, and try again.";
    case EFBIG:
      return "Raise the limit on the size of files (ulimit -f), and try again.";
    case EROFS:
      return "Mount its file system writable, or choose another folder.";
    case EACCES:
    case EPERM:
      return "Let the user that rookery runs as write to it.";
    default:
      return "Look into the folder, and try again.";
  }
}

std::unexpected<Error> unwritable(const fs::path& folder, int cause) {
  return fail(Reason::StoreUnwritable,
              fmt::format("The image store {} cannot take an image: {}. {}", folder.string(),
                          std::generic_category().message(cause), remedyFor(cause)));
}

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

/// Everything in a folder; what cannot be listed is left out.
std::vector<fs::path> entriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    entries.push_back(entry->path());
  return entries;
}

int syncFolder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int cause = descriptor < 0 || ::fsync(descriptor) != 0 ? errno : 0;
  if (descriptor >= 0) ::close(descriptor);
  return cause == EINVAL ? 0 : cause;  // a file system without fsync on folders
}

int makeFolder(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (error) return error.value();
  if (::mkdir(folder.c_str(), folderMode) != 0 && errno != EEXIST) return errno;
  return ::access(folder.c_str(), R_OK | W_OK | X_OK) == 0 ? 0 : errno;
}

/// Removes what a process that was killed left: images that were on their way, and times of use without an
/// image.
void removeLeftovers(const fs::path& folder) {
  for (const fs::path& entry : entriesOf(folder)) {
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

  State(fs::path where, Options chosen) : folder(std::move(where)), options(std::move(chosen)) {}

  fs::path imageOf(std::string_view digest) const {
    return folder / fmt::format("{}{}", digest, imageSuffix);
  }
  fs::path useOf(std::string_view digest) const { return folder / fmt::format("{}{}", digest, usedSuffix); }

  Result<void> take(std::string& arrived, const std::string& digest, std::uint64_t size);
  void release(const std::string& digest);
  void keep(const std::string& digest);
  void noteUse(std::string_view digest) const;
  timespec lastUse(std::string_view digest) const;
  std::vector<Kept> listed() const;
  void makeRoom() const;
  void remove(const std::string& digest) const;

  const fs::path folder;
  const Options options;
  std::mutex mutex;  // guards leases, and which images there are
  std::map<std::string, Lease> leases;
};

/// The image in the file `arrived` is one of the store's, and somebody holds it. Clears `arrived` when that
/// is the file.
Result<void> ImageStore::State::take(std::string& arrived, const std::string& digest, std::uint64_t size) {
  const std::lock_guard lock(mutex);
  const fs::path image = imageOf(digest);
  const std::optional<std::uint64_t> present = sizeOf(image);
  // One of another size is broken: the new one mends it.
  if (present != size) {
    if (std::rename(arrived.c_str(), image.c_str()) != 0) return unwritable(folder, errno);
    arrived.clear();
    if (const int cause = syncFolder(folder); cause != 0) {
      if (!present) remove(digest);
      return unwritable(folder, cause);
    }
  }
  Lease& lease = leases[digest];
  ++lease.holders;
  if (!present) lease.provisional = true;
  noteUse(digest);
  makeRoom();
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
  for (const fs::path& entry : entriesOf(folder)) {
    std::string digest = digestIn(entry, imageSuffix);
    const auto size = sizeOf(entry);
    if (digest.empty() || !size) continue;
    const timespec used = lastUse(digest);
    images.push_back({std::move(digest), *size, used});
  }
  return images;
}

/// Removes images until the rest fits, or all that is left is in use.
void ImageStore::State::makeRoom() const {
  const auto used = options.inUse ? options.inUse() : std::set<std::string>();
  if (!used) return;
  std::vector<Kept> images = listed();
  std::uint64_t total = 0;
  for (const Kept& image : images) {
    total += image.size;
    if (used->contains(image.digest)) noteUse(image.digest);
  }
  std::ranges::sort(images, {},
                    [](const Kept& image) { return std::pair(image.used.tv_sec, image.used.tv_nsec); });
  for (const Kept& image : images) {
    if (total <= options.capacity) return;
    if (used->contains(image.digest) || leases.contains(image.digest)) continue;
    remove(image.digest);
    total -= image.size;
  }
}

void ImageStore::State::remove(const std::string& digest) const {
  ::unlink(imageOf(digest).c_str());
  ::unlink(useOf(digest).c_str());
}

// -- ImageStore ---------------------------------------------------------------------------------------------

ImageStore::ImageStore(std::shared_ptr<State> state) : state_(std::move(state)) {}
ImageStore::~ImageStore() = default;

Result<std::unique_ptr<ImageStore>> ImageStore::open(const fs::path& folder, Options options) {
  if (const int cause = makeFolder(folder); cause != 0) return unwritable(folder, cause);
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error) return unwritable(folder, error.value());
  removeLeftovers(real);
  return std::unique_ptr<ImageStore>(new ImageStore(std::make_shared<State>(real, std::move(options))));
}

const fs::path& ImageStore::folder() const { return state_->folder; }

std::uint64_t ImageStore::largestImage() const { return state_->options.largestImage; }

fs::path ImageStore::path(std::string_view sha256) const {
  check(isDigest(sha256), "an image is called by its SHA-256");
  return state_->imageOf(sha256);
}

bool ImageStore::contains(std::string_view sha256) const { return sizeOf(path(sha256)).has_value(); }

void ImageStore::discard(std::string_view sha256) {
  const std::lock_guard lock(state_->mutex);
  state_->remove(std::string(sha256));
}

void ImageStore::touch(std::string_view sha256) {
  const std::lock_guard lock(state_->mutex);
  if (contains(sha256)) state_->noteUse(sha256);
}

// -- Incoming -----------------------------------------------------------------------------------------------

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
  std::string path;  // empty: it has another name now
  int descriptor = -1;
  Sha256 hash;
  std::uint64_t size = 0;
  std::string digest;  // raw; empty while more may be written
  std::optional<Error> failed;
};

Result<ImageStore::Incoming> ImageStore::begin() {
  auto file = std::make_unique<Incoming::File>(state_);
  if (file->failed) return std::unexpected(*file->failed);
  return Incoming(std::move(file));
}

ImageStore::Incoming::Incoming(std::unique_ptr<File> file) : file_(std::move(file)) {}
ImageStore::Incoming::Incoming(Incoming&&) noexcept = default;
ImageStore::Incoming& ImageStore::Incoming::operator=(Incoming&&) noexcept = default;
ImageStore::Incoming::~Incoming() = default;

std::uint64_t ImageStore::Incoming::size() const { return file_->size; }

std::string ImageStore::Incoming::sha256() { return toHex(file_->finished()); }

Result<void> ImageStore::Incoming::write(std::string_view bytes) {
  File& file = *file_;
  check(file.digest.empty(), "an image that was looked at takes no more bytes");
  if (file.failed) return std::unexpected(*file.failed);
  const std::uint64_t limit = file.state->options.largestImage;
  if (bytes.size() > limit - file.size) {
    return file.giveUp(
        {Reason::ImageTooLarge,
         fmt::format("the image is larger than {} bytes, the most that one may have here", limit)});
  }
  file.hash.update(bytes);
  file.size += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file.giveUp(unwritable(file.state->folder, errno).error());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
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
  if (auto taken = file->state->take(file->path, sha256, file->size); !taken)
    return std::unexpected(taken.error());
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
