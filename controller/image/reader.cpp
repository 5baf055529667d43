#include "image/reader.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "image/digest.h"
#include "image/file.h"

namespace rookery::image {

namespace {

constexpr std::size_t chunkSize = 1U << 16U;

}  // namespace

struct Reader::State {
  State(File opened, std::string expectedDigest)
      : file(std::move(opened)),
        expected(std::move(expectedDigest)),
        buffer(static_cast<std::size_t>(std::min<std::uint64_t>(chunkSize, file.size()))) {}

  /// The verdict on all that was read, reached once.
  Result<void> verdict() {
    if (!verified) verified = hash.finish() == expected;
    if (*verified) return {};
    return fail(Reason::ImageChanged,
                file.name() + " is no longer the image that was planned: its digest differs");
  }

  File file;
  std::string expected;
  std::vector<char> buffer;
  Sha256 hash;
  std::uint64_t offset = 0;
  std::optional<bool> verified;
};

Reader::Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(const std::filesystem::path& path, std::string expected) {
  check(expected.size() == 32, "an image's expected digest is a raw SHA-256");
  Result<File> file = File::open(path);
  if (!file) return std::unexpected(file.error());
  return Reader(std::make_unique<State>(*std::move(file), std::move(expected)));
}

Result<std::span<const std::byte>> Reader::next() {
  State& state = *state_;
  const std::uint64_t left = state.file.size() - state.offset;
  const std::span<char> part =
      std::span(state.buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, chunkSize)));
  if (part.empty()) {
    if (const Result<void> verdict = state.verdict(); !verdict) return std::unexpected(verdict.error());
    return std::span<const std::byte>{};
  }
  if (const Result<void> filled = state.file.readInto(state.offset, part); !filled)
    return std::unexpected(filled.error());
  state.hash.update(part);
  state.offset += part.size();
  return std::as_bytes(part);
}

std::uint64_t Reader::size() const { return state_->file.size(); }

}  // namespace rookery::image
