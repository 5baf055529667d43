#include "yaml/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

namespace rookery::yaml {

using nlohmann::json;

namespace {

constexpr std::string_view blanks = " \t\r\n";

/// What the library says is wrong, without the place, which stands beside it, and without what it has read,
/// which may be a secret.
std::string describe(std::string_view what) {
  if (const std::size_t start = what.find("] "); start != std::string_view::npos)
    what.remove_prefix(start + 2);
  if (what.contains("number overflow")) return "this number is larger than any that JSON can hold";
  if (const std::size_t detail = what.find(" - "); detail != std::string_view::npos)
    what.remove_prefix(detail + 3);
  return fmt::format("this is not valid JSON: {}", what.substr(0, what.find("; last read")));
}

std::size_t endOfDigits(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of("0123456789", at), text.size());
}

/// Of a number that has been found right: what follows it may be anything.
std::size_t endOfNumber(std::string_view text, std::size_t begin) {
  const std::size_t digits = begin + (text[begin] == '-' ? 1u : 0u);
  // A number that begins with 0 has no more digits: what follows is another one.
  std::size_t end = text.substr(digits).starts_with('0') ? digits + 1 : endOfDigits(text, digits);
  if (text.substr(end).starts_with('.')) end = endOfDigits(text, end + 1);
  if (end == text.size() || (text[end] != 'e' && text[end] != 'E')) return end;
  const bool isSigned = text.substr(end + 1).starts_with('+') || text.substr(end + 1).starts_with('-');
  return endOfDigits(text, end + (isSigned ? 2u : 1u));
}

/// Turns the parser's events, which come without their places, into those of a builder. It follows the parser
/// through the text, token by token; what it sees has been found right by then.
class Events : public json::json_sax_t {
 public:
  Events(std::string_view text, DocumentBuilder& builder) : text_(text), builder_(builder), places_(text) {}

  std::size_t offset() const { return at_; }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override {
    // As readPlainScalar() does, whose numbers these have to equal.
    return std::in_range<std::int64_t>(value) ? scalar(static_cast<std::int64_t>(value)) : scalar(value);
  }
  bool number_float(number_float_t value, const string_t& /*written*/) override {
    if (std::abs(value) < 0x1p53 && value == std::trunc(value))
      return scalar(static_cast<std::int64_t>(value));
    return scalar(value);
  }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }  // JSON has none
  bool start_object(std::size_t /*size*/) override { return open(json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    builder_.key(name, places_.at(step().begin));
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    const std::size_t read = start_ + position;
    throw Refusal{places_.at(read == 0 ? 0 : read - 1), describe(error.what())};
  }

  /// Positions of errors count from here.
  void startAt(std::size_t offset) { start_ = at_ = offset; }

 private:
  struct Token {
    std::size_t begin, end;
  };

  /// Over the token that the parser has just read.
  Token step() {
    const std::size_t begin = std::min(text_.find_first_not_of(" \t\r\n,:", at_), text_.size());
    at_ = std::min(endOf(begin), text_.size());
    return {begin, at_};
  }

  std::size_t endOf(std::size_t begin) const {
    if (begin == text_.size()) return begin;
    if (std::string_view("[]{}").contains(text_[begin])) return begin + 1;
    if (std::string_view("tfn").contains(text_[begin])) return begin + (text_[begin] == 'f' ? 5u : 4u);
    if (text_[begin] != '"') return endOfNumber(text_, begin);
    std::size_t end = begin + 1;
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2u : 1u;
    return end + 1;
  }

  bool scalar(json value) {
    const Token token = step();
    const std::string_view written = text_.substr(token.begin, token.end - token.begin);
    builder_.scalar(std::move(value), places_.at(token.begin), written);
    return true;
  }
  bool open(json empty) {
    builder_.open(std::move(empty), places_.at(step().begin));
    return true;
  }
  bool close() {
    step();
    builder_.close();
    return true;
  }

  std::string_view text_;
  DocumentBuilder& builder_;
  PlaceFinder places_;
  std::size_t at_ = 0;     // behind the last token
  std::size_t start_ = 0;  // of what the parser was given
};

/// Over blanks from `at` on, and over lines of --- where they may stand.
std::size_t skipBetween(std::string_view text, std::size_t at, bool marks) {
  while (true) {
    at = std::min(text.find_first_not_of(blanks, at), text.size());
    if (!marks) return at;
    const bool beginsLine = at == 0 || text[at - 1] == '\n';
    const std::size_t end = std::min(at + 3, text.size());
    const bool ends = end == text.size() || blanks.contains(text[end]);
    if (!beginsLine || !ends || text.substr(at, 3) != "---") return at;
    at = end;
  }
}

}  // namespace

std::expected<std::vector<Document>, Problem> readJson(std::string_view text, DocumentBuilder::Keep keep) {
  if (text.starts_with(byteOrderMark)) text.remove_prefix(byteOrderMark.size());
  DocumentBuilder builder(text.size(), keep);
  Events events(text, builder);
  const bool several = keep != DocumentBuilder::Keep::Values;
  try {
    for (std::size_t at = skipBetween(text, 0, several); at < text.size();
         at = skipBetween(text, events.offset(), several)) {
      builder.beginDocument();
      events.startAt(at);
      const std::string_view rest = text.substr(at);
      // The parser would skip it, and this not know of that.
      if (rest.starts_with(byteOrderMark))
        throw Refusal{PlaceFinder(text).at(at), "a byte order mark stands at the beginning of a file only"};
      if (!several && events.offset() > 0)
        throw Refusal{PlaceFinder(text).at(at), "this must be one value, and another begins here"};
      json::sax_parse(rest.begin(), rest.end(), &events, json::input_format_t::json, false);
      builder.endDocument();
    }
  } catch (const Refusal& refusal) {
    return std::unexpected(Problem{refusal.place, "", refusal.message});
  }
  return builder.take();
}

}  // namespace rookery::yaml
