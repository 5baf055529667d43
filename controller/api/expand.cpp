#include "api/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "text.h"
#include "yaml/yaml.h"

namespace rookery::api {

namespace {

/// Hands the text to `literal` and the names of its references to `reference`, in order, as Kubernetes'
/// expansion.go cuts it: `$$` is a dollar sign; `$(` without a `)` and `$` before anything else stand for
/// themselves.
template <class Literal, class Reference>
void cut(std::string_view text, Literal literal, Reference reference) {
  const std::size_t lastClose = text.rfind(')');
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t dollar = std::min(text.find('$', at), text.size());
    literal(text.substr(at, dollar - at));
    const std::string_view pair = text.substr(dollar, 2);
    if (pair == "$(" && lastClose != std::string_view::npos && lastClose > dollar) {
      const std::size_t close = text.find(')', dollar);
      reference(text.substr(dollar + 2, close - dollar - 2));
      at = close + 1;
    } else {
      literal(pair == "$$" ? "$" : pair);
      at = dollar + 2;
    }
  }
}

constexpr std::string_view instanceName = "INSTANCE_NAME", instanceLabel = "INSTANCE_LABEL_";

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 12> unitBytes = {{
    {"Ki", std::uint64_t{1} << 10},
    {"Mi", std::uint64_t{1} << 20},
    {"Gi", std::uint64_t{1} << 30},
    {"Ti", std::uint64_t{1} << 40},
    {"Pi", std::uint64_t{1} << 50},
    {"Ei", std::uint64_t{1} << 60},
    {"k", 1'000},
    {"M", 1'000'000},
    {"G", 1'000'000'000},
    {"T", 1'000'000'000'000},
    {"P", 1'000'000'000'000'000},
    {"E", 1'000'000'000'000'000'000},
}};

/// A decimal number without sign or exponent: `mantissa` / `divisor`.
struct Decimal {
  std::uint64_t mantissa = 0;
  std::uint64_t divisor = 1;
};

/// Takes a decimal number with at most nine digits after the point off the front of `text`.
std::optional<Decimal> takeDecimal(std::string_view& text) {
  constexpr std::uint64_t largestDivisor = 1'000'000'000;
  Decimal number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.mantissa);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with('.')) return number;
  text.remove_prefix(1);
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    const auto digit = static_cast<std::uint64_t>(text[0] - '0');
    text.remove_prefix(1);
    if (number.divisor == largestDivisor || __builtin_mul_overflow(number.mantissa, 10u, &number.mantissa) ||
        __builtin_add_overflow(number.mantissa, digit, &number.mantissa)) {
      return std::nullopt;
    }
    number.divisor *= 10;
  }
  return number;
}

}  // namespace

bool isInstanceVariable(std::string_view name) {
  return name == instanceName || name.starts_with(instanceLabel);
}

std::map<std::string, std::string> instanceVariables(const std::string& instance,
                                                     const std::map<std::string, std::string>& labels) {
  std::map<std::string, std::string> values = {{std::string(instanceName), instance}};
  for (const auto& [key, value] : labels) {
    std::string name(instanceLabel);
    for (const char c : key) {
      const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      name += kept ? c : '_';
    }
    values.emplace(std::move(name), value);
  }
  return values;
}

std::string expand(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string expanded;
  cut(
      text, [&](std::string_view literal) { expanded += literal; },
      [&](std::string_view name) {
        const auto value = values.find(std::string(name));
        expanded += value == values.end() ? fmt::format("$({})", name) : value->second;
      });
  return expanded;
}

std::vector<std::string> references(std::string_view text) {
  std::vector<std::string> names;
  cut(text, [](std::string_view) {}, [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

Result<std::int64_t> parseMi(std::string_view quantity) {
  std::string_view unit = quantity;
  const std::optional<Decimal> number = takeDecimal(unit);
  if (number && unit.empty()) {
    return fail(Reason::InvalidManifest,
                fmt::format("{} has no unit; write \"{}Mi\"", quote(quantity), quantity));
  }
  const auto known = std::ranges::find(unitBytes, unit, &decltype(unitBytes)::value_type::first);
  if (!number || known == unitBytes.end()) {
    return fail(Reason::InvalidManifest,
                fmt::format("{} is not an amount of memory; write it in whole Mi, such as \"32Mi\"",
                            quote(quantity)));
  }
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(number->mantissa, known->second, &bytes)) {
    return fail(Reason::InvalidManifest, fmt::format("{} is more than any machine has", quote(quantity)));
  }
  const std::uint64_t mebi = number->divisor << 20;
  if (bytes % mebi != 0) {
    return fail(Reason::InvalidManifest,
                fmt::format("{} is not a whole number of Mi; write one such as \"{}Mi\"", quote(quantity),
                            bytes / mebi + 1));
  }
  return static_cast<std::int64_t>(bytes / mebi);
}

Result<std::chrono::milliseconds> parseDuration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> unitMilliseconds = {
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
  constexpr std::uint64_t longest = 365ull * 24 * 3'600'000;
  std::string_view rest = text;
  std::uint64_t total = 0;
  while (!rest.empty() && total <= longest) {
    const std::optional<Decimal> number = takeDecimal(rest);
    if (number && rest.empty() && total == 0) {
      return fail(Reason::InvalidManifest, fmt::format("{} has no unit; write \"{}s\"", quote(text), text));
    }
    const std::string_view unit = rest.substr(0, std::min(rest.find_first_of("0123456789."), rest.size()));
    const auto known =
        std::ranges::find(unitMilliseconds, unit, &decltype(unitMilliseconds)::value_type::first);
    if (!number || known == unitMilliseconds.end()) {
      return fail(Reason::InvalidManifest,
                  fmt::format("{} is not a duration, such as \"30s\", \"5m\" or \"1h30m\"", quote(text)));
    }
    rest.remove_prefix(unit.size());
    std::uint64_t part = 0;
    const bool tooLong =
        __builtin_mul_overflow(number->mantissa, known->second, &part) || part > longest * number->divisor;
    total = tooLong ? longest + 1 : total + part / number->divisor;
  }
  if (total == 0 || total > longest) {
    return fail(Reason::InvalidManifest, fmt::format("{} is not a duration of 1ms to a year", quote(text)));
  }
  return std::chrono::milliseconds(total);
}

}  // namespace rookery::api
