#pragma once

#include <string>
#include <string_view>

/// The OpenAPI documents of the API, with which kubectl explains and validates. They are made of the CRDs on
/// first use and live as long as the program; all of this is thread-safe.
namespace rookery::serve {

/// A document as it is sent.
struct OpenApiDocument {
  std::string contentType;
  std::string body;
  std::string etag;  // for the header ETag, in its quotes: the SHA-256 of the body
};

/// /openapi/v2 as JSON, and as the protobuf message that client-go asks for (openapi.v2.Document of
/// google/gnostic).
const OpenApiDocument& openApiV2Json();
const OpenApiDocument& openApiV2Protobuf();

/// /openapi/v3: where the documents of the groups are. The URLs end in ?hash=…, so that what is behind one
/// never changes: kube-apiserver lets it be cached for ever.
const OpenApiDocument& openApiV3Index();

/// /openapi/v3/PATH, an OpenAPI 3.0 document as JSON: "apis/rookery.dev/v1alpha1" or "api/v1". Null: there is
/// none.
const OpenApiDocument* findOpenApiV3(std::string_view path);

}  // namespace rookery::serve
