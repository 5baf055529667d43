#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "error.h"
#include "file/settling.h"
#include "file/stamp.h"
#include "image/solo5.h"

namespace rookery::image {

using file::Stamp;
using file::stampOf;

/// An image file, open for reading. Read with pread only, so that it may be read from several threads.
class File : public ByteSource {
 public:
  /// Never waits, whatever is at `path`. Errors: ImageNotFound, ImageUnreadable, ImageInvalid (not a regular
  /// file), BeingWritten (somebody holds a lease that this would break).
  static Result<File> open(const std::filesystem::path& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() override;

  std::string name() const override;
  /// The size when it was opened.
  std::uint64_t size() const override { return stamp_.size; }
  Result<std::string> read(std::uint64_t offset, std::size_t length) const override;

  /// Fills `buffer` from `offset`. Errors: ImageUnreadable; ImageChanged when the file ends before.
  Result<void> readInto(std::uint64_t offset, std::span<char> buffer) const;

  /// The stamp when it was opened.
  const Stamp& stamp() const { return stamp_; }
  /// True while the file is as it was when it was opened, as far as its stamp tells.
  bool unchanged() const;
  /// Whether somebody is still writing it.
  std::optional<file::BeingWritten> beingWritten(file::Settling& settling) const {
    return settling.beingWritten(descriptor_, stamp_);
  }
  /// The error for a file that is no longer what it was.
  std::unexpected<Error> changed() const;

 private:
  File(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}

  int descriptor_ = -1;
  std::filesystem::path path_;
  Stamp stamp_;
};

}  // namespace rookery::image
