#include "kubernetes/reflector.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <iterator>
#include <random>
#include <utility>

#include "kubernetes/coroutine.h"
#include "kubernetes/object_meta.h"
#include "text.h"

namespace rookery::kubernetes {

using nlohmann::json;

namespace {

constexpr int pageSize = 500;

int randomUpTo(int limit) {
  thread_local std::minstd_rand engine(std::random_device{}());
  return std::uniform_int_distribution<int>(0, limit)(engine);
}

std::string targetOf(const std::string& path, const std::string& fieldSelector, const std::string& query) {
  const std::string selector =
      fieldSelector.empty() ? "" : fmt::format("fieldSelector={}&", percentEncode(fieldSelector));
  return fmt::format("{}?{}{}", path, selector, query);
}

/// What an event of type ERROR says.
Failure failureIn(const json& status) {
  const auto code = static_cast<int>(numberAt(status, "code"));
  return {code == 0 ? 500 : code, textAt(status, "reason"), textAt(status, "message"), {}};
}

}  // namespace

std::chrono::milliseconds retryDelay(unsigned failures, std::chrono::milliseconds base,
                                     std::chrono::milliseconds limit) {
  const auto delay = std::min(base * (1 << std::min(failures, 10u)), limit);
  return delay + std::chrono::milliseconds(randomUpTo(static_cast<int>(delay.count())));
}

Reflector::Reflector(Client& client, std::string path, std::string fieldSelector, Reflection& reflection)
    : client_(client),
      path_(std::move(path)),
      fieldSelector_(std::move(fieldSelector)),
      reflection_(reflection) {}

asio::awaitable<void> Reflector::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (unsigned failures = 0;;) {
    const auto start = std::chrono::steady_clock::now();
    Answer<void> done;
    if (resourceVersion_.empty()) {
      done = co_await list();
    } else {
      done = co_await watch();
    }
    if (co_await cancelled()) co_return;
    if (done) {
      failures = 0;
      // A server that ends every watch at once must not be asked without a pause.
      if (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100))
        co_await pause(retryDelay(0));
      continue;
    }
    if (done.error().expired()) {
      resourceVersion_.clear();
      continue;
    }
    reflection_.failed(done.error());
    co_await pause(std::max<std::chrono::milliseconds>(retryDelay(failures++), done.error().retryAfter));
    if (co_await cancelled()) co_return;
  }
}

asio::awaitable<Answer<Listing>> listAll(Client& client, std::string path, std::string fieldSelector) {
  Listing listing;
  std::string next;
  do {
    const std::string from = next.empty() ? "" : fmt::format("&continue={}", percentEncode(next));
    const std::string target = targetOf(path, fieldSelector, fmt::format("limit={}{}", pageSize, from));
    auto page = co_await client.get(target);
    if (!page) co_return std::unexpected(page.error());
    const json& metadata = memberOf(*page, "metadata");
    listing.resourceVersion = textAt(metadata, "resourceVersion");
    next = textAt(metadata, "continue");
    if (memberOf(*page, "items").is_array())
      std::ranges::move((*page)["items"], std::back_inserter(listing.objects));
  } while (!next.empty());
  co_return listing;
}

asio::awaitable<Answer<void>> Reflector::list() {
  auto listing = co_await listAll(client_, path_, fieldSelector_);
  if (!listing) co_return std::unexpected(listing.error());
  resourceVersion_ = std::move(listing->resourceVersion);
  reflection_.replaced(std::move(listing->objects), resourceVersion_);
  co_return Answer<void>{};
}

asio::awaitable<Answer<void>> Reflector::watch() {
  std::optional<Failure> told;
  const std::string query =
      fmt::format("watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
                  300 + randomUpTo(300), percentEncode(resourceVersion_));
  const std::string target = targetOf(path_, fieldSelector_, query);
  const Client::OnEvent onEvent = [&](const json& event) {
    const std::string type = textAt(event, "type");
    json object = memberOf(event, "object");
    if (type == "ERROR") {
      told = failureIn(object);
      return false;
    }
    std::string version = textAt(memberOf(object, "metadata"), "resourceVersion");
    if (!version.empty()) resourceVersion_ = std::move(version);
    if (type == "DELETED") {
      reflection_.deleted(object);
    } else if (type == "ADDED" || type == "MODIFIED") {
      reflection_.changed(std::move(object));
    }
    return true;
  };
  const auto ended = co_await client_.watch(target, onEvent);
  if (told) co_return std::unexpected(*told);
  co_return ended;
}

}  // namespace rookery::kubernetes
