#include "serve/query_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "http/target.h"
#include "serve/failure.h"

namespace rookery::serve {
namespace {

/// As strconv.ParseBool reads it; absent and empty are false.
std::optional<bool> parseBool(const std::string& text) {
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"", "0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace

void QueryReader::read(const char* name, bool& value) {
  const auto parsed = parseBool(http::parameterOf(query_, name));
  if (!parsed) return refuse(name, "must be true or false");
  value = *parsed;
}

void QueryReader::read(const char* name, std::optional<std::uint64_t>& value) {
  const std::string text = http::parameterOf(query_, name);
  if (text.empty()) return;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    return refuse(name, "must be a whole number that is not negative");
  value = number;
}

void QueryReader::refuse(const char* name, std::string_view why) {
  using nlohmann::json;
  refuse(fmt::format(
      "invalid value {} for the parameter {}: it {}",
      json(http::parameterOf(query_, name)).dump(-1, ' ', true, json::error_handler_t::replace), name, why));
}

void QueryReader::refuse(const std::string& message) {
  if (!failed_) failed_ = failure(400, message);
}

}  // namespace rookery::serve
