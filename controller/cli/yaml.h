#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace rookery::cli {

/// A JSON value as a YAML document in block style, keys in order. A string that a reader of YAML 1.1 or 1.2
/// would take for another type is quoted.
std::string toYaml(const nlohmann::json& json);

}  // namespace rookery::cli
