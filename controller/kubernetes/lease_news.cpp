#include "kubernetes/lease_news.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/status.h"
#include "kubernetes/coroutine.h"

namespace rookery::kubernetes {

using nlohmann::json;

namespace {

/// What is gained or lost at once beyond that has no Event.
constexpr std::size_t mostUnpublished = 100;

json eventAbout(const std::string& nameSpace, const std::string& lease, const std::string& message,
                const std::string& identity) {
  const std::string now = api::toRfc3339(std::chrono::system_clock::now());
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata", {{"generateName", lease + "-"}, {"namespace", nameSpace}}},
          {"involvedObject",
           {{"apiVersion", "coordination.k8s.io/v1"},
            {"kind", "Lease"},
            {"namespace", nameSpace},
            {"name", lease}}},
          {"reason", "LeaderElection"},
          {"message", message},
          {"type", "Normal"},
          {"count", 1},
          {"firstTimestamp", now},
          {"lastTimestamp", now},
          {"source", {{"component", "rookery"}, {"host", identity}}}};
}

}  // namespace

LeaseNews::LeaseNews(std::string nameSpace, std::string identity,
                     std::function<void(const std::string& message)> inform)
    : nameSpace_(std::move(nameSpace)), identity_(std::move(identity)), inform_(std::move(inform)) {}

void LeaseNews::gained(const std::string& lease, const std::string& what) {
  holder_.clear();
  tell(lease, fmt::format("{} commands {} now: it holds the Lease {}.", identity_, what, lease));
}

void LeaseNews::lost(const std::string& lease, const std::string& what) {
  tell(lease, fmt::format("{} does not command {} any more: it does not hold the Lease {}.", identity_, what,
                          lease));
}

void LeaseNews::standsBy(const std::string& lease, const std::string& holder) {
  if (std::exchange(holder_, holder) == holder) return;
  inform_(fmt::format("{} stands by: {} holds the Lease {}.", identity_, holder, lease));
}

void LeaseNews::tell(const std::string& lease, const std::string& message) {
  inform_(message);
  if (unpublished_.size() < mostUnpublished) unpublished_.push_back({lease, message});
}

boost::asio::awaitable<void> LeaseNews::publish(Client& client) {
  publishing_ = true;
  const std::vector<News> all = std::exchange(unpublished_, {});
  const std::string path = pathOf("v1", "events", nameSpace_);
  for (const News& news : all) {
    if (co_await cancelled()) break;
    const json event = eventAbout(nameSpace_, news.lease, news.message, identity_);
    (void)co_await client.create(path, event);
  }
  publishing_ = false;
}

}  // namespace rookery::kubernetes
