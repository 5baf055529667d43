#include "schedule/cron.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

#include "text.h"

namespace rookery::schedule {

using std::chrono::minutes;

namespace {

constexpr std::array<std::string_view, 12> monthNames = {"jan", "feb", "mar", "apr", "may", "jun",
                                                         "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> dayNames = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nicknames = {
    {{"@yearly", "0 0 1 1 *"},
     {"@annually", "0 0 1 1 *"},
     {"@monthly", "0 0 1 * *"},
     {"@weekly", "0 0 * * 0"},
     {"@daily", "0 0 * * *"},
     {"@midnight", "0 0 * * *"},
     {"@hourly", "0 * * * *"}}};

/// What one of the five fields may hold.
struct FieldKind {
  std::string_view name;
  unsigned least, most;
  std::span<const std::string_view> names = {};  // of its values, from `least`
};

const std::array<FieldKind, 5> fieldKinds = {{{"minute", 0, 59},
                                              {"hour", 0, 23},
                                              {"day of the month", 1, 31},
                                              {"month", 1, 12, monthNames},
                                              {"day of the week", 0, 7, dayNames}}};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<unsigned> numberIn(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional(value) : std::nullopt;
}

Result<unsigned> parseValue(const FieldKind& kind, std::string_view text) {
  const auto named = std::ranges::find(kind.names, toLower(text));
  if (named != kind.names.end()) return kind.least + static_cast<unsigned>(named - kind.names.begin());
  const auto number = numberIn(text);
  if (number && *number >= kind.least && *number <= kind.most) return *number;
  return fail(Reason::InvalidManifest,
              fmt::format("the {} must be from {} to {}{}, not {}", kind.name, kind.least, kind.most,
                          kind.names.empty() ? "" : fmt::format(", or a name such as {}", kind.names.front()),
                          quote(text)));
}

/// `*`, `5`, `1-5`, and each with a step; a number with one goes on to the end.
Result<void> addPart(const FieldKind& kind, std::string_view text, std::bitset<60>& values) {
  const std::vector<std::string_view> parts = split(text, "/");
  const auto step = parts.size() == 2 ? numberIn(parts[1]) : std::optional(1U);
  if (parts.size() > 2 || !step || *step == 0) {
    return fail(Reason::InvalidManifest,
                fmt::format("the {} has a step that is no number from 1: {}", kind.name, quote(text)));
  }
  unsigned first = kind.least, last = kind.most;
  if (parts[0] != "*" && parts[0] != "?") {
    const std::vector<std::string_view> ends = split(parts[0], "-");
    const Result<unsigned> from = parseValue(kind, ends.front());
    if (!from) return std::unexpected(from.error());
    const Result<unsigned> to = parseValue(kind, ends.back());
    if (!to) return std::unexpected(to.error());
    first = *from;
    last = ends.size() == 1 && parts.size() == 2 ? kind.most : *to;
    if (ends.size() > 2 || first > last) {
      return fail(Reason::InvalidManifest,
                  fmt::format("the {} has a range that does not go up: {}", kind.name, quote(text)));
    }
  }
  for (unsigned value = first; value <= last; value += std::min(*step, kind.most + 1)) values.set(value);
  return {};
}

Result<std::bitset<60>> parseField(const FieldKind& kind, std::string_view text) {
  std::bitset<60> values;
  for (const std::string_view part : split(text, ",")) {
    if (Result<void> added = addPart(kind, part, values); !added) return std::unexpected(added.error());
  }
  return values;
}

template <std::size_t N>
std::bitset<N> firstOf(const std::bitset<60>& values) {
  std::bitset<N> first;
  for (std::size_t i = 0; i < N; ++i) first[i] = values[i];
  return first;
}

bool isAny(std::string_view field) { return field.starts_with('*') || field.starts_with('?'); }

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  const auto nickname =
      std::ranges::find(nicknames, toLower(text), &std::pair<std::string_view, std::string_view>::first);
  std::vector<std::string_view> fields = split(nickname == nicknames.end() ? text : nickname->second, " \t");
  std::erase(fields, "");
  if (fields.size() != fieldKinds.size()) {
    return fail(Reason::InvalidManifest,
                fmt::format("a schedule has five fields, minute, hour, day of the month, month and day of "
                            "the week, such as \"0 2 * * 1-5\"; this has {}",
                            fields.size()));
  }
  std::array<std::bitset<60>, 5> values;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    Result<std::bitset<60>> parsed = parseField(fieldKinds[i], fields[i]);
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    values[i] = *parsed;
  }
  Cron cron;
  cron.minutes_ = values[0];
  cron.hours_ = firstOf<24>(values[1]);
  cron.days_ = firstOf<32>(values[2]);
  cron.months_ = firstOf<13>(values[3]);
  cron.weekdays_ = firstOf<7>(values[4]);
  if (values[4][7]) cron.weekdays_.set(0);  // Sunday, too
  cron.anyDay_ = isAny(fields[2]);
  cron.anyWeekday_ = isAny(fields[4]);
  constexpr LocalMinute anyTime = std::chrono::local_days(std::chrono::year(2000) / 1 / 1);
  if (!cron.find(anyTime))
    return fail(Reason::InvalidManifest, fmt::format("the schedule {} never comes", quote(text)));
  return cron;
}

LocalMinute Cron::next(LocalMinute from) const {
  const auto found = find(from);
  check(found.has_value(), "a schedule that was parsed recurs");
  return *found;
}

std::optional<LocalMinute> Cron::find(LocalMinute from) const {
  // A leap day that is a Sunday, say, comes after forty years at the latest, as 2100 has none.
  constexpr std::chrono::days longest(40 * 366);
  const auto today = std::chrono::floor<std::chrono::days>(from);
  for (auto day = today; day <= today + longest; day += std::chrono::days(1)) {
    if (!namesDay(day)) continue;
    if (const auto time = findInDay(day == today ? from - today : minutes(0))) return day + *time;
  }
  return std::nullopt;
}

bool Cron::namesDay(std::chrono::local_days day) const {
  const std::chrono::year_month_day date(day);
  if (!months_[static_cast<unsigned>(date.month())]) return false;
  const bool byDate = days_[static_cast<unsigned>(date.day())];
  const bool byWeekday = weekdays_[std::chrono::weekday(day).c_encoding()];
  return anyDay_ || anyWeekday_ ? byDate && byWeekday : byDate || byWeekday;
}

std::optional<minutes> Cron::findInDay(minutes from) const {
  const auto firstHour = static_cast<std::size_t>(from.count() / 60);
  auto minute = static_cast<std::size_t>(from.count() % 60);
  for (std::size_t hour = firstHour; hour < hours_.size(); ++hour, minute = 0) {
    for (; hours_[hour] && minute < minutes_.size(); ++minute) {
      if (minutes_[minute]) return minutes(60 * hour + minute);
    }
  }
  return std::nullopt;
}

}  // namespace rookery::schedule
