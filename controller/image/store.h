#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "error.h"
#include "image/image.h"

namespace rookery::image {

/// Images by their content: a folder with one file for each, called by its SHA-256 (<sha256>.img). Where one
/// that is on its way needs room, what is in nobody's use is removed, the least recently used first; when an
/// image was used last is the time of an empty file beside it (<sha256>.used), as a change of the image's own
/// times would let everybody read it again. Where that is not enough, nothing is taken. One process at a time
/// may use a folder. Thread-safe; what the store gave out keeps what it needs of it alive. Memory does not
/// grow with the images.
///
/// Digests are the 64 lower-case hexadecimal digits of the SHA-256.
class ImageStore {
  struct State;

 public:
  struct Options {
    /// Bytes of all images together, those on their way included. Images that are in use stay, also where
    /// they are beyond it, but nothing is added then.
    std::uint64_t capacity = std::uint64_t{20} << 30;
    /// Bytes of one image.
    std::uint64_t largestImage = std::uint64_t{2} << 30;
    /// The digests of the images that are in use; nothing: that is not known now, and no image is removed.
    /// Called when room is needed and after an image was stored, on that thread and under the store's lock:
    /// it must not use the store.
    std::function<std::optional<std::set<std::string>>()> inUse = nullptr;
    /// Tells what is there and changes nothing in the folder, which may be missing, or another process's.
    bool readOnly = false;
  };

  /// Bytes.
  struct Usage {
    std::uint64_t used = 0;       // by all images, those on their way included
    std::uint64_t removable = 0;  // by those in nobody's use, as far as that is known
    std::uint64_t capacity = 0;
  };

  class Incoming;
  class Stored;

  /// Makes the folder, for its owner alone, if it is missing, and removes what earlier processes left half
  /// written in it. Error: StoreUnwritable.
  static Result<std::unique_ptr<ImageStore>> open(const std::filesystem::path& folder, Options options);

  ~ImageStore();
  ImageStore(const ImageStore&) = delete;
  ImageStore& operator=(const ImageStore&) = delete;

  const std::filesystem::path& folder() const;
  /// Bytes of the largest image that is taken.
  std::uint64_t largestImage() const;
  /// Looks into the folder, and asks what is in use.
  Usage usage() const;

  /// Room for another image. Error: StoreUnwritable (also where there is none, see Incoming::reserve).
  Result<Incoming> begin();
  /// Whether an image of so many bytes could come in now. Takes no room and removes nothing. Errors:
  /// ImageTooLarge, StoreUnwritable.
  Result<void> hasRoomFor(std::uint64_t bytes) const;
  /// Where an image is, or would be.
  std::filesystem::path path(std::string_view sha256) const;
  bool contains(std::string_view sha256) const;
  /// The image, if it is there, has just been used.
  void touch(std::string_view sha256);
  /// The image is not what it is called: takes it away.
  void discard(std::string_view sha256);

 private:
  explicit ImageStore(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

/// An image that is on its way into the store. Of one that is dropped without commit, nothing remains. One
/// thread at a time.
class ImageStore::Incoming {
 public:
  Incoming(Incoming&&) noexcept;
  Incoming& operator=(Incoming&&) noexcept;
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming();

  /// Room for so many bytes beyond those that were written, where it is known how many will come: others
  /// cannot take it. write() finds room by itself, a little more at a time. Images that nobody uses go first,
  /// then what rests. Error, after which nothing has changed: StoreUnwritable, if that would not be enough
  /// within the capacity, or on the disk without its reserve (disk.h).
  Result<void> reserve(std::uint64_t bytes);
  /// Adds to it. After an error it can only be dropped: ImageTooLarge, StoreUnwritable (a full disk, for
  /// one).
  Result<void> write(std::string_view bytes);
  /// It waits for its owner, who may call nothing but resume() now: gives back what room was reserved beyond
  /// its bytes. Where others need that of its bytes as well, it is taken away, the one that has rested
  /// longest first.
  void rest();
  /// It goes on. False: it was taken away, and can only be dropped.
  bool resume();
  std::uint64_t size() const;
  /// All of it has been written: its digest.
  std::string sha256();
  /// The file that it is in, for as long as this lives and is not committed: what is needed once need not be
  /// on the disk for good.
  std::filesystem::path path() const;

  /// All of it has been written: what it is, and where it will be. `name` is what messages call it, e.g.
  /// "image web.hvt". Reads no more than its headers and notes again. Errors: ImageInvalid, ImageUnreadable.
  Result<Image> inspect(const std::string& name);

  /// Puts it into the store, on the disk when this returns; where it is there already, that one stays and
  /// counts as just used. Once. Error: StoreUnwritable; or the one that write() gave.
  Result<Stored> commit();

 private:
  friend class ImageStore;
  struct File;
  explicit Incoming(std::unique_ptr<File> file);

  std::unique_ptr<File> file_;
};

/// An image in the store, which stays there while this lives. Where nobody calls keep() on any of those that
/// live, and it was not there before, it is gone after the last.
class ImageStore::Stored {
 public:
  Stored(Stored&&) noexcept;
  Stored& operator=(Stored&&) noexcept;
  Stored(const Stored&) = delete;
  Stored& operator=(const Stored&) = delete;
  ~Stored();

  const std::string& sha256() const { return sha256_; }
  std::uint64_t size() const { return size_; }
  std::filesystem::path path() const;
  /// The image is wanted: it stays until it is in nobody's use and there is no room for it.
  void keep();

 private:
  friend class ImageStore;
  Stored(std::shared_ptr<State> state, std::string sha256, std::uint64_t size);

  std::shared_ptr<State> state_;
  std::string sha256_;
  std::uint64_t size_ = 0;
};

}  // namespace rookery::image
