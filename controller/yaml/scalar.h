#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace rookery::yaml {

/// A plain YAML scalar as JSON, by the rules that yaml.h lists. Nothing: an infinity, not-a-number, or a
/// number too large for a double.
std::optional<nlohmann::json> readPlainScalar(std::string_view text);

}  // namespace rookery::yaml
