#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/api_client.h"
#include "cli/api_resource.h"

namespace rookery::cli {

/// Which objects: those of a collection that the selectors, as kubectl writes them, select.
struct ObjectQuery {
  std::string path;           // of the collection
  std::string labelSelector;  // empty: any
  std::string fieldSelector;
};

struct Listing {
  nlohmann::json items = nlohmann::json::array();
  std::string resourceVersion;  // of the collection: what a watch goes on from
};

/// One object; `nameSpace` is of no matter where the kind has none. Errors: as ApiClient::get, and what is
/// not there is told with where it was looked for.
Result<nlohmann::json> find(const ApiClient& client, const ApiResource& resource,
                            const std::string& nameSpace, const std::string& name);

/// All objects, fetched in parts of 500. Errors: as ApiClient::get.
Result<Listing> list(const ApiClient& client, const ObjectQuery& query);

/// Hands each object to `changed` when it is added, changed or deleted after `listing`, until that returns
/// false. A watch that the server ends is taken up where it ended; when that is too long ago, the objects are
/// listed again, and those that differ from before are handed on. Errors: as ApiClient::watch.
Result<void> follow(const ApiClient& client, const ObjectQuery& query, const Listing& listing,
                    const std::function<bool(const nlohmann::json& object)>& changed);

}  // namespace rookery::cli
