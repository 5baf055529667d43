#include "file/content.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

namespace rookery::file {

namespace {

using Kind = Unread::Kind;

constexpr int attempts = 3;
constexpr std::size_t chunkSize = std::size_t{64} << 10;

std::unexpected<Unread> unread(Kind kind, std::string why) {
  return std::unexpected(Unread{.kind = kind, .why = std::move(why)});
}

std::unexpected<Unread> failed(int cause) {
  const bool missing = cause == ENOENT || cause == ENOTDIR;
  return std::unexpected(Unread{.kind = missing ? Kind::Missing : Kind::Unreadable,
                                .why = std::generic_category().message(cause),
                                .cause = cause});
}

std::unexpected<Unread> stillWritten(std::string_view why, std::chrono::milliseconds lookAgainIn) {
  return std::unexpected(Unread{.kind = Kind::BeingWritten,
                                .why = fmt::format("it is being written: {}", why),
                                .lookAgainIn = lookAgainIn});
}

class Opened {
 public:
  /// Without O_NONBLOCK, opening a FIFO would wait for a writer.
  explicit Opened(const std::filesystem::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~Opened() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// All bytes; one more than `most` at most. There is no more room made than for `size`, where there are no
/// more.
std::expected<std::string, Unread> readAll(int descriptor, std::size_t most, std::uint64_t size) {
  std::string bytes;
  const auto expected = static_cast<std::size_t>(std::min<std::uint64_t>(size, most) + 1);
  bytes.reserve(expected);
  while (bytes.size() <= most) {
    const std::size_t before = bytes.size();
    const std::size_t left = (before < expected ? expected : most + 1) - before;
    const std::size_t part = std::min(chunkSize, left);
    bytes.resize(before + part);
    const ssize_t count = ::read(descriptor, bytes.data() + before, part);
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0) break;
    if (count < 0 && errno != EINTR) return failed(errno);
  }
  return bytes;
}

/// Why it cannot be read; nothing: `status` is that of a regular file.
std::optional<Unread> examine(int descriptor, struct stat& status) {
  if (::fstat(descriptor, &status) != 0) return failed(errno).error();
  if (S_ISDIR(status.st_mode))
    return unread(Kind::Directory, "it is a directory, not a regular file").error();
  if (!S_ISREG(status.st_mode))
    return unread(Kind::NotRegular, "it is a FIFO or a device, not a regular file").error();
  return std::nullopt;
}

std::optional<BeingWritten> writingOf(int descriptor, const Stamp& stamp, Settling* settling) {
  if (settling != nullptr) return settling->beingWritten(descriptor, stamp);
  return beingWritten(writersOf(descriptor), stamp, true, {}, std::chrono::system_clock::now());
}

/// Nothing: it changed meanwhile.
std::optional<std::expected<Content, Unread>> readOnce(const std::filesystem::path& path, std::size_t most,
                                                       Settling* settling) {
  const Opened file(path);
  if (file.descriptor() < 0) {
    // Somebody has a lease, which this opening breaks: he is writing.
    if (errno == EWOULDBLOCK) return stillWritten("somebody holds a lease on it", std::chrono::seconds(1));
    return failed(errno);
  }
  struct stat status{};
  if (auto trouble = examine(file.descriptor(), status)) return std::unexpected(*std::move(trouble));
  const Stamp stamp = stampOf(status);
  if (const auto writing = writingOf(file.descriptor(), stamp, settling))
    return stillWritten(writing->why(), writing->lookAgainIn);
  if (stamp.size > most) return unread(Kind::TooLarge, fmt::format("it has more than {} bytes", most));
  auto bytes = readAll(file.descriptor(), most, stamp.size);
  if (!bytes) return std::unexpected(bytes.error());
  if (bytes->size() > most) return unread(Kind::TooLarge, fmt::format("it has more than {} bytes", most));
  if (stampOf(file.descriptor()) != stamp) return std::nullopt;
  return Content{.bytes = *std::move(bytes), .stamp = stamp};
}

}  // namespace

std::expected<Content, Unread> read(const std::filesystem::path& path, std::size_t most, Settling* settling) {
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (auto content = readOnce(path, most, settling)) return *std::move(content);
  }
  return stillWritten("it changed each time that it was read", std::chrono::seconds(1));
}

std::expected<std::string, Unread> readStart(const std::filesystem::path& path, std::size_t most) {
  const Opened file(path);
  if (file.descriptor() < 0) return failed(errno);
  struct stat status{};
  if (auto trouble = examine(file.descriptor(), status)) return std::unexpected(*std::move(trouble));
  return readAll(file.descriptor(), most - 1, static_cast<std::uint64_t>(status.st_size));
}

std::vector<std::filesystem::path> entriesOf(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    entries.push_back(entry->path());
  return entries;
}

}  // namespace rookery::file
