#include "http/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "text.h"

namespace rookery::http {

namespace {

constexpr std::string_view lineEnd = "\r\n";
constexpr std::string_view padding = " \t";  // RFC 9110, section 5.6.3
constexpr std::size_t maxBoundary = 70;

/// A header's value: "form-data; name=\"a\"" taken apart.
struct Parameterized {
  std::string value;                              // in lower case
  std::map<std::string, std::string> parameters;  // by name in lower case
};

bool isTokenChar(char c) {  // RFC 9110, section 5.6.2
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || others.contains(c);
}

/// Takes what stands in quotation marks off `text`. Only what must be escaped is: clients send C:\a.img as it
/// stands (RFC 7578, section 4.2).
std::optional<std::string> takeQuoted(std::string_view& text) {
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return value;
    }
    const bool escapes =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    if (escapes) ++i;
    value += text[i];
  }
  return std::nullopt;
}

std::string takeUnquoted(std::string_view& text) {
  const std::size_t end = std::min(text.find(';'), text.size());
  std::string value(trimmed(text.substr(0, end), padding));
  text.remove_prefix(end);
  return value;
}

/// Nothing: malformed, or a parameter is given twice.
std::optional<Parameterized> parseParameterized(std::string_view text) {
  Parameterized parsed;
  parsed.value = toLower(takeUnquoted(text));
  while (!text.empty()) {
    text = trimmed(text.substr(1), padding);  // after the semicolon
    if (text.empty()) break;
    const std::size_t nameEnd = std::min(text.find('='), text.size());
    const std::string name = toLower(text.substr(0, nameEnd));
    if (name.empty() || nameEnd == text.size() || !std::ranges::all_of(name, isTokenChar))
      return std::nullopt;
    text.remove_prefix(nameEnd + 1);
    auto value = text.starts_with('"') ? takeQuoted(text) : takeUnquoted(text);
    if (!value) return std::nullopt;
    text = trimmed(text, padding);
    if (!text.empty() && text.front() != ';') return std::nullopt;
    if (!parsed.parameters.emplace(name, *std::move(value)).second) return std::nullopt;
  }
  return parsed;
}

bool isBoundary(std::string_view text) {  // RFC 2046, section 5.1.1
  constexpr std::string_view others = "'()+_,-./:=? ";
  const auto allowed = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || others.contains(c);
  };
  return !text.empty() && text.size() <= maxBoundary && text.back() != ' ' &&
         std::ranges::all_of(text, allowed);
}

/// The header fields of a part, by name in lower case. Nothing: the line is none, or repeats one.
bool addField(std::map<std::string, std::string>& fields, std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1), padding);
  const auto isControl = [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; };
  if (!std::ranges::all_of(name, isTokenChar) || std::ranges::any_of(value, isControl)) return false;
  return fields.emplace(toLower(name), value).second;
}

/// The head that these fields make; the error says what is wrong.
std::expected<PartHead, std::string> toHead(const std::map<std::string, std::string>& fields) {
  const auto disposition = fields.find("content-disposition");
  if (disposition == fields.end()) return std::unexpected("a part has no Content-Disposition");
  auto parsed = parseParameterized(disposition->second);
  if (!parsed || parsed->value != "form-data" || !parsed->parameters.contains("name")) {
    return std::unexpected(fmt::format("the Content-Disposition of a part is not form-data with a name: {}",
                                       quote(disposition->second)));
  }
  PartHead head{.name = std::move(parsed->parameters["name"]), .filename = {}, .contentType = {}};
  if (const auto file = parsed->parameters.find("filename"); file != parsed->parameters.end())
    head.filename = std::move(file->second);
  if (const auto type = fields.find("content-type"); type != fields.end()) head.contentType = type->second;
  const auto encoding = fields.find("content-transfer-encoding");
  constexpr std::array plain = {"7bit", "8bit", "binary"};
  if (encoding != fields.end() && std::ranges::find(plain, toLower(encoding->second)) == plain.end()) {
    return std::unexpected(
        fmt::format("the part {} has a Content-Transfer-Encoding: send it as it is", quote(head.name)));
  }
  return head;
}

}  // namespace

Result<std::optional<std::string>> formBoundary(std::string_view contentType) {
  const std::string type = toLower(trimmed(contentType.substr(0, contentType.find(';')), padding));
  if (type != "multipart/form-data") return std::nullopt;
  auto parsed = parseParameterized(contentType);
  if (!parsed) return fail(Reason::BadRequest, "the header Content-Type of the request is malformed");
  const auto boundary = parsed->parameters.find("boundary");
  if (boundary == parsed->parameters.end() || !isBoundary(boundary->second)) {
    return fail(
        Reason::BadRequest,
        fmt::format("the header Content-Type of the request has no boundary of 1 to {} characters that "
                    "RFC 2046 allows",
                    maxBoundary));
  }
  return std::move(boundary->second);
}

MultipartReader::MultipartReader(Body& body, std::string_view boundary)
    : body_(body), delimiter_(fmt::format("\r\n--{}", boundary)) {}

std::unexpected<Error> MultipartReader::giveUp(Error error) {
  failed_ = std::move(error);
  return std::unexpected(*failed_);
}

std::unexpected<Error> MultipartReader::malformed(std::string_view what) {
  return giveUp({Reason::BadRequest, fmt::format("the form is malformed: {}", what)});
}

/// Adds to the buffer; false: the body has ended.
Result<bool> MultipartReader::receive() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const auto piece = body_.next();
  if (!piece) return giveUp(piece.error());
  buffer_ += *piece;
  return !piece->empty();
}

Result<std::string_view> MultipartReader::next() {
  if (failed_) return std::unexpected(*failed_);
  if (state_ == State::PartEnded || state_ == State::Over) return std::string_view();
  while (true) {
    const std::string_view pending = std::string_view(buffer_).substr(begin_);
    const std::size_t found = pending.find(delimiter_);
    if (found == 0) {
      begin_ += delimiter_.size();
      state_ = State::PartEnded;
      return std::string_view();
    }
    // The end of what is there may be the beginning of the delimiter.
    const std::size_t safe = found != std::string_view::npos
                                 ? found
                                 : pending.size() - std::min(pending.size(), delimiter_.size() - 1);
    if (safe > 0) {
      begin_ += safe;
      return pending.substr(0, safe);
    }
    const auto more = receive();
    if (!more) return std::unexpected(more.error());
    if (!*more) return malformed("it ends without its last boundary");
  }
}

Result<std::string> MultipartReader::readField(std::string_view name, std::size_t limit) {
  std::string all;
  while (true) {
    const auto piece = next();
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) return all;
    if (piece->size() > limit - all.size()) {
      return giveUp({Reason::RequestEntityTooLarge,
                     fmt::format("the field {} of the form is larger than {} bytes", quote(name), limit)});
    }
    all += *piece;
  }
}

Result<std::optional<PartHead>> MultipartReader::nextPart() {
  while (state_ == State::Preamble || state_ == State::Part) {
    const auto skipped = next();
    if (!skipped) return std::unexpected(skipped.error());
    if (state_ != State::Preamble) continue;
    outside_ += skipped->size();
    if (outside_ > maxOutsideBytes) return malformed("its first boundary is missing");
  }
  if (failed_) return std::unexpected(*failed_);
  if (state_ == State::Over) return std::nullopt;
  if (const auto started = startPart(); !started) return std::unexpected(started.error());
  if (state_ == State::Over) return std::nullopt;
  auto head = readHead();
  if (!head) return std::unexpected(head.error());
  return *std::move(head);
}

/// What follows a boundary: the end of the line, and a part, or two dashes, and the end of the form.
Result<void> MultipartReader::startPart() {
  while (buffer_.size() - begin_ < 2) {
    const auto more = receive();
    if (!more) return std::unexpected(more.error());
    if (!*more) return malformed("it ends within a boundary");
  }
  if (std::string_view(buffer_).substr(begin_).starts_with("--")) {
    begin_ += 2;
    return finish();
  }
  std::size_t left = maxHeadBytes;
  const auto rest = readLine(left);
  if (!rest) return std::unexpected(rest.error());
  if (!trimmed(*rest, padding).empty()) return malformed("a line begins with the boundary, but is none");
  if (++parts_ > maxParts) return malformed(fmt::format("it has more than {} parts", maxParts));
  state_ = State::Part;
  return {};
}

Result<PartHead> MultipartReader::readHead() {
  std::map<std::string, std::string> fields;
  std::size_t left = maxHeadBytes;
  while (true) {
    const auto line = readLine(left);
    if (!line) return std::unexpected(line.error());
    if (line->empty()) break;
    if (!addField(fields, *line)) return malformed(fmt::format("{} is no header of a part", quote(*line)));
  }
  auto head = toHead(fields);
  if (!head) return malformed(head.error());
  return *std::move(head);
}

/// A line of the part's head, which has room for `left` bytes more.
Result<std::string> MultipartReader::readLine(std::size_t& left) {
  while (true) {
    const std::string_view pending = std::string_view(buffer_).substr(begin_);
    const std::size_t end = pending.find(lineEnd);
    if (std::min(end, pending.size()) > left) {
      return malformed(fmt::format("the head of a part is larger than {} bytes", maxHeadBytes));
    }
    if (end != std::string_view::npos) {
      std::string line(pending.substr(0, end));
      begin_ += end + lineEnd.size();
      left -= std::min(left, end + lineEnd.size());
      return line;
    }
    const auto more = receive();
    if (!more) return std::unexpected(more.error());
    if (!*more) return malformed("it ends within the head of a part");
  }
}

/// Reads what nobody needs (RFC 2046: the epilogue), so that the connection can be used again.
Result<void> MultipartReader::finish() {
  state_ = State::Over;
  std::size_t bytes = buffer_.size() - begin_;
  while (true) {
    if (bytes > maxOutsideBytes) return malformed("it goes on after its last boundary");
    begin_ = buffer_.size();
    const auto more = receive();
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    bytes += buffer_.size();
  }
}

}  // namespace rookery::http
