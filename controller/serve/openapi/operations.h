#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "serve/openapi/definitions.h"
#include "serve/openapi/subresources.h"

/// What can be done with the kinds that the API serves, for its OpenAPI documents: paths and operations with
/// the parameters that kube-apiserver lists, as far as they are served.
namespace rookery::serve {

/// A method of a path.
struct OpenApiOperation {
  std::string method;  // "get"
  std::string action;  // x-kubernetes-action: get, list, post, put, patch or delete
  std::string id;      // "readRookeryDevV1alpha1NamespacedUnikernel"
  std::string description;
  std::string answer;  // the definition that is answered; empty: what its type says, as it is
  std::string answerType = "application/json";
  std::string body;                    // the definition that is sent; empty: what its type says, as it is
  std::vector<std::string> bodyTypes;  // none: nothing is sent
  int success = 200;
  std::vector<OpenApiParameter> query;
};

struct OpenApiPath {
  std::string path;  // "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernels/{name}"
  const OpenApiKind* kind = nullptr;
  std::vector<OpenApiOperation> operations;
};

/// All paths of a kind, which must outlive them.
std::vector<OpenApiPath> pathsOf(const OpenApiKind& kind);

/// Paths as OpenAPI 2.0 and 3.0 have them.
nlohmann::json pathsV2(const std::vector<OpenApiPath>& paths);
nlohmann::json pathsV3(const std::vector<OpenApiPath>& paths);

}  // namespace rookery::serve
