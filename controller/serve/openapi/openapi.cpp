#include "serve/openapi/openapi.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "http/message.h"
#include "image/digest.h"
#include "image/image.h"
#include "serve/openapi/operations.h"
#include "serve/openapi/v2_proto.h"
#include "yaml/writer.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

// With the dot: an @ is no character of a media type, and kube-apiserver answers so, too.
constexpr std::string_view protobufType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

std::string hashOf(std::string_view text) {
  image::Sha256 hash;
  hash.update(text);
  return image::toHex(hash.finish());
}

OpenApiDocument makeDocument(std::string_view contentType, std::string body) {
  const std::string etag = fmt::format("\"{}\"", hashOf(body));
  return {.contentType = std::string(contentType), .body = std::move(body), .etag = etag};
}

json info() { return {{"title", "Rookery"}, {"version", "v1alpha1"}}; }

std::vector<OpenApiPath> allPaths(const std::vector<OpenApiKind>& kinds) {
  std::vector<OpenApiPath> paths;
  for (const OpenApiKind& kind : kinds) {
    for (OpenApiPath& path : pathsOf(kind)) paths.push_back(std::move(path));
  }
  return paths;
}

const json& documentV2() {
  static const json document = {{"swagger", "2.0"},
                                {"info", info()},
                                {"paths", pathsV2(allPaths(openApiKinds()))},
                                {"definitions", toV2(definitionsOf(openApiKinds()))}};
  return document;
}

OpenApiDocument makeV3(const std::vector<OpenApiKind>& kinds) {
  const json document = {{"openapi", "3.0.0"},
                         {"info", info()},
                         {"paths", pathsV3(allPaths(kinds))},
                         {"components", {{"schemas", toV3(definitionsOf(kinds))}}}};
  return makeDocument(http::jsonType, yaml::dump(document));
}

using DocumentsV3 = std::map<std::string, OpenApiDocument, std::less<>>;

const DocumentsV3& documentsV3() {
  static const DocumentsV3 documents = [] {
    std::map<std::string, std::vector<OpenApiKind>> groups;
    for (const OpenApiKind& kind : openApiKinds()) groups[kind.groupVersionPath()].push_back(kind);
    DocumentsV3 made;
    for (const auto& [path, kinds] : groups) made.emplace(path, makeV3(kinds));
    return made;
  }();
  return documents;
}

OpenApiDocument makeIndex() {
  json paths = json::object();
  for (const auto& [path, document] : documentsV3()) {
    const std::string hash = document.etag.substr(1, document.etag.size() - 2);
    paths[path] = {{"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}", path, hash)}};
  }
  return makeDocument(http::jsonType, yaml::dump({{"paths", std::move(paths)}}));
}

}  // namespace

const OpenApiDocument& openApiV2Json() {
  static const OpenApiDocument document = makeDocument(http::jsonType, yaml::dump(documentV2()));
  return document;
}

const OpenApiDocument& openApiV2Protobuf() {
  static const OpenApiDocument document = makeDocument(protobufType, encodeOpenApiV2(documentV2()));
  return document;
}

const OpenApiDocument& openApiV3Index() {
  static const OpenApiDocument document = makeIndex();
  return document;
}

const OpenApiDocument* findOpenApiV3(std::string_view path) {
  const auto found = documentsV3().find(path);
  return found == documentsV3().end() ? nullptr : &found->second;
}

}  // namespace rookery::serve
