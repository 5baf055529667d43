#pragma once

#include <optional>
#include <string_view>

/// What a client accepts (RFC 9110, section 12.5.1), as Kubernetes' API server reads it
/// (k8s.io/apiserver/pkg/endpoints/handlers/negotiation). JSON is the only encoding of resources: protobuf,
/// CBOR and YAML are passed over.
namespace rookery::serve {

/// What an answer holds.
enum class Content { Object, List, Watch, Discovery };

/// A form in which resources are answered.
struct MediaType {
  enum class As {
    Itself,
    PartialObjectMetadata,  // of a list: PartialObjectMetadataList
    Table
  };
  As as = As::Itself;
  std::string_view version = "v1";  // of meta.k8s.io, for what is not itself: v1 or v1beta1
  bool pretty = false;              // indented

  friend bool operator==(const MediaType&, const MediaType&) = default;
};

/// The form that the header Accept asks for most: by quality, then the more specific range, then order. An
/// empty header accepts anything. Nothing when it accepts no form that `content` has: 406. `accept` may be of
/// any length: it is read once.
std::optional<MediaType> negotiate(std::string_view accept, Content content);

/// The forms of the document at /openapi/v2.
enum class OpenApiForm { Json, Protobuf };

/// As kube-apiserver answers `application/json` and
/// `application/com.github.proto-openapi.spec.v2@v1.0+protobuf` (also with a dot for the @, which is no
/// character of a media type). Nothing: 406.
std::optional<OpenApiForm> negotiateOpenApiV2(std::string_view accept);

}  // namespace rookery::serve
