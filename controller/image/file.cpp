#include "image/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace rookery::image {

namespace fs = std::filesystem;

namespace {

std::string nameOf(const fs::path& path) { return "image " + path.string(); }

std::unexpected<Error> openError(const fs::path& path, int cause) {
  if (cause == ENOENT || cause == ENOTDIR)
    return fail(Reason::ImageNotFound, fmt::format("{} does not exist", nameOf(path)));
  if (cause == EWOULDBLOCK)
    return fail(Reason::BeingWritten,
                fmt::format("{} is being written: somebody holds a lease on it", nameOf(path)));
  return fail(Reason::ImageUnreadable,
              fmt::format("{} cannot be opened: {}", nameOf(path), std::generic_category().message(cause)));
}

}  // namespace

Result<File> File::open(const fs::path& path) {
  // Without O_NONBLOCK, opening a FIFO would wait for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return openError(path, errno);
  File file(descriptor, path);
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return openError(path, errno);
  if (!S_ISREG(status.st_mode))
    return fail(Reason::ImageInvalid,
                fmt::format("{} is {}, not a regular file", file.name(),
                            S_ISDIR(status.st_mode) ? "a directory" : "a FIFO or a device"));
  file.stamp_ = stampOf(status);
  return file;
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      stamp_(other.stamp_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  path_.swap(other.path_);
  std::swap(stamp_, other.stamp_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string File::name() const { return nameOf(path_); }

Result<std::string> File::read(std::uint64_t offset, std::size_t length) const {
  std::string bytes(length, '\0');
  if (const Result<void> filled = readInto(offset, bytes); !filled) return std::unexpected(filled.error());
  return bytes;
}

Result<void> File::readInto(std::uint64_t offset, std::span<char> buffer) const {
  while (!buffer.empty()) {
    const ssize_t count = ::pread(descriptor_, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count == 0) return changed();
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return fail(Reason::ImageUnreadable,
                  fmt::format("{} cannot be read: {}", name(), std::generic_category().message(errno)));
    buffer = buffer.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

bool File::unchanged() const {
  struct stat status{};
  return ::fstat(descriptor_, &status) == 0 && stampOf(status) == stamp_;
}

std::unexpected<Error> File::changed() const {
  return fail(
      Reason::ImageChanged,
      fmt::format("{} changed while it was read; replace images by renaming a finished file", name()));
}

}  // namespace rookery::image
