#pragma once

#include <expected>
#include <nlohmann/json.hpp>

#include "http/message.h"

namespace rookery::serve {

/// `object` with the operations of a JSON patch (RFC 6902) done one by one; `operations` is a list. Failures:
/// 422 for an operation that is none or does not fit the object, which names it and holds no value; 413 for
/// what would become too deep or too large, or take too much work: copies can double a value and deepen it
/// again and again.
std::expected<nlohmann::json, http::Response> applyJsonPatch(nlohmann::json object,
                                                             const nlohmann::json& operations);

}  // namespace rookery::serve
