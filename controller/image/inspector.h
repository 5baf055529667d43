#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "error.h"
#include "file/settling.h"
#include "file/stamp.h"
#include "image/image.h"

namespace rookery::image {

/// Bytes that an image may have, where nobody says otherwise.
inline constexpr std::uint64_t defaultLargestImage = std::uint64_t{4} << 30;

/// Inspects image files and remembers what it saw by (path, size, times, inode, device), so that looking
/// again at an unchanged file reads nothing of it; also that one is no image. A file that changed less than
/// two seconds before it was read is read again next time: its time stamps are too coarse to tell another
/// change. Thread-safe; who asks for a file that is just being read waits for the answer.
class Inspector {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;
  struct Options {
    Clock now = std::chrono::system_clock::now;  // the clock that the files' time stamps are compared with
    std::uint64_t largest = defaultLargestImage;
  };
  /// Told how many bytes have been read, now and then; false: no more is wanted.
  using Progress = std::function<bool(std::uint64_t bytes)>;

  Inspector() : Inspector(Options{}) {}
  explicit Inspector(Options options);
  ~Inspector();
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;

  /// With `settling`, a file that is still being written is an error. Errors: ImageNotFound, ImageUnreadable,
  /// ImageTooLarge, ImageInvalid (not an ELF, truncated, no Solo5 notes, a note that breaks the format: says
  /// which and where), BeingWritten, ImageChanged (it changed each time that it was read), Cancelled (by
  /// `progress`). An image for another tender than hvt or spt is not an error here: that is for who deploys
  /// it to judge. Of a file of any content nothing is ImageInvalid.
  Result<Image> inspect(const std::filesystem::path& path, file::Settling* settling = nullptr,
                        const Progress& progress = {}, Content content = Content::Solo5);

  /// What can be said of a file without reading it.
  struct Glance {
    std::optional<Result<Image>> image;                         // absent: it must be read; errors as above
    std::optional<std::chrono::milliseconds> lookAgainIn = {};  // it is BeingWritten
    bool open = false;                                          // by somebody who has it open
    file::Stamp stamp = {};                                     // where it must be read
  };
  Glance glance(const std::filesystem::path& path, file::Settling& settling,
                Content content = Content::Solo5);

  /// Waits, a minute at most, for a file that was not left alone for long enough to count; not for one that
  /// somebody has open for writing. For who looks once.
  void await(const std::filesystem::path& path, file::Settling& settling, Content content = Content::Solo5);

  /// How many files were read since the start, for tests and metrics.
  std::uint64_t filesRead() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::image
