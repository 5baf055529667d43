#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

/// The schemas of what the API serves, for its OpenAPI documents: the custom kinds' from their CRDs, the rest
/// as Kubernetes has it (metadata, Status, Secret, Event).
namespace rookery::serve {

/// A kind that the API serves.
struct OpenApiKind {
  std::string group;  // empty: the core group
  std::string version;
  std::string kind;
  std::string plural;
  bool namespaced = true;
  bool writable = true;
  std::string definition;  // name of its schema, as Kubernetes builds it: "dev.rookery.v1alpha1.Unikernel"

  /// "apis/rookery.dev/v1alpha1", "api/v1"
  std::string groupVersionPath() const;
};

/// All of them. They live as long as the program.
const std::vector<OpenApiKind>& openApiKinds();

inline constexpr std::string_view metaDefinitions = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Schemas by name. A reference is `{"$ref": NAME}`, beside which a description may stand.
using OpenApiDefinitions = std::map<std::string, nlohmann::json>;

/// The schemas of these kinds and their lists, and those that they and every operation refer to.
OpenApiDefinitions definitionsOf(const std::vector<OpenApiKind>& kinds);

/// As OpenAPI 3.0 has them, for components.schemas.
nlohmann::json toV3(const OpenApiDefinitions& definitions);

/// As OpenAPI 2.0 has them, for definitions: without what it lacks, and untyped where kubectl would otherwise
/// refuse what the schema allows, as kube-apiserver publishes the schemas of CRDs
/// (k8s.io/apiextensions-apiserver/pkg/controller/openapi/v2).
nlohmann::json toV2(const OpenApiDefinitions& definitions);

}  // namespace rookery::serve
