#include "serve/volume_content.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include "serve/failure.h"

namespace rookery::serve {
namespace {

using reconcile::VolumeDumps;

constexpr std::chrono::seconds longestTake{1};  // in which nobody asks whether the client is still there

/// A dump on its way to a client. Used by one thread at a time.
class ContentReader {
 public:
  ContentReader(api::ObjectKey volume, std::unique_ptr<VolumeDumps::Reader> dump)
      : volume_(std::move(volume)), dump_(std::move(dump)) {}

  /// The answer, once the server has given one.
  std::optional<http::Response> begin(const std::shared_ptr<ContentReader>& self) {
    VolumeDumps::Piece piece = dump_->read(std::chrono::steady_clock::now() + longestTake);
    if (piece.failed && !piece.begun) return refusal(*piece.failed);
    if (!piece.begun) return std::nullopt;
    first_ = std::move(piece);
    http::Response response{.status = 200, .contentType = "application/octet-stream"};
    response.next = [self] { return self->next(); };
    response.longRunning = true;
    return response;
  }

 private:
  http::Response refusal(const Error& error) const {
    if (error.reason != Reason::Refused) return failure(503, error.message);
    const bool used = error.message.find("in use") != std::string::npos;
    return failure(
        used ? 409 : 502,
        fmt::format("{} cannot be read: the server says \"{}\".{}", volume_.toString(), error.message,
                    used ? " Stop the unikernel that uses it; a server gives the content of a "
                           "volume only while nobody does."
                         : ""));
  }

  std::optional<std::string> next() {
    if (ended_) return std::nullopt;
    VolumeDumps::Piece piece = first_ ? *std::exchange(first_, std::nullopt)
                                      : dump_->read(std::chrono::steady_clock::now() + longestTake);
    // The client is to see that this is not the end of it.
    if (piece.failed && piece.bytes.empty()) throw std::runtime_error(piece.failed->message);
    ended_ = piece.whole;
    if (ended_ && piece.bytes.empty()) return std::nullopt;
    return std::move(piece.bytes);
  }

  const api::ObjectKey volume_;
  const std::unique_ptr<VolumeDumps::Reader> dump_;
  std::optional<VolumeDumps::Piece> first_;
  bool ended_ = false;
};

}  // namespace

http::Response volumeContent(const reconcile::ObjectView& volume, VolumeDumps& dumps) {
  const api::ObjectKey key = volume.object->key();
  if (!volume.status.instance) return failure(503, fmt::format("{} is on no instance yet.", key.toString()));
  auto dump = dumps.open(key, *volume.status.instance);
  if (!dump) return failure(503, dump.error().message);
  const auto reader = std::make_shared<ContentReader>(key, *std::move(dump));
  http::Response response =
      failure(503, "too many logs, watches and dumps are open at once; try again later");
  response.later = [reader] { return reader->begin(reader); };
  return response;
}

}  // namespace rookery::serve
