#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace rookery::api {

/// A plain YAML scalar as JSON, by the rules that yaml.h lists. Nothing: an infinity, not-a-number, or a
/// number too large for a double.
std::optional<nlohmann::json> readPlainScalar(std::string_view text);

/// How many bytes the UTF-8 sequence at the start of `text` takes (RFC 3629); 0: it is not one.
std::size_t utf8Length(std::string_view text);

/// The offset of the first byte that text must not hold: not UTF-8 (RFC 3629), or a control character other
/// than tab, line feed and carriage return.
std::optional<std::size_t> findInvalidByte(std::string_view text);

}  // namespace rookery::api
