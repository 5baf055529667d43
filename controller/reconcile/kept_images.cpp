#include "reconcile/kept_images.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <system_error>
#include <utility>

#include "plan/rollback.h"
#include "reconcile/observe.h"

namespace rookery::reconcile {

namespace {

/// Bytes that are copied before others on the strand have their turn.
constexpr std::uint64_t turnBytes = std::uint64_t{1} << 20;

/// Puts it into the store, where it stays.
Result<void> store(image::ImageStore::Incoming& incoming) {
  auto stored = incoming.commit();
  if (!stored) return std::unexpected(stored.error());
  stored->keep();
  return {};
}

}  // namespace

std::map<std::string, image::Image> KeptImages::find(const plan::Desired& desired,
                                                     const plan::Observed& observed) const {
  std::map<std::string, image::Image> kept;
  const image::ImageStore* images = environment_.keptImages;
  if (images == nullptr) return kept;
  std::optional<plan::SharedInventory> inventory;
  for (const auto& [key, unikernel] : desired.unikernels) {
    if (!plan::takesBack(unikernel.spec())) continue;
    if (!inventory) inventory = environment_.state.inventoryOf(observed.serverKey);
    const auto entry = inventory->find(desired.nameOf(key, observed.base));
    if (entry == inventory->end() || !entry->second.rollback) continue;
    for (const auto* revision : {&entry->second.rollback->good, &entry->second.rollback->earlier}) {
      if (!*revision) continue;
      image::Image image;
      image.path = images->path(image::toHex((*revision)->digest));
      image.digest = (*revision)->digest;
      std::error_code error;
      image.size = std::filesystem::file_size(image.path, error);
      if (!error) kept.emplace(image.digest, image);
    }
  }
  return kept;
}

asio::awaitable<Result<void>> KeptImages::copy(image::Image file) const {
  auto reader = image::Reader::open(file.path, file.digest);
  if (!reader) co_return std::unexpected(reader.error());
  auto incoming = environment_.keptImages->begin();
  if (!incoming) co_return std::unexpected(incoming.error());
  if (auto room = incoming->reserve(reader->size()); !room) co_return room;
  const auto executor = co_await asio::this_coro::executor;
  for (std::uint64_t inTurn = 0;;) {
    const auto bytes = reader->next();
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) break;
    const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    if (auto written = incoming->write(text); !written) co_return written;
    inTurn += bytes->size();
    if (inTurn < turnBytes) continue;
    inTurn = 0;
    co_await asio::post(executor, asio::use_awaitable);
  }
  co_return store(*incoming);
}

asio::awaitable<Result<void>> KeptImages::fetch(std::string digest, api::ObjectKey unikernel, Server server) {
  constexpr std::int64_t uncompressed = 0;
  auto request = server.about(unikernel);
  if (!request) co_return std::unexpected(request.error());
  request->command = albatross::UnikernelCommand(albatross::unikernel::Get{uncompressed});
  request->largestImage = environment_.keptImages->largestImage();
  auto reply = co_await send(*server.client, *std::move(request), "get", server.desired->name(),
                             environment_.listener);
  if (!reply) co_return std::unexpected(std::move(reply.error().error));
  auto* got = std::get_if<albatross::success::UnikernelImage>(&reply->success);
  if (got == nullptr || got->compressed)
    co_return fail(Reason::ProtocolError, "The server did not answer with the image as it is.");
  auto incoming = environment_.keptImages->begin();
  if (!incoming) co_return std::unexpected(incoming.error());
  if (auto written = incoming->write(got->image); !written) co_return written;
  if (const std::string found = incoming->sha256(); found != image::toHex(digest)) {
    co_return fail(Reason::DigestMismatch,
                   fmt::format("The image that the server sent has the SHA-256 {}, and {} "
                               "is meant.",
                               found, image::toHex(digest)));
  }
  co_return store(*incoming);
}

}  // namespace rookery::reconcile
