#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace rookery::serve {

/// The media type of Kubernetes' protobuf, in which newer clients send what is of Kubernetes' own kinds.
inline constexpr std::string_view kubernetesProtobuf = "application/vnd.kubernetes.protobuf";

/// Reads a SelfSubjectAccessReview or a SelfSubjectReview from it
/// (k8s.io/apimachinery/pkg/runtime/serializer/protobuf, k8s.io/api/authorization/v1): what it would be as
/// JSON, as far as it is asked. Nothing: it is not one. Any bytes may be given; what is read is no larger.
std::optional<nlohmann::json> reviewOfProtobuf(std::string_view bytes);

}  // namespace rookery::serve
