#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace rookery::cli {

/// The value that a printer column's JSONPath names, in Kubernetes' simple form: `.a.b`, `.a\.b`, `.a[0]`,
/// `.a[?(@.type=="Ready")].status` (the first element that matches). Null where the document has none, or the
/// path is of another form. The pointer lives as long as the document.
const nlohmann::json* findByPath(const nlohmann::json& document, std::string_view path);

}  // namespace rookery::cli
