#include "serve/self_review.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "api/json_path.h"
#include "api/schema.h"
#include "http/target.h"
#include "serve/access.h"
#include "serve/failure.h"
#include "yaml/writer.h"

namespace rookery::serve {

using nlohmann::json;

namespace {

constexpr std::string_view accessPlural = "selfsubjectaccessreviews";
constexpr std::string_view accessGroup = "authorization.k8s.io";
constexpr std::string_view subjectPlural = "selfsubjectreviews";
constexpr std::string_view subjectGroup = "authentication.k8s.io";

bool isAccessReview(const RequestInfo& info) {
  return info.group == accessGroup && info.resource == accessPlural;
}
bool isSubjectReview(const RequestInfo& info) {
  return info.group == subjectGroup && info.resource == subjectPlural;
}

/// There are none: each is gone with its answer.
class ReviewResource final : public Resource {
 public:
  using Resource::Resource;
  Listing list(const std::optional<std::string>& /*nameSpace*/) const override { return {}; }
  std::optional<Item> find(const std::string& /*nameSpace*/, const std::string& /*name*/) const override {
    return std::nullopt;
  }
  std::optional<Changes> after(std::uint64_t since,
                               std::chrono::steady_clock::time_point /*deadline*/) const override {
    return Changes{.changes = {}, .resourceVersion = since};
  }
};

ResourceType reviewType(std::string_view group, std::string_view plural, std::string kind) {
  std::string singular(plural.substr(0, plural.size() - 1));
  return {.group = std::string(group),
          .version = "v1",
          .plural = std::string(plural),
          .singular = std::move(singular),
          .kind = std::move(kind),
          .namespaced = false,
          .verbs = {"create"},
          .columns = &namespaceColumns()};
}

/// Why the caller may not do that; nothing: it may.
using Refusal = std::optional<std::string>;

Refusal messageOf(const std::optional<http::Response>& refused) {
  if (!refused) return std::nullopt;
  return api::textAt(json::parse(refused->body, nullptr, false), "message");
}

/// Why nobody can do that here.
Refusal impossible(const RequestInfo& attempted, bool writable) {
  constexpr std::array<std::string_view, 5> writing = {"create", "delete", "deploy", "patch", "update"};
  const bool isCustom = attempted.group == api::groupVersion.substr(0, api::groupVersion.find('/'));
  const bool isSecret = attempted.group.empty() && attempted.resource == "secrets";
  if (!isCustom && !isSecret) return std::nullopt;
  if (writable || std::ranges::find(writing, attempted.verb) == writing.end()) return std::nullopt;
  return "nothing is written here: rookery run was started without --api-store DIR";
}

Refusal refusalOf(const Request& request, const json& attributes, bool writable) {
  const RequestInfo attempted{.verb = api::textAt(attributes, "verb"),
                              .group = api::textAt(attributes, "group"),
                              .resource = api::textAt(attributes, "resource"),
                              .subresource = api::textAt(attributes, "subresource"),
                              .nameSpace = api::textAt(attributes, "namespace"),
                              .name = api::textAt(attributes, "name")};
  if (auto refused = messageOf(authorize(request.caller, attempted))) return refused;
  return impossible(attempted, writable);
}

/// Of paths that are about no resource only the metrics are not everybody's.
Refusal refusalOfPath(const Request& request, const json& attributes) {
  const std::string path = api::textAt(attributes, "path");
  if (path != "/metrics" || mayScrape(request.caller)) return std::nullopt;
  return fmt::format("User \"{}\" cannot get path \"/metrics\"", request.caller.name);
}

std::expected<json, http::Response> accessStatus(const Request& request, const json& spec, bool writable) {
  const json& resource = api::memberOf(spec, "resourceAttributes");
  const json& path = api::memberOf(spec, "nonResourceAttributes");
  if (resource.is_object() == path.is_object()) {
    return std::unexpected(
        failure(400, "spec must have exactly one of resourceAttributes and nonResourceAttributes"));
  }
  const Refusal refused =
      resource.is_object() ? refusalOf(request, resource, writable) : refusalOfPath(request, path);
  json status = {{"allowed", !refused}};
  if (refused) status["reason"] = *refused;
  return status;
}

json subjectStatus(const Caller& caller) {
  return {{"userInfo",
           {{"username", caller.name},
            {"groups", {caller.authenticated ? "system:authenticated" : "system:unauthenticated"}},
            {"extra", {{"rookery.dev/namespaces", caller.namespaces}}}}}};
}

}  // namespace

bool isSelfReview(const RequestInfo& attempted) {
  return attempted.verb == "create" && attempted.name.empty() && attempted.nameSpace.empty() &&
         (isAccessReview(attempted) || isSubjectReview(attempted));
}

std::vector<std::unique_ptr<Resource>> selfReviewResources() {
  std::vector<std::unique_ptr<Resource>> resources;
  resources.push_back(
      std::make_unique<ReviewResource>(reviewType(accessGroup, accessPlural, "SelfSubjectAccessReview")));
  resources.push_back(
      std::make_unique<ReviewResource>(reviewType(subjectGroup, subjectPlural, "SelfSubjectReview")));
  return resources;
}

http::Response reviewSelf(const Request& request, const RequestInfo& info, const json& review,
                          bool writable) {
  if (!review.is_object()) return failure(400, "the body is not an object");
  const bool aboutAccess = isAccessReview(info);
  const std::string_view kind = aboutAccess ? "SelfSubjectAccessReview" : "SelfSubjectReview";
  json answer = {{"apiVersion", fmt::format("{}/v1", aboutAccess ? accessGroup : subjectGroup)},
                 {"kind", kind},
                 {"metadata", {{"creationTimestamp", nullptr}}}};
  if (aboutAccess) {
    const json& spec = api::memberOf(review, "spec");
    auto status = accessStatus(request, spec, writable);
    if (!status) return std::move(status.error());
    answer["spec"] = spec;
    answer["status"] = *std::move(status);
  } else {
    answer["status"] = subjectStatus(request.caller);
  }
  return {.status = 201, .contentType = std::string(http::jsonType), .body = yaml::dump(answer) + "\n"};
}

}  // namespace rookery::serve
