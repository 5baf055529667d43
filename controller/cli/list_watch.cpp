#include "cli/list_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "api/json_path.h"
#include "text.h"

namespace rookery::cli {
namespace {

using nlohmann::json;

constexpr int pageSize = 500;
constexpr std::chrono::seconds longestPause{30};
constexpr std::string_view endless =
    "What answers there is no rookery controller: its list goes on, and has nothing more in it.";

/// Path and parameters; those without a value are left out.
std::string target(const ObjectQuery& query,
                   std::initializer_list<std::pair<const char*, std::string>> parameters) {
  std::string target = query.path;
  char separator = '?';
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    target += fmt::format("{}{}={}", std::exchange(separator, '&'), name, percentEncode(value));
  };
  add("labelSelector", query.labelSelector);
  add("fieldSelector", query.fieldSelector);
  for (const auto& [name, value] : parameters) add(name, value);
  return target;
}

Result<void> append(json part, Listing& listing) {
  const bool isList = part.is_object() && part.contains("items") &&
                      (part.at("items").is_array() || part.at("items").is_null());
  if (!isList) {
    return fail(Reason::ProtocolError,
                "What answers there is no rookery controller: its answer is not a list.");
  }
  for (json& item : part.at("items")) listing.items.push_back(std::move(item));
  listing.resourceVersion = api::textByPath(part, ".metadata.resourceVersion");
  return {};
}

/// What of a collection has been shown, so that a new list tells what has changed since.
class Shown {
 public:
  /// False: it was shown like this already.
  bool add(const json& object) {
    std::string version = api::textByPath(object, ".metadata.resourceVersion");
    const auto [known, isNew] = versions_.try_emplace(keyOf(object), version);
    if (isNew) return true;
    return std::exchange(known->second, version) != version || version.empty();
  }
  void remove(const json& object) { versions_.erase(keyOf(object)); }

 private:
  using Key = std::pair<std::string, std::string>;
  static Key keyOf(const json& object) {
    return {api::textByPath(object, ".metadata.namespace"), api::textByPath(object, ".metadata.name")};
  }
  std::map<Key, std::string> versions_;
};

/// Keeps a server that ends every watch at once from being asked without pause.
class Patience {
 public:
  void ended(bool fruitful) {
    fruitless_ = fruitful ? 0 : fruitless_ + 1;
    if (fruitless_ > 1) {
      std::this_thread::sleep_for(std::min(std::chrono::seconds(fruitless_ - 1), longestPause));
    }
  }

 private:
  int fruitless_ = 0;
};

}  // namespace

Result<json> find(const ApiClient& client, const ApiResource& resource, const std::string& nameSpace,
                  const std::string& name) {
  auto object = client.getIfPresent(resource.path(nameSpace, name));
  if (!object) return std::unexpected(object.error());
  if (*object) return **std::move(object);
  const std::string where =
      resource.namespaced ? fmt::format(" in namespace {}; -n names another", nameSpace) : "";
  return fail(Reason::Refused, fmt::format("Error from server (NotFound): {} \"{}\" not found{}",
                                           resource.typeName, name, where));
}

Result<Listing> list(const ApiClient& client, const ObjectQuery& query) {
  Listing listing;
  std::string next;
  bool inParts = true;
  std::size_t left = ApiClient::longestList;
  for (;;) {
    const std::string limit = inParts ? std::to_string(pageSize) : "";
    auto part = client.getUnlessGone(target(query, {{"limit", limit}, {"continue", next}}), left);
    if (!part) return std::unexpected(part.error());
    if (*part) {
      const std::size_t before = listing.items.size();
      next = api::textByPath(**part, ".metadata.continue");
      if (auto appended = append(**std::move(part), listing); !appended) {
        return std::unexpected(appended.error());
      }
      if (next.empty()) return listing;
      if (listing.items.size() == before) return fail(Reason::ProtocolError, std::string(endless));
    } else if (inParts) {
      // The parts took too long to fetch: then all at once, as kubectl does it.
      inParts = false;
      next.clear();
      listing = {};
    } else {
      return fail(Reason::Refused, "Error from server (Expired): The list is not kept any more.");
    }
  }
}

Result<void> follow(const ApiClient& client, const ObjectQuery& query, const Listing& listing,
                    const std::function<bool(const json&)>& changed) {
  Shown shown;
  for (const json& object : listing.items) shown.add(object);
  std::string version = listing.resourceVersion;
  Patience patience;
  for (;;) {
    bool fruitful = false;
    const auto take = [&](const json& event) {
      const json& object = event.at("object");
      if (std::string now = api::textByPath(object, ".metadata.resourceVersion"); !now.empty()) {
        version = std::move(now);
        fruitful = true;
      }
      if (event.at("type") == "BOOKMARK") return true;
      shown.add(object);
      if (event.at("type") == "DELETED") shown.remove(object);
      return changed(object);
    };
    const auto end = client.watch(
        target(query, {{"watch", "true"}, {"allowWatchBookmarks", "true"}, {"resourceVersion", version}}),
        take);
    if (!end) return std::unexpected(end.error());
    if (*end == ApiClient::WatchEnd::Stopped) return {};
    patience.ended(fruitful);
    if (*end == ApiClient::WatchEnd::Closed) continue;
    const auto again = list(client, query);
    if (!again) return std::unexpected(again.error());
    version = again->resourceVersion;
    for (const json& object : again->items) {
      if (shown.add(object) && !changed(object)) return {};
    }
  }
}

}  // namespace rookery::cli
