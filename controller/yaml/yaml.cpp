#include "yaml/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <optional>
#include <streambuf>
#include <utility>

#include "text.h"
#include "yaml/document_builder.h"
#include "yaml/json_reader.h"
#include "yaml/outline.h"
#include "yaml/pieces.h"
#include "yaml/scalar.h"
#include "yaml/tree.h"

namespace rookery::yaml {

using nlohmann::json;

namespace {

bool isDeeperThan(const json& value, std::size_t levels) {
  if (!value.is_structured()) return false;
  return levels == 0 ||
         std::ranges::any_of(value, [&](const json& part) { return isDeeperThan(part, levels - 1); });
}

constexpr std::string_view standardTag = "tag:yaml.org,2002:";
constexpr std::string_view documentMark = "---";
constexpr std::string_view plainTag = "?";  // what yaml-cpp calls no tag, but "!" that of a quoted scalar

/// A text for yaml-cpp to read where it stands. Throws the outline's Refusal at whom reads beyond its length.
class OutlinedText : public std::streambuf {
 public:
  OutlinedText(std::string_view text, const Outline& outline) : outline_(outline) {
    char* const begin = const_cast<char*>(text.data());  // nothing is written where there is no put area
    setg(begin, begin, begin + outline.length);
  }

 protected:
  std::streamsize xsgetn(char* to, std::streamsize most) override {
    const std::streamsize length = std::min<std::streamsize>(most, egptr() - gptr());
    if (length == 0 && outline_.refusal) throw Refusal(*outline_.refusal);
    std::copy_n(gptr(), length, to);
    setg(eback(), gptr() + length, egptr());
    return length;
  }

 private:
  const Outline& outline_;
};

json resolve(Place place, std::string_view tag, std::string_view text) {
  if (tag == "!" || tag == fmt::format("{}str", standardTag)) return text;
  const std::optional<json> value = readPlainScalar(text);
  if (!value)
    throw Refusal{place, "JSON has no infinity and no NaN; put it in quotes if it is meant as a string"};
  if (tag == plainTag) return *value;
  const std::string_view type = tag.substr(tag.starts_with(standardTag) ? standardTag.size() : 0);
  const bool known =
      tag.starts_with(standardTag) && (type == "int" || type == "float" || type == "bool" || type == "null");
  if (!known) throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
  const bool fits = type == "int"     ? value->is_number_integer()
                    : type == "float" ? value->is_number()
                    : type == "bool"  ? value->is_boolean()
                                      : value->is_null();
  if (!fits) throw Refusal{place, fmt::format("the value is not of the type that its tag !!{} says", type)};
  return *value;
}

/// Hands yaml-cpp's events to a builder.
class Reading : public YAML::EventHandler {
 public:
  /// `text` begins in that line of one that has `wholeBytes`.
  Reading(std::string_view text, std::size_t firstLine, std::size_t wholeBytes)
      : text_(text),
        firstLine_(firstLine),
        wholeBytes_(wholeBytes),
        builder_(wholeBytes, DocumentBuilder::Keep::Places) {}
  explicit Reading(std::string_view text) : Reading(text, 1, text.size()) {}

  /// Throws Refusal and YAML::Exception.
  std::vector<Document> documents() {
    // yaml-cpp would skip it, and what looks over the text before would not.
    if (text_.starts_with(byteOrderMark))
      throw Refusal{{firstLine_, 1}, "a byte order mark stands at the beginning of a file only"};
    const Outline outline = outlineOf(text_, DocumentBuilder::mostValues(wholeBytes_));
    OutlinedText buffer(text_, outline);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(*this)) continue;
    return builder_.take();
  }
  std::size_t values() const { return builder_.values(); }
  std::size_t bytes() const { return builder_.bytes(); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // What follows a finished document without a separator would be taken for one more; a stray comma even
    // for endlessly many.
    const bool separated = mark.column == 0 && beginsWithMark(textAt(mark), documentMark);
    if (std::exchange(started_, true) && !separated)
      throw Refusal{placeOf(mark),
                    "a document has ended before this; put --- on a line of its own before the next one"};
    builder_.beginDocument();
  }
  void OnDocumentEnd() override { builder_.endDocument(); }

  void OnAnchor(const YAML::Mark& /*mark*/, const std::string& name) override { anchor_ = name; }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    const Place place = placeOf(mark);
    const std::string anchor = std::exchange(anchor_, {});
    if (builder_.expectsKey()) throw Refusal{place, "a key is missing here, or it is null; put it in quotes"};
    builder_.scalar(nullptr, place, "", anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    builder_.alias(std::string(aliasAt(textAt(mark))), placeOf(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                const std::string& text) override {
    const Place place = placeOf(mark);
    const std::string anchor = std::exchange(anchor_, {});
    if (builder_.expectsKey()) return takeKey(place, tag, text);
    builder_.scalar(resolve(place, tag, text), place, text, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {
    open(placeOf(mark), tag, "seq", json::array());
  }
  void OnSequenceEnd() override { builder_.close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    open(placeOf(mark), tag, "map", json::object());
  }
  void OnMapEnd() override { builder_.close(); }

  /// What is wrong with the text, in which yaml-cpp found that.
  Refusal describe(const YAML::Exception& error) const {
    if (error.mark.is_null()) return {{}, fmt::format("this is not valid YAML: {}", error.msg)};
    const Place place = PlaceFinder(text_).at(static_cast<std::size_t>(error.mark.pos));
    // yaml-cpp counts what it has called itself for; it has no message of its own for too much of that.
    if (error.msg == YAML::ErrorMsg::BAD_FILE) return tooDeep(place);
    if (error.msg == YAML::ErrorMsg::UNKNOWN_ANCHOR)
      return {place, fmt::format("there is no anchor {} before this",
                                 quote(fmt::format("&{}", aliasAt(textAt(error.mark)))))};
    return {place, fmt::format("this is not valid YAML: {}{}", error.msg,
                               isIndentedWithTabs(place) ? "; indent with spaces, not with tabs" : "")};
  }

 private:
  Place placeOf(const YAML::Mark& mark) const {
    if (mark.is_null()) return {};
    return {static_cast<std::size_t>(mark.line) + firstLine_, static_cast<std::size_t>(mark.column) + 1};
  }

  std::string_view textAt(const YAML::Mark& mark) const {
    return text_.substr(std::min(static_cast<std::size_t>(mark.pos), text_.size()));
  }

  /// The name in an alias at the beginning of `text`: yaml-cpp tells the number of its anchor only.
  static std::string_view aliasAt(std::string_view text) {
    text.remove_prefix(1);
    return text.substr(0, text.find_first_of("[]{}, \t\r\n"));
  }

  bool isIndentedWithTabs(Place place) const {
    std::string_view line = text_;
    for (std::size_t number = place.line; number > 1; --number)
      line.remove_prefix(std::min(line.find('\n') + 1, line.size()));
    return line.substr(0, line.find_first_not_of(" \t")).contains('\t');
  }

  void takeKey(Place place, std::string_view tag, const std::string& text) {
    if (tag != plainTag && tag != "!" && tag != fmt::format("{}str", standardTag))
      throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
    if (tag == plainTag && text == "<<")
      throw Refusal{place, "merge keys (<<) are not supported; write the fields out"};
    builder_.key(text, place);
  }

  void open(Place place, std::string_view tag, std::string_view type, json empty) {
    if (tag != plainTag && tag != fmt::format("{}{}", standardTag, type))
      throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
    builder_.open(std::move(empty), place, std::exchange(anchor_, {}));
  }

  std::string_view text_;
  const std::size_t firstLine_, wholeBytes_;
  DocumentBuilder builder_;
  bool started_ = false;
  std::string anchor_;  // of the value that comes next
};

bool isWord(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

bool isTooDeep(const json& value) { return isDeeperThan(value, maxDepth); }

Notation notationOf(const std::filesystem::path& file) {
  return file.extension() == ".json" ? Notation::Json : Notation::Yaml;
}

std::expected<std::vector<Document>, Problem> parse(std::string_view text, Notation notation) {
  if (notation == Notation::Json) return readJson(text, DocumentBuilder::Keep::Places);
  if (text.starts_with(byteOrderMark)) text.remove_prefix(byteOrderMark.size());
  if (const auto offset = findInvalidByte(text)) {
    const auto byte = static_cast<unsigned char>(text[*offset]);
    return std::unexpected(Problem{PlaceFinder(text).at(*offset), "",
                                   fmt::format("the byte 0x{:02x} is {}; a manifest is UTF-8 text", byte,
                                               byte < 0x80 ? "a control character" : "not UTF-8")});
  }
  Reading reading(text);
  try {
    return reading.documents();
  } catch (const Refusal& refusal) {
    return std::unexpected(Problem{refusal.place, "", refusal.message});
  } catch (const YAML::Exception& error) {
    Refusal refusal = reading.describe(error);
    return std::unexpected(Problem{refusal.place, "", std::move(refusal.message)});
  }
}

/// With the `---` of the next piece, as a value that ends there need not mean what it means at the end of a
/// text.
std::optional<Part> readPiece(std::string_view text, const Piece& piece) {
  const bool isLast = piece.end == text.size();
  const std::string_view own =
      text.substr(piece.begin, piece.end + (isLast ? 0 : documentMark.size()) - piece.begin);
  if (findInvalidByte(own)) return std::nullopt;
  Reading reading(own, piece.line, text.size());
  try {
    std::vector<Document> documents = reading.documents();
    // That mark begins a document of nothing.
    return Part{std::move(documents), reading.values() - (isLast ? 0 : 1), reading.bytes()};
  } catch (const Refusal&) {
    return std::nullopt;
  } catch (const YAML::Exception&) {
    return std::nullopt;
  }
}

std::expected<json, Problem> parseJson(std::string_view text) {
  auto documents = readJson(text, DocumentBuilder::Keep::Values);
  if (!documents) return std::unexpected(std::move(documents.error()));
  if (documents->empty()) return json();
  Document& document = documents->front();
  if (!document.duplicates.empty()) return std::unexpected(std::move(document.duplicates.front()));
  return std::move(document.value);
}

std::string memberPath(std::string_view path, std::string_view member) {
  if (!isWord(member)) return fmt::format("{}[{}]", path, quote(member));
  return path.empty() ? std::string(member) : fmt::format("{}.{}", path, member);
}

std::string itemPath(std::string_view path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

}  // namespace rookery::yaml
