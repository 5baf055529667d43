#include "cli/hand_over.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "api/json_path.h"
#include "api/schema.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/list_watch.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds pollInterval{300};

enum class Standing { Awaited, Ready, Failed };

/// How the controller says that an object stands which it should have as `wanted`.
Standing standingOf(const json& object, const api::Object& wanted) {
  const json* spec = api::findByPath(object, ".spec");
  if (spec == nullptr || *spec != wanted.manifest.unpack()["spec"]) return Standing::Awaited;
  const json* generation = api::findByPath(object, ".metadata.generation");
  const json* observed = api::findByPath(object, ".status.observedGeneration");
  if (generation == nullptr || observed == nullptr || *generation != *observed) return Standing::Awaited;
  const std::string reason = api::textByPath(object, R"(.status.conditions[?(@.type=="Ready")].reason)");
  if (api::textByPath(object, R"(.status.conditions[?(@.type=="Ready")].status)") == "True" ||
      reason == toString(Reason::Suspended) || reason == toString(Reason::InstanceSuspended))
    return Standing::Ready;
  const bool stalled =
      api::textByPath(object, R"(.status.conditions[?(@.type=="Stalled")].status)") == "True";
  return stalled ? Standing::Failed : Standing::Awaited;
}

/// All objects of the custom kinds that the controller has.
Result<std::map<api::ObjectKey, json>> objectsAt(const ApiClient& client) {
  std::map<api::ObjectKey, json> objects;
  for (const api::Kind kind : api::customKinds()) {
    const auto resource = ApiResource::named(api::toString(kind));
    if (!resource) return std::unexpected(resource.error());
    auto listing = list(client, {resource->path(std::nullopt), "", ""});
    if (!listing) return std::unexpected(listing.error());
    for (json& object : listing->items) {
      api::ObjectKey key{kind, api::textByPath(object, ".metadata.namespace"),
                         api::textByPath(object, ".metadata.name")};
      objects.emplace(std::move(key), std::move(object));
    }
  }
  return objects;
}

struct Look {
  Failures failures;
  std::size_t awaited = 0;
  std::string first;  // of those
};

Look lookAt(const std::map<api::ObjectKey, json>& objects, const source::Snapshot& snapshot) {
  Look look;
  for (const api::Problem& problem : snapshot.problems) look.failures.add(problem.toString());
  for (const api::ObjectPtr& wanted : snapshot.objects) {
    if (wanted->kind() == api::Kind::Secret) continue;
    const auto found = objects.find(wanted->key());
    const Standing standing = found == objects.end() ? Standing::Awaited : standingOf(found->second, *wanted);
    if (standing == Standing::Awaited && look.awaited++ == 0) look.first = wanted->key().toString();
    if (standing != Standing::Failed) continue;
    look.failures.add(
        fmt::format("{} is not Ready ({}): {}", wanted->key().toString(),
                    api::textByPath(found->second, R"(.status.conditions[?(@.type=="Ready")].reason)"),
                    api::textByPath(found->second, R"(.status.conditions[?(@.type=="Ready")].message)")));
  }
  return look;
}

}  // namespace

Result<Failures> waitForController(const ClientOptions& options, const source::Snapshot& snapshot,
                                   std::chrono::milliseconds timeout) {
  const auto client = ApiClient::to(options);
  if (!client) return std::unexpected(client.error());
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto objects = objectsAt(*client);
    if (!objects) return std::unexpected(objects.error());
    Look look = lookAt(*objects, snapshot);
    if (look.awaited == 0) return std::move(look.failures);
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(Reason::DeadlineExceeded,
                  fmt::format("{} object{} not Ready in time; the first is {}.", look.awaited,
                              look.awaited == 1 ? " is" : "s are", look.first));
    }
    std::this_thread::sleep_for(pollInterval);
  }
}

}  // namespace rookery::cli
