#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace rookery::serve {

/// An OpenAPI 2.0 document as the protobuf message openapi.v2.Document (openapiv2/OpenAPIv2.proto of
/// google/gnostic). `document` is one of ours (openapi.h): a keyword that they do not use is a broken
/// invariant.
std::string encodeOpenApiV2(const nlohmann::json& document);

}  // namespace rookery::serve
