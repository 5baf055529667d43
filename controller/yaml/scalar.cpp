#include "yaml/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace rookery::yaml {

using nlohmann::json;

namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<json> readWord(std::string_view text) {
  constexpr std::array<std::string_view, 5> nulls = {"", "~", "null", "Null", "NULL"};
  constexpr std::array<std::string_view, 11> trues = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                                      "y",    "Y",    "on",   "On",  "ON"};
  constexpr std::array<std::string_view, 11> falses = {"false", "False", "FALSE", "no",  "No", "NO",
                                                       "n",     "N",     "off",   "Off", "OFF"};
  if (std::ranges::find(nulls, text) != nulls.end()) return json(nullptr);
  if (std::ranges::find(trues, text) != trues.end()) return json(true);
  if (std::ranges::find(falses, text) != falses.end()) return json(false);
  return std::nullopt;
}

/// An integer in Go's notation (strconv.ParseInt with base 0), which is kubectl's.
std::optional<json> readInteger(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = text[1];
    base = letter == 'x' || letter == 'X' ? 16 : letter == 'b' || letter == 'B' ? 2 : 8;
    text.remove_prefix(base != 8 || letter == 'o' || letter == 'O' ? 2 : 1);
  }
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!negative && magnitude > largest) return json(magnitude);
  if (!negative) return json(static_cast<std::int64_t>(magnitude));
  if (magnitude == largest + 1) return json(std::numeric_limits<std::int64_t>::min());
  if (magnitude > largest) return std::nullopt;
  return json(-static_cast<std::int64_t>(magnitude));
}

std::size_t countDigits(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, isDigit) - text.begin());
}

/// YAML 1.1's notation, without sign: digits with an optional point, then an optional exponent.
bool isDecimal(std::string_view text) {
  const std::size_t whole = countDigits(text);
  text.remove_prefix(whole);
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = countDigits(text);
    text.remove_prefix(fraction);
  }
  if (whole + fraction == 0) return false;
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text.remove_prefix(1);
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && countDigits(text) == text.size();
}

std::optional<json> readDecimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (!isDecimal(text)) return std::nullopt;
  double value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
  if (negative) value = -value;
  // A whole number is an integer to Kubernetes, however it is written; below 2^53 a double holds it exactly.
  if (std::abs(value) < 0x1p53 && value == std::trunc(value)) return json(static_cast<std::int64_t>(value));
  return json(value);
}

}  // namespace

std::optional<json> readPlainScalar(std::string_view text) {
  if (auto word = readWord(text)) return word;
  const std::string_view unsignedText = text.substr(text[0] == '+' || text[0] == '-' ? 1 : 0);
  if (unsignedText == ".inf" || unsignedText == ".Inf" || unsignedText == ".INF") return std::nullopt;
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return std::nullopt;
  const bool numeric = isDigit(text[0]) || text[0] == '.' || text[0] == '+' || text[0] == '-';
  if (!numeric) return json(text);
  std::string digits(text);
  std::erase(digits, '_');
  if (auto integer = readInteger(digits)) return integer;
  if (auto number = readDecimal(digits)) return number;
  return json(text);
}

}  // namespace rookery::yaml
