#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"

namespace rookery::api {

/// A printer column of a CRD (`additionalPrinterColumns`).
struct Column {
  std::string name;
  std::string type;  // string, integer, date, …
  std::string jsonPath;
  int priority = 0;  // > 0: only with -o wide
};

/// What the CRD of a kind (compiled in from crds/) says about it. Lives as long as the program.
struct Definition {
  Kind kind;
  bool namespaced;
  std::string plural, singular;
  std::vector<std::string> shortNames;
  std::vector<Column> columns;
  nlohmann::json schema;  // openAPIV3Schema of the served version
};

/// Of any kind but Secret. Aborts when the compiled-in CRD is broken.
const Definition& definitionOf(Kind kind);
const std::vector<Kind>& customKinds();

/// The schema of a manifest of any kind, Secret included: the CRD's with Kubernetes' ObjectMeta put in,
/// without status. Lives as long as the program.
const nlohmann::json& manifestSchemaOf(Kind kind);

/// Of a List document, apart from its items. Lives as long as the program.
const nlohmann::json& listSchema();

/// Kind by any name that kubectl would take: plural, singular, short name, Kind; any case. Error: UsageError
/// that lists them.
Result<Kind> parseKind(std::string_view word);

}  // namespace rookery::api
