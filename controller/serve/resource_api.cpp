#include "serve/resource_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/schema.h"
#include "serve/access.h"
#include "serve/failure.h"
#include "serve/list.h"
#include "serve/negotiation.h"
#include "serve/openapi/openapi.h"
#include "serve/openapi/subresources.h"
#include "serve/patch.h"
#include "serve/representation.h"
#include "serve/review_protobuf.h"
#include "serve/self_review.h"
#include "serve/unikernel_log.h"
#include "serve/usage_resource.h"
#include "serve/volume_content.h"
#include "serve/watch.h"
#include "serve/write_request.h"
#include "yaml/writer.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

http::Response ok(const json& body, int status = 200) {
  return {.status = status, .contentType = std::string(http::jsonType), .body = yaml::dump(body) + "\n"};
}

http::Response noSuchResource() { return failure(404, "the server could not find the requested resource"); }

FailureDetails detailsOf(const ResourceType& type, const RequestInfo& info) {
  return {.name = info.name, .group = type.group, .kind = type.plural};
}

/// The version that the path names: after the group, or after "api" for the core group.
std::string versionIn(const http::Target& target) {
  const std::size_t index = target.segments.front() == "api" ? 1 : 2;
  return index < target.segments.size() ? target.segments[index] : std::string();
}

http::Response send(const OpenApiDocument& document, const Request& request) {
  http::Response response{.status = 200, .contentType = document.contentType, .body = document.body};
  response.headers["ETag"] = document.etag;
  if (request.ifNoneMatch == document.etag) {
    response.status = 304;
    response.body.clear();
  }
  return response;
}

/// The scope of the path fits the kind's, and an object has a namespace where it needs one.
bool fits(const ResourceType& type, const RequestInfo& info) {
  if (!type.namespaced)
    return info.nameSpace.empty() || (type.kind == "Namespace" && info.nameSpace == info.name);
  return !info.nameSpace.empty() || info.name.empty();
}

/// What a client is told of a change.
http::Response answer(ObjectWriter::Answer changed, const ResourceType& type, const RequestInfo& info) {
  if (!changed) return std::move(changed.error());
  const std::string name = changed->object["metadata"]["name"];
  http::Response response = changed->gone ? ok({{"kind", "Status"},
                                                {"apiVersion", "v1"},
                                                {"metadata", json::object()},
                                                {"status", "Success"},
                                                {"details",
                                                 {{"name", name},
                                                  {"group", type.group},
                                                  {"kind", type.plural},
                                                  {"uid", changed->object["metadata"].value("uid", "")}}}})
                                          : ok(changed->object, info.verb == "create" ? 201 : 200);
  warn(response, changed->warnings);
  return response;
}

}  // namespace

ResourceApi::ResourceApi(const reconcile::ObjectStore& objects, const reconcile::EventCache& events,
                         ObjectWriter* writer, Streams streams)
    : objects_(objects),
      writer_(writer),
      consoles_(streams.consoles),
      dumps_(streams.dumps),
      loads_(streams.loads),
      images_(streams.images) {
  if (streams.plans != nullptr) {
    plans_.emplace(*streams.plans, objects, std::move(streams.holderElsewhere));
    resources_.push_back(planResource(*plans_));
  }
  for (const api::Kind kind : api::allKinds) resources_.push_back(objectResource(objects, kind));
  resources_.push_back(eventResource(events));
  resources_.push_back(namespaceResource(objects));
  if (streams.usages != nullptr) resources_.push_back(usageResource(*streams.usages, objects));
  for (auto& reviews : selfReviewResources()) resources_.push_back(std::move(reviews));
}

http::Response ResourceApi::handle(const Request& request, const http::Target& target) const {
  const RequestInfo info = requestInfoOf(request.method, target);
  if (info.resource.empty()) {
    if (!onlyReads(request.method)) return methodNotAllowed(request.method);
    return discover(request, target);
  }
  const Resource* resource = find(info, versionIn(target));
  if (resource == nullptr || !fits(resource->type(), info)) return noSuchResource();
  if (isSelfReview(info)) return review(request, target, info);
  const auto& subresources = subresourcesOf(resource->type().kind);
  const bool isWhole = info.subresource.empty();
  const bool isKnown =
      std::ranges::find(subresources, info.subresource, &Subresource::name) != subresources.end();
  if (!isWhole && !isKnown) return noSuchResource();
  if (!objects_.synced()) return notSynced();  // an empty list would be a lie
  const bool isStatus = info.subresource == "status";
  if (!isWhole && !isStatus) return readSubresource(request, target, *resource, info);
  if (onlyReads(request.method)) return read(request, target, *resource, info);
  if (isStatus) {
    return failure(405, "the status is the controller's to say: it cannot be written",
                   detailsOf(resource->type(), info));
  }
  return write(request, target, *resource, info);
}

const Resource* ResourceApi::find(const RequestInfo& info, std::string_view version) const {
  for (const auto& resource : resources_) {
    const ResourceType& type = resource->type();
    if (type.group == info.group && type.version == version && type.plural == info.resource)
      return resource.get();
  }
  return nullptr;
}

http::Response ResourceApi::discover(const Request& request, const http::Target& target) const {
  const auto& path = target.segments;
  if (path.front() == "openapi") return document(request, target);
  if (!negotiate(request.accept, Content::Discovery)) {
    return notAcceptable();
  }
  json found;
  if (path.front() == "version" && path.size() == 1) {
    found = versionDocument();
  } else if (path.front() == "api" && path.size() <= 2) {
    found = path.size() == 1 ? coreVersions() : resourceList(resources_, "", path[1]);
  } else if (path.front() == "apis" && path.size() <= 3) {
    found = path.size() == 1   ? groupList(resources_)
            : path.size() == 2 ? groupNamed(resources_, path[1])
                               : resourceList(resources_, path[1], path[2]);
  }
  return found.is_null() ? noSuchResource() : ok(found);
}

http::Response ResourceApi::document(const Request& request, const http::Target& target) const {
  const auto& path = target.segments;
  if (path.size() == 2 && path[1] == "v2") {
    const auto form = negotiateOpenApiV2(request.accept);
    if (!form) return notAcceptable();
    return send(*form == OpenApiForm::Json ? openApiV2Json() : openApiV2Protobuf(), request);
  }
  if (path.size() < 2 || path[1] != "v3") return noSuchResource();
  if (path.size() == 2) return send(openApiV3Index(), request);
  std::string name = path[2];
  for (std::size_t i = 3; i < path.size(); ++i) name += "/" + path[i];
  const OpenApiDocument* found = findOpenApiV3(name);
  return found == nullptr ? noSuchResource() : send(*found, request);
}

http::Response ResourceApi::read(const Request& request, const http::Target& target, const Resource& resource,
                                 const RequestInfo& info) const {
  const ResourceType& type = resource.type();
  if (std::ranges::find(type.verbs, info.verb) == type.verbs.end()) {
    return failure(
        405, fmt::format("{} is not supported on resources of kind \"{}\"", info.verb, type.qualifiedName()),
        detailsOf(type, info));
  }
  if (!info.name.empty() && info.verb != "watch") {
    const auto form = Representation::of(request, target, Content::Object, type);
    if (!form) return form.error();
    const auto item = resource.find(type.namespaced ? info.nameSpace : "", info.name);
    if (!item) {
      return failure(404, fmt::format("{} \"{}\" not found", type.qualifiedName(), info.name),
                     detailsOf(type, info));
    }
    return {.status = 200,
            .contentType = std::string(http::jsonType),
            .body = form->object(*item, std::chrono::system_clock::now())};
  }
  if (!info.name.empty()) return failure(400, "watch one object with fieldSelector=metadata.name=NAME");
  auto options = parseListOptions(target.query, type);
  if (!options) return std::move(options.error());
  const auto form =
      Representation::of(request, target, options->watch ? Content::Watch : Content::List, type);
  if (!form) return form.error();
  const auto nameSpace = info.nameSpace.empty() ? std::nullopt : std::optional(info.nameSpace);
  return options->watch ? watch(resource, nameSpace, *std::move(options), *form)
                        : list(resource, nameSpace, *options, *form);
}

/// What is not the object, but of it: its log, what it uses.
http::Response ResourceApi::readSubresource(const Request& request, const http::Target& target,
                                            const Resource& resource, RequestInfo info) const {
  if (info.subresource == "content") return content(request, target, info);
  if (!onlyReads(request.method)) return methodNotAllowed(request.method);
  if (info.subresource == "log") return log(target, info);
  if (info.subresource == "source") return source(resource, info);
  if (info.subresource == "plan") return plan(request, target, std::move(info));
  info.resource = "unikernelusages";
  const Resource* usages = find(info, versionIn(target));
  return usages == nullptr ? noSuchResource() : read(request, target, *usages, info);
}

http::Response ResourceApi::log(const http::Target& target, const RequestInfo& info) const {
  const reconcile::ObjectViewPtr unikernel = objects_.find({api::Kind::Unikernel, info.nameSpace, info.name});
  if (unikernel == nullptr) {
    return failure(404, fmt::format("unikernels.rookery.dev \"{}\" not found", info.name),
                   {.name = info.name, .group = info.group, .kind = info.resource});
  }
  if (consoles_ == nullptr) return failure(503, "no console can be read here");
  return unikernelLog(target, *unikernel, *consoles_);
}

/// What is about to be done on an instance, or about one unikernel.
http::Response ResourceApi::plan(const Request& request, const http::Target& target, RequestInfo info) const {
  const auto kind = info.resource == "unikernels" ? api::Kind::Unikernel : api::Kind::AlbatrossInstance;
  const api::ObjectKey key{kind, info.nameSpace, info.name};
  const reconcile::ObjectViewPtr view = objects_.find(key);
  if (view == nullptr) {
    return failure(404, fmt::format("{}.{} \"{}\" not found", info.resource, info.group, info.name),
                   {.name = info.name, .group = info.group, .kind = info.resource});
  }
  if (!plans_) return noSuchResource();
  if (kind == api::Kind::Unikernel) {
    auto made = plans_->ofUnikernel(*view);
    return made ? ok(*made) : failure(503, made.error().message);
  }
  if (auto planned = plans_->check(info.name); !planned) return failure(503, planned.error().message);
  info.resource = "instanceplans";
  const Resource* all = find(info, versionIn(target));
  check(all != nullptr, "whoever plans lists the plans");
  return read(request, target, *all, info);
}

http::Response ResourceApi::content(const Request& request, const http::Target& target,
                                    const RequestInfo& info) const {
  const bool loads = request.method == "PUT";
  if (!loads && !onlyReads(request.method)) {
    http::Response refused = methodNotAllowed(request.method);
    refused.headers["Allow"] = "GET, PUT";
    return refused;
  }
  const reconcile::ObjectViewPtr volume =
      objects_.find({api::Kind::UnikernelVolume, info.nameSpace, info.name});
  if (volume == nullptr) {
    return failure(404, fmt::format("unikernelvolumes.rookery.dev \"{}\" not found", info.name),
                   {.name = info.name, .group = info.group, .kind = info.resource});
  }
  if (loads) return load(request, target, *volume);
  if (dumps_ == nullptr) return failure(503, "no volume can be read here");
  return volumeContent(*volume, *dumps_);
}

/// Where an object is declared: what has to be edited, and whether the API does that.
http::Response ResourceApi::source(const Resource& resource, const RequestInfo& info) const {
  const ResourceType& type = resource.type();
  const auto kind = api::kindNamed(type.kind);
  check(kind.has_value(), "what has a source is of a kind that has manifests");
  const reconcile::ObjectViewPtr view = objects_.find({*kind, info.nameSpace, info.name});
  if (view == nullptr) {
    return failure(404, fmt::format("{} \"{}\" not found", type.qualifiedName(), info.name),
                   detailsOf(type, info));
  }
  const api::Origin& origin = view->object->origin;
  json answer = {{"apiVersion", type.apiVersion()},
                 {"kind", "ManifestSource"},
                 {"metadata", {{"name", info.name}}},
                 {"writable", writer_ != nullptr && writer_->writes(*view->object)}};
  if (type.namespaced) answer["metadata"]["namespace"] = info.nameSpace;
  if (!origin.file.empty()) answer["file"] = origin.file.string();
  if (origin.line != 0) answer["line"] = origin.line;
  return ok(answer);
}

http::Response ResourceApi::review(const Request& request, const http::Target& target,
                                   const RequestInfo& info) const {
  if (request.body != nullptr && request.contentType.starts_with(kubernetesProtobuf)) {
    constexpr std::size_t longest = std::size_t{64} << 10;
    const auto bytes = http::readAll(*request.body, longest);
    if (!bytes) return failure(bytes.error());
    const auto review = reviewOfProtobuf(*bytes);
    if (!review) return failure(400, "the body is not a review in Kubernetes' protobuf");
    return reviewSelf(request, info, *review, writer_ != nullptr);
  }
  auto asked = readWriteRequest(request, target, info.verb, parsing_);
  if (!asked) return std::move(asked.error());
  return reviewSelf(request, info, asked->body, writer_ != nullptr);
}

http::Response ResourceApi::load(const Request& request, const http::Target& target,
                                 const reconcile::ObjectView& volume) const {
  if (writer_ == nullptr || loads_ == nullptr || images_ == nullptr) {
    return failure(
        405,
        "this API is read-only, what is on volumes included: start rookery run with --api-store DIR "
        "to let it be written");
  }
  bool force = false;
  for (const auto& [name, value] : target.query) {
    if (name != "force" || (value != "true" && value != "false"))
      return failure(400, "the only parameter is force, which is true or false");
    force = value == "true";
  }
  const Admission::Pass pass = loading_.enter(accountOf(request.caller, request.peer));
  if (!pass)
    return tooManyRequests("too many volumes are being written: try again", std::chrono::seconds(10));
  return loadVolume(request.body, volume, force, *loads_, *images_);
}

http::Response ResourceApi::write(const Request& request, const http::Target& target,
                                  const Resource& resource, const RequestInfo& info) const {
  const ResourceType& type = resource.type();
  const auto kind = api::kindNamed(type.kind);
  const bool known = std::ranges::find(type.verbs, info.verb) != type.verbs.end();
  const bool misplaced =
      (info.verb == "create") != info.name.empty() || (type.namespaced && info.nameSpace.empty());
  if (!kind || !known || misplaced) {
    return failure(405, "the server does not allow this method on the requested resource",
                   detailsOf(type, info));
  }
  if (writer_ == nullptr) {
    return failure(
        405,
        "this API is read-only: start rookery run with --api-store DIR to let it write manifests there, "
        "or change the manifests instead",
        detailsOf(type, info));
  }
  auto wanted = readWriteRequest(request, target, info.verb, parsing_);
  if (!wanted) return std::move(wanted.error());
  wanted->options.caller = accountOf(request.caller, request.peer);
  const api::ObjectKey key{*kind, info.nameSpace, info.name};
  if (info.verb == "create")
    return answer(writer_->create(resource, info.nameSpace, std::move(wanted->body), wanted->options), type,
                  info);
  if (info.verb == "update")
    return answer(writer_->update(resource, key, std::move(wanted->body), wanted->options), type, info);
  if (info.verb == "delete")
    return answer(writer_->remove(resource, key, wanted->preconditions, wanted->options), type, info);
  auto patch = patchOf(*kind, request.contentType, std::move(wanted->body));
  if (!patch) return std::move(patch.error());
  return answer(writer_->patch(resource, key, *patch, wanted->options), type, info);
}

}  // namespace rookery::serve
