#include "emulator/faults.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ranges>
#include <string>

namespace rookery::emulator {

using std::chrono::milliseconds;

namespace {

template <class Number>
bool parseNumber(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

bool parseDuration(std::string_view text, milliseconds& duration) {
  static constexpr std::array<std::pair<std::string_view, milliseconds>, 3> units = {
      {{"ms", milliseconds(1)}, {"s", std::chrono::seconds(1)}, {"m", std::chrono::minutes(1)}}};
  for (const auto& [suffix, unit] : units) {
    std::uint32_t count = 0;
    if (!text.ends_with(suffix) || !parseNumber(text.substr(0, text.size() - suffix.size()), count)) continue;
    duration = count * unit;
    return true;
  }
  return false;
}

bool parseExitAfter(std::string_view text, std::optional<Faults::ExitAfter>& exitAfter) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  Faults::ExitAfter value;
  if (!parseDuration(text.substr(0, colon), value.after) ||
      !parseNumber(text.substr(colon + 1), value.code)) {
    return false;
  }
  exitAfter = value;
  return value.code >= 0 && value.code <= 255;
}

bool parseSize(std::string_view text, std::optional<std::uint64_t>& size) {
  return parseNumber(text, size.emplace());
}

using Parse = bool (*)(std::string_view value, Faults& faults);

template <bool Faults::* Flag>
bool setFlag(std::string_view value, Faults& faults) {
  faults.*Flag = true;
  return value.empty();
}

struct Word {
  std::string_view word;
  std::string_view form;  // how it is written
  Parse parse;
};

constexpr std::array<Word, 13> words = {{
    {"refuse", "refuse", setFlag<&Faults::refuse>},
    {"restart-ignores-memory", "restart-ignores-memory", setFlag<&Faults::restartIgnoresMemory>},
    {"exit-after", "exit-after=300ms:2 (a duration, then an exit code up to 255)",
     [](std::string_view value, Faults& faults) { return parseExitAfter(value, faults.exitAfter); }},
    {"stop-after", "stop-after=1s",
     [](std::string_view value, Faults& faults) { return parseDuration(value, faults.stopAfter); }},
    {"endpoint-error", "endpoint-error", setFlag<&Faults::endpointError>},
    {"hang", "hang", setFlag<&Faults::hang>},
    {"drop-reply", "drop-reply", setFlag<&Faults::dropReply>},
    {"cut-after", "cut-after=65536 (bytes of an image)",
     [](std::string_view value, Faults& faults) { return parseSize(value, faults.cutAfter); }},
    {"delay", "delay=2s",
     [](std::string_view value, Faults& faults) { return parseDuration(value, faults.delay); }},
    {"cut-stream-after", "cut-stream-after=3 (messages)",
     [](std::string_view value, Faults& faults) { return parseSize(value, faults.cutStreamAfter); }},
    {"stall-streams", "stall-streams", setFlag<&Faults::stallStreams>},
    {"unknown-data", "unknown-data", setFlag<&Faults::unknownData>},
    {"no-statistics", "no-statistics", setFlag<&Faults::noStatistics>},
}};

Result<void> parseFault(std::string_view item, Faults& faults) {
  const auto equals = item.find('=');
  const std::string_view name = item.substr(0, equals);
  const auto word = std::ranges::find(words, name, &Word::word);
  if (word == words.end()) {
    std::string known;
    for (const auto& each : words) known += fmt::format("{}{}", known.empty() ? "" : ", ", each.word);
    return fail(Reason::UsageError, fmt::format("There is no fault '{}'; the faults are: {}.", name, known));
  }
  const bool hasValue = equals != std::string_view::npos;
  const std::string_view value = hasValue ? item.substr(equals + 1) : "";
  if (!word->parse(value, faults) || (hasValue && value.empty())) {
    return fail(Reason::UsageError, fmt::format("The fault '{}' is not of the form {}.", item, word->form));
  }
  return {};
}

}  // namespace

Result<Faults> Faults::parse(std::string_view spec) {
  Faults faults;
  if (spec.empty()) return faults;
  for (const auto item : spec | std::views::split(',')) {
    if (auto parsed = parseFault(std::string_view(item.begin(), item.end()), faults); !parsed) {
      return std::unexpected(parsed.error());
    }
  }
  return faults;
}

}  // namespace rookery::emulator
