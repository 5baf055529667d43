#include "albatross/der.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace rookery::albatross::der {

namespace chrono = std::chrono;

namespace {

constexpr std::int64_t maxInteger = (std::int64_t{1} << 62) - 1;
constexpr std::int64_t minInteger = -maxInteger - 1;

std::uint8_t octet(char c) { return static_cast<std::uint8_t>(c); }

bool isDigit(char c) { return c >= '0' && c <= '9'; }

/// Takes a number of exactly `digits` digits off the front of `text`.
std::optional<unsigned> takeNumber(std::string_view& text, std::size_t digits) {
  if (text.size() < digits || !std::ranges::all_of(text.substr(0, digits), isDigit)) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(0, digits)) value = value * 10 + static_cast<unsigned>(c - '0');
  text.remove_prefix(digits);
  return value;
}

/// Takes what follows the dot. At most seven digits: what the server's scanner gets past.
std::optional<chrono::milliseconds> takeFraction(std::string_view& text) {
  const auto digits = static_cast<std::size_t>(std::ranges::find_if_not(text, isDigit) - text.begin());
  if (digits > 7) return std::nullopt;
  std::string_view counted = text.substr(0, std::min<std::size_t>(digits, 3));
  text.remove_prefix(digits);
  return chrono::milliseconds(*takeNumber(counted, counted.size()));
}

/// Takes the rest: nothing or "Z" for UTC, or an offset such as "+0100".
std::optional<chrono::minutes> takeZone(std::string_view text) {
  if (text.empty() || text == "Z") return chrono::minutes(0);
  const char sign = text.front();
  text.remove_prefix(1);
  const auto hours = takeNumber(text, 2);
  const auto minutes = hours ? takeNumber(text, 2) : std::nullopt;
  if ((sign != '+' && sign != '-') || !minutes || !text.empty() || *hours > 23 || *minutes > 59)
    return std::nullopt;
  const auto offset = chrono::hours(*hours) + chrono::minutes(*minutes);
  return sign == '+' ? offset : -offset;
}

/// Takes the time of day: hours, then what is there of minutes, seconds and fraction.
std::optional<chrono::milliseconds> takeTimeOfDay(std::string_view& text) {
  const auto more = [&text] { return !text.empty() && isDigit(text.front()); };
  const auto hour = takeNumber(text, 2);
  if (!hour || *hour > 23) return std::nullopt;
  chrono::milliseconds time = chrono::hours(*hour);
  if (!more()) return time;

  const auto minute = takeNumber(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  time += chrono::minutes(*minute);
  if (!more()) return time;

  const auto second = takeNumber(text, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second, counted as the next minute's first
  time += chrono::seconds(*second);
  if (!text.starts_with('.')) return time;

  text.remove_prefix(1);
  const auto fraction = takeFraction(text);
  if (!fraction) return std::nullopt;
  return time + *fraction;
}

/// The years that a GeneralizedTime can say: 0 to 9999.
constexpr Time firstTime = chrono::sys_days(chrono::year(0) / 1 / 1);
constexpr Time endOfTime = chrono::sys_days(chrono::year(10'000) / 1 / 1);

std::optional<Time> parseTime(std::string_view text) {
  const auto year = takeNumber(text, 4);
  const auto month = year ? takeNumber(text, 2) : std::nullopt;
  const auto day = month ? takeNumber(text, 2) : std::nullopt;
  if (!day) return std::nullopt;
  const chrono::year_month_day date(chrono::year(static_cast<int>(*year)), chrono::month(*month),
                                    chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  const auto timeOfDay = takeTimeOfDay(text);
  if (!timeOfDay) return std::nullopt;
  const auto zone = takeZone(text);
  if (!zone) return std::nullopt;
  const Time time = chrono::sys_days(date) + *timeOfDay - *zone;
  // A leap second or an offset can leave the years that can be written.
  if (time < firstTime || time >= endOfTime) return std::nullopt;
  return time;
}

}  // namespace

std::string toString(Tag tag) {
  switch (tag) {
    case Tag::Boolean:
      return "BOOLEAN";
    case Tag::Integer:
      return "INTEGER";
    case Tag::OctetString:
      return "OCTET STRING";
    case Tag::Null:
      return "NULL";
    case Tag::Utf8String:
      return "UTF8String";
    case Tag::GeneralizedTime:
      return "GeneralizedTime";
    case Tag::Sequence:
      return "SEQUENCE";
    case Tag::Set:
      return "SET";
  }
  const auto identifier = static_cast<unsigned>(tag);
  if ((identifier & 0xe0U) == 0xa0U) return fmt::format("[{}]", identifier & 0x1fU);
  return fmt::format("tag {:#04x}", identifier);
}

bool Reader::null() {
  std::string_view content;
  return primitive(Tag::Null, content) && (content.empty() || fail("NULL has content."));
}

bool Reader::boolean(bool& value) {
  std::string_view content;
  if (!primitive(Tag::Boolean, content)) return false;
  if (content.size() != 1) return fail(fmt::format("BOOLEAN has {} bytes, not 1.", content.size()));
  value = content.front() != 0;
  return true;
}

bool Reader::integer(std::int64_t& value) {
  std::string_view content;
  if (!primitive(Tag::Integer, content)) return false;
  if (content.empty()) return fail("INTEGER is empty.");
  const bool negative = (octet(content[0]) & 0x80U) != 0;
  if (content.size() > 1 && octet(content[0]) == (negative ? 0xff : 0x00) &&
      ((octet(content[1]) & 0x80U) != 0) == negative) {
    return fail("INTEGER is longer than it has to be.");
  }
  if (content.size() > sizeof value) return fail("INTEGER is outside the 63 bits of the protocol.");
  std::uint64_t bits = negative ? ~std::uint64_t{0} : 0;
  for (const char c : content) bits = bits << 8U | octet(c);
  value = static_cast<std::int64_t>(bits);
  if (value < minInteger || value > maxInteger)
    return fail("INTEGER is outside the 63 bits of the protocol.");
  return true;
}

bool Reader::bytes(Tag tag, std::string& value) {
  std::string_view content;
  if (!primitive(tag, content)) return false;
  value = content;
  return true;
}

bool Reader::time(Time& value) {
  std::string_view content;
  if (!primitive(Tag::GeneralizedTime, content)) return false;
  const auto time = parseTime(content);
  if (!time) return fail("GeneralizedTime is not a date and time.");
  value = *time;
  return true;
}

bool Reader::finish() {
  if (atEnd()) return true;
  return failNext(fmt::format("{} bytes too many.", end_ - position_));
}

bool Reader::fail(std::string what) {
  what_ = std::move(what);
  for (const auto& step : path_) {
    if (step.name.empty()) {
      where_ += fmt::format("[{}]", step.index);
    } else {
      where_ += fmt::format("{}{}", where_.empty() ? "" : ".", step.name);
    }
  }
  return false;
}

bool Reader::unexpected(std::string_view expected) {
  if (atEnd()) return failNext(fmt::format("{} is missing.", expected));
  return failNext(fmt::format("{} expected, {} found.", expected, toString(Tag{octet(input_[position_])})));
}

bool Reader::failNext(std::string what) {
  element_ = position_;
  return fail(std::move(what));
}

Error Reader::error(std::string_view subject) const {
  return {Reason::ProtocolError, fmt::format("{} is malformed at byte {}{}{}: {}", subject, element_,
                                             where_.empty() ? "" : ", in ", where_, what_)};
}

bool Reader::header(Tag tag, std::size_t& length) {
  if (!next(tag)) return unexpected(toString(tag));
  element_ = position_++;
  if (++elements_ > mostElements) return fail(fmt::format("more than {} elements.", mostElements));
  if (atEnd()) return fail(fmt::format("{} is cut off.", toString(tag)));
  const std::uint8_t first = octet(input_[position_++]);
  length = first;
  if (first >= 0x80 && !longLength(first, length)) return false;
  if (length > end_ - position_) {
    return fail(fmt::format("{} has a length of {}, but only {} bytes follow.", toString(tag), length,
                            end_ - position_));
  }
  return true;
}

/// The long form of a length (X.690, 8.1.3.5): the number of octets, then the length in them.
bool Reader::longLength(std::uint8_t first, std::size_t& length) {
  const std::size_t octets = first & 0x7fU;
  if (octets == 0) return fail("an indefinite length is not DER.");
  if (octets > sizeof length) return fail("the length is out of range.");
  if (octets > end_ - position_) return fail("the length is cut off.");
  length = 0;
  for (const char c : input_.substr(position_, octets)) length = length << 8U | octet(c);
  if (octet(input_[position_]) == 0 || length < 0x80) return fail("the length is longer than it has to be.");
  position_ += octets;
  return true;
}

bool Reader::primitive(Tag tag, std::string_view& content) {
  std::size_t length = 0;
  if (!header(tag, length)) return false;
  content = input_.substr(position_, length);
  position_ += length;
  return true;
}

void Writer::null() { bytes(Tag::Null, {}); }

void Writer::boolean(bool value) { bytes(Tag::Boolean, value ? "\xff" : std::string_view("\0", 1)); }

void Writer::integer(std::int64_t value) {
  std::array<char, sizeof value> big{};
  for (std::size_t i = 0; i < big.size(); ++i)
    big[i] = static_cast<char>(value >> (8 * (big.size() - 1 - i)));
  std::string_view content(big.data(), big.size());
  // The shortest form: no leading octet that only repeats the sign.
  while (content.size() > 1 && octet(content[0]) == (value < 0 ? 0xff : 0x00) &&
         ((octet(content[1]) & 0x80U) != 0) == (value < 0)) {
    content.remove_prefix(1);
  }
  bytes(Tag::Integer, content);
}

void Writer::bytes(Tag tag, std::string_view value) {
  output_ += header(tag, value.size());
  output_ += value;
}

void Writer::time(Time value) {
  check(value >= firstTime && value < endOfTime, "a GeneralizedTime has a year of four digits");
  const auto midnight = chrono::floor<chrono::days>(value);
  const chrono::year_month_day date(midnight);
  const chrono::hh_mm_ss<chrono::milliseconds> time(value - midnight);
  auto text = fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}", static_cast<int>(date.year()),
                          static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                          time.hours().count(), time.minutes().count(), time.seconds().count());
  if (time.subseconds().count() != 0) text += fmt::format(".{:03}", time.subseconds().count());
  bytes(Tag::GeneralizedTime, text + "Z");
}

std::string Writer::header(Tag tag, std::size_t length) {
  const std::string header(1, static_cast<char>(tag));
  if (length < 0x80) return header + static_cast<char>(length);
  std::string octets;
  for (; length != 0; length >>= 8U) octets.insert(octets.begin(), static_cast<char>(length));
  return header + static_cast<char>(0x80U | octets.size()) + octets;
}

}  // namespace rookery::albatross::der
