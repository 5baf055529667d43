#include "serve/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>

#include "serve/failure.h"
#include "yaml/writer.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Change = Resource::Change;

constexpr std::chrono::seconds longestWait{1};  // in which nobody asks whether the client is still there
constexpr std::chrono::minutes shortestDefault{
    30};                                         // kube-apiserver's --min-request-timeout; up to twice that
constexpr std::size_t largestPiece = 256 << 10;  // bytes that are sent at once

std::string line(std::string_view type, json object) {
  return yaml::dump({{"type", type}, {"object", std::move(object)}}) + "\n";
}

Clock::time_point endOf(const ListOptions& options) {
  if (options.timeout && options.timeout->count() > 0)
    return Clock::now() + std::min<std::chrono::seconds>(*options.timeout, 2 * shortestDefault);
  // Not all watchers come back at the same time.
  thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<std::int64_t> jitter(0, std::chrono::seconds(shortestDefault).count());
  return Clock::now() + shortestDefault + std::chrono::seconds(jitter(random));
}

/// One watch on its way. Used by one thread at a time.
class Watcher {
 public:
  Watcher(const Resource& resource, std::optional<std::string> nameSpace, ListOptions options,
          const Representation& representation)
      : resource_(resource),
        nameSpace_(std::move(nameSpace)),
        options_(std::move(options)),
        representation_(representation),
        end_(endOf(options_)),
        nextBookmark_(Clock::now() + options_.bookmarkPeriod) {
    if (options_.sendInitialEvents || options_.resourceVersion.value_or(0) == 0) {
      Resource::Listing listing = resource_.list(nameSpace_);
      initial_ = std::move(listing.items);
      version_ = listing.resourceVersion;
    } else {
      version_ = *options_.resourceVersion;
    }
  }

  /// The next piece of the answer; nothing: it is over.
  std::optional<std::string> next() {
    if (over_) return std::nullopt;
    if (sent_ < initial_.size()) return initialPiece();
    if (options_.sendInitialEvents && !initialEnded_) {
      initialEnded_ = true;
      return line("BOOKMARK", representation_.bookmark(version_, true));
    }
    const auto now = Clock::now();
    if (now >= end_) return finish();
    const auto bookmark = options_.allowWatchBookmarks ? nextBookmark_ : Clock::time_point::max();
    const auto changes = resource_.after(version_, std::min({end_, bookmark, now + longestWait}));
    if (!changes) return expire();
    std::string piece;
    for (const Change& change : changes->changes) {
      piece += told(change);
      version_ = change.after.resourceVersion;
      if (piece.size() >= largestPiece) return piece;
    }
    version_ = changes->resourceVersion;
    if (Clock::now() >= bookmark) {
      nextBookmark_ += options_.bookmarkPeriod;
      piece += line("BOOKMARK", representation_.bookmark(version_, false));
    }
    return piece;
  }

 private:
  std::string initialPiece() {
    std::string piece;
    while (sent_ < initial_.size() && piece.size() < largestPiece) {
      const Item& item = initial_[sent_++];
      if (selects(options_, item)) piece += event("ADDED", item);
    }
    if (sent_ == initial_.size()) initial_.clear(), sent_ = 0;
    return piece;
  }

  std::string event(std::string_view type, const Item& item) {
    const bool first = !std::exchange(started_, true);
    return line(type, representation_.watched(item, first, std::chrono::system_clock::now()));
  }

  /// The event of a change as the selectors let it appear; empty: they hide it.
  std::string told(const Change& change) {
    if (nameSpace_ && change.after.nameSpace != *nameSpace_) return {};
    const bool was = change.before && selects(options_, *change.before);
    const bool is = change.type != Change::Type::Deleted && selects(options_, change.after);
    if (is) return event(was ? "MODIFIED" : "ADDED", change.after);
    if (!was) return {};
    // As it was when it last matched, with the version of what it ceased by.
    Item last = *change.before;
    last.resourceVersion = change.after.resourceVersion;
    last.shape = [shape = change.before->shape, version = change.after.resourceVersion] {
      json object = shape();
      object["metadata"]["resourceVersion"] = std::to_string(version);
      return object;
    };
    return event("DELETED", last);
  }

  std::optional<std::string> finish() {
    over_ = true;
    if (!options_.allowWatchBookmarks) return std::nullopt;
    return line("BOOKMARK", representation_.bookmark(version_, false));
  }

  std::string expire() {
    over_ = true;
    return line("ERROR",
                json::parse(failure(410, fmt::format("too old resource version: {}", version_)).body));
  }

  const Resource& resource_;
  const std::optional<std::string> nameSpace_;
  const ListOptions options_;
  const Representation representation_;
  const Clock::time_point end_;
  Clock::time_point nextBookmark_;
  std::vector<Item> initial_;
  std::size_t sent_ = 0;
  std::uint64_t version_ = 0;
  bool initialEnded_ = false;
  bool started_ = false;
  bool over_ = false;
};

}  // namespace

http::Response watch(const Resource& resource, const std::optional<std::string>& nameSpace,
                     ListOptions options, const Representation& representation) {
  const auto watcher = std::make_shared<Watcher>(resource, nameSpace, std::move(options), representation);
  return {.status = 200,
          .contentType = std::string(http::jsonType),
          .next = [watcher] { return watcher->next(); },
          .longRunning = true};
}

}  // namespace rookery::serve
