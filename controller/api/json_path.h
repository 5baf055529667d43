#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace rookery::api {

/// What somebody else wrote need not be what it should: these find a member of an object, or nothing.
/// Pointers and references live as long as the object.
const nlohmann::json& memberOf(const nlohmann::json& object, std::string_view member);  // null: not there
const std::string* stringAt(const nlohmann::json& object, std::string_view member);     // null: no string
std::string textAt(const nlohmann::json& object, std::string_view member);              // empty: no string
std::int64_t numberAt(const nlohmann::json& object, std::string_view member);           // 0: no whole number

/// The value that a printer column's JSONPath names, in Kubernetes' simple form: `.a.b`, `.a\.b`, `.a[0]`,
/// `.a[?(@.type=="Ready")].status` (the first element that matches). Null where the document has none, or the
/// path is of another form. The pointer lives as long as the document.
const nlohmann::json* findByPath(const nlohmann::json& document, std::string_view path);

/// The string at a path; empty where there is none.
std::string textByPath(const nlohmann::json& document, std::string_view path);

}  // namespace rookery::api
