#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace rookery::api {

/// The value that a printer column's JSONPath names, in Kubernetes' simple form: `.a.b`, `.a\.b`, `.a[0]`,
/// `.a[?(@.type=="Ready")].status` (the first element that matches). Null where the document has none, or the
/// path is of another form. The pointer lives as long as the document.
const nlohmann::json* findByPath(const nlohmann::json& document, std::string_view path);

/// The string at a path; empty where there is none.
std::string textByPath(const nlohmann::json& document, std::string_view path);

}  // namespace rookery::api
