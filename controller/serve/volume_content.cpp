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

FailureDetails detailsOf(const api::ObjectKey& volume) {
  return {.name = volume.name, .group = "rookery.dev", .kind = "unikernelvolumes"};
}

/// Why nothing can be written to it, as far as that is known before anything has come.
std::optional<http::Response> loadRefusal(const reconcile::ObjectView& volume, const http::Body* body) {
  const api::ObjectKey key = volume.object->key();
  const auto& spec = volume.object->as<api::UnikernelVolume>();
  if (volume.identity.deletionTimestamp)
    return failure(409, fmt::format("{} is being deleted.", key.toString()), detailsOf(key));
  if (spec.source) {
    return failure(409,
                   fmt::format("What is on {} is declared in spec.source: change it there.", key.toString()),
                   detailsOf(key));
  }
  if (!volume.status.instance || !volume.status.ready()) {
    return failure(409,
                   fmt::format("{} is not Ready, and nothing can be written to it. Its status says why.",
                               key.toString()),
                   detailsOf(key));
  }
  const std::uint64_t room = static_cast<std::uint64_t>(spec.size) << 20;
  if (body == nullptr) return failure(400, "the request has no body");
  if (body->announcedSize().value_or(0) > room) {
    return failure(413,
                   fmt::format("{} has {} Mi, and {} bytes are more than that.", key.toString(), spec.size,
                               *body->announcedSize()),
                   detailsOf(key));
  }
  return std::nullopt;
}

/// The body, as a file.
std::expected<image::ImageStore::Incoming, http::Response> receive(http::Body& body,
                                                                   image::ImageStore& images) {
  auto incoming = images.begin();
  if (!incoming) return std::unexpected(failure(507, incoming.error().message));
  if (const auto announced = body.announcedSize()) {
    if (const auto reserved = incoming->reserve(*announced); !reserved)
      return std::unexpected(failure(507, reserved.error().message));
  }
  for (;;) {
    const auto bytes = body.next();
    if (!bytes) return std::unexpected(failure(bytes.error()));
    if (bytes->empty()) break;
    if (const auto written = incoming->write(*bytes); !written)
      return std::unexpected(failure(written.error()));
  }
  if (incoming->size() == 0) return std::unexpected(failure(400, "the request has an empty body"));
  return *std::move(incoming);
}

http::Response loadEnded(const api::ObjectKey& volume, std::uint64_t bytes, const std::string& sha256,
                         const plan::LoadEnd& end) {
  if (!end.error) {
    const nlohmann::json done = {
        {"kind", "Status"},
        {"apiVersion", "v1"},
        {"metadata", nlohmann::json::object()},
        {"status", "Success"},
        {"message", fmt::format("{} bytes were written to {}.", bytes, volume.toString())},
        {"details",
         {{"name", volume.name},
          {"group", "rookery.dev"},
          {"kind", "unikernelvolumes"},
          {"sha256", sha256}}}};
    return {.status = 200, .contentType = std::string(http::jsonType), .body = yaml::dump(done) + "\n"};
  }
  switch (end.error->reason) {
    case Reason::BlockDeviceInUse:
    case Reason::UpdateOnDelete:
      return failure(409, end.error->message + " Stop the unikernel, or force it.", detailsOf(volume));
    case Reason::VolumeTooSmall:
      return failure(413, end.error->message, detailsOf(volume));
    case Reason::ServiceUnavailable:
      return failure(503, end.error->message, detailsOf(volume));
    default:
      return failure(502,
                     fmt::format("{} could not be written, and may have been in part: {}", volume.toString(),
                                 end.error->message),
                     detailsOf(volume));
  }
}

}  // namespace

http::Response loadVolume(http::Body* body, const reconcile::ObjectView& volume, bool stopsUser,
                          reconcile::VolumeLoads& loads, image::ImageStore& images) {
  const api::ObjectKey key = volume.object->key();
  if (auto refused = loadRefusal(volume, body)) return *std::move(refused);
  auto content = receive(*body, images);
  if (!content) return std::move(content.error());
  const std::uint64_t bytes = content->size();
  const std::string sha256 = content->sha256();
  auto ticket = loads.add(key, *std::move(content), stopsUser);
  if (!ticket && ticket.error().reason == Reason::Conflict)
    return failure(409, ticket.error().message, detailsOf(key));
  if (!ticket) return failure(503, ticket.error().message, detailsOf(key));
  const std::shared_ptr<reconcile::VolumeLoads::Ticket> waiting = *std::move(ticket);
  http::Response response = failure(503, "too much is waited for at once; try again later");
  response.later = [waiting, key, bytes, sha256]() -> std::optional<http::Response> {
    const auto end = waiting->wait(std::chrono::steady_clock::now() + longestTake);
    return end ? std::optional(loadEnded(key, bytes, sha256, *end)) : std::nullopt;
  };
  return response;
}

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
