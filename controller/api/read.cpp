#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "api/manifest.h"
#include "api/mention.h"
#include "file/content.h"
#include "yaml/yaml.h"

namespace rookery::api {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::unexpected<Error> failErrno(std::string_view what) {
  return fail(Reason::SourceUnreadable, fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

std::unexpected<Error> failSize(std::string_view size) {
  return fail(
      Reason::InvalidManifest,
      fmt::format("the file has {} bytes; a manifest has at most {}; split it", size, yaml::maxBytes));
}

/// The first yaml::maxBytes of a file, or what can be had of them.
std::string readStart(const std::filesystem::path& file) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  std::string text;
  struct stat status{};
  if (descriptor.number() < 0 || ::fstat(descriptor.number(), &status) != 0) return text;
  text.resize(std::min(static_cast<std::size_t>(status.st_size), yaml::maxBytes));
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = ::read(descriptor.number(), text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  return text;
}

/// A log, say, that some program always has open.
bool isForeignSoFar(const std::filesystem::path& file) {
  constexpr std::size_t telling = 4096;
  const std::string start = readStart(file);
  return start.size() >= telling && !mentionsIn(start).any();
}

}  // namespace

Result<std::string> readText(const std::filesystem::path& file) {
  // O_NONBLOCK: to open a FIFO would wait for its writer.
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (descriptor.number() < 0) return failErrno("the file cannot be opened");
  struct stat status{};
  if (::fstat(descriptor.number(), &status) != 0) return failErrno("the file cannot be examined");
  if (!S_ISREG(status.st_mode)) return fail(Reason::SourceUnreadable, "this is not a regular file");
  if (static_cast<std::size_t>(status.st_size) > yaml::maxBytes)
    return failSize(std::to_string(status.st_size));
  // One byte more than it should have shows a file that grows.
  std::string text(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t filled = 0;
  while (true) {
    const ssize_t count = ::read(descriptor.number(), text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failErrno("the file cannot be read");
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
    if (filled > yaml::maxBytes) return failSize(fmt::format("more than {}", yaml::maxBytes));
    if (filled == text.size()) text.resize(text.size() * 2);
  }
  text.resize(filled);
  return text;
}

Manifest readManifest(const std::filesystem::path& root, const std::filesystem::path& file) {
  const Origin origin{.root = root, .file = file};
  const Result<std::string> text = readText(file);
  if (text) return parseManifestFile(*text, origin);
  Manifest manifest;
  if (text.error().reason == Reason::InvalidManifest && !mentionsIn(readStart(file)).makesOurs()) {
    manifest.foreign = 1;
    return manifest;
  }
  manifest.parsed = false;
  manifest.problems.push_back({text.error().reason, origin, {}, "", text.error().message});
  return manifest;
}

Manifest readManifest(const std::filesystem::path& root, const std::filesystem::path& file,
                      file::Settling& settling, bool held) {
  const Origin origin{.root = root, .file = file};
  const auto content = file::read(file, yaml::maxBytes, &settling);
  if (content) return parseManifestFile(content->bytes, origin, held);
  using Why = file::Unread::Kind;
  const file::Unread& unread = content.error();
  if (unread.kind != Why::BeingWritten && unread.kind != Why::Missing) return readManifest(root, file);
  Manifest manifest;
  if (unread.kind == Why::BeingWritten && !held && isForeignSoFar(file)) {
    manifest.foreign = 1;
    return manifest;
  }
  manifest.parsed = false;
  const bool isMissing = unread.kind == Why::Missing;
  if (!isMissing) manifest.lookAgainIn = unread.lookAgainIn;
  manifest.problems.push_back(
      {isMissing ? Reason::SourceUnreadable : Reason::BeingWritten, origin, {}, "", unread.why});
  return manifest;
}

}  // namespace rookery::api
