#include "api/yaml.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "api/document_builder.h"
#include "api/json_reader.h"
#include "api/scalar.h"
#include "text.h"

namespace rookery::api {

using nlohmann::json;

namespace {

constexpr std::string_view standardTag = "tag:yaml.org,2002:";

/// What the library calls a character: a byte of its own.
std::string_view textOf(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

/// Tells where the library's marks are, which count characters. For marks that ascend, mostly.
class MarkFinder {
 public:
  explicit MarkFinder(std::string_view text) : text_(text), places_(text) {}

  std::size_t offsetOf(const yaml_mark_t& mark) {
    if (mark.index < index_) index_ = offset_ = 0;
    for (; index_ < mark.index && offset_ < text_.size(); ++index_)
      offset_ += std::max<std::size_t>(utf8Length(text_.substr(offset_, 4)), 1);
    return offset_;
  }
  Place placeOf(const yaml_mark_t& mark) { return places_.at(offsetOf(mark)); }

 private:
  std::string_view text_;
  PlaceFinder places_;
  std::size_t index_ = 0, offset_ = 0;  // the same place, in characters and in bytes
};

struct EventDeleter {
  void operator()(yaml_event_t* event) const {
    yaml_event_delete(event);
    delete event;
  }
};

/// One event after the other of a text that is UTF-8. What libyaml has read ahead of an event is at most one
/// line or 1,024 characters, whatever the text is.
class EventStream {
 public:
  explicit EventStream(std::string_view text) : text_(text) {
    if (yaml_parser_initialize(&parser_) == 0) throw std::bad_alloc();
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~EventStream() { yaml_parser_delete(&parser_); }
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;
  EventStream(EventStream&&) = delete;
  EventStream& operator=(EventStream&&) = delete;

  using Event = std::unique_ptr<yaml_event_t, EventDeleter>;

  /// Throws Refusal: the text is not YAML.
  Event next() {
    Event event(new yaml_event_t{});
    if (yaml_parser_parse(&parser_, event.get()) == 0) throw problem();
    return event;
  }

 private:
  Refusal problem() const {
    if (parser_.error == YAML_MEMORY_ERROR) throw std::bad_alloc();
    const std::string_view problem = parser_.problem == nullptr ? "" : parser_.problem;
    const std::string_view context = parser_.context == nullptr ? "" : parser_.context;
    if (parser_.error == YAML_READER_ERROR)
      return {PlaceFinder(text_).at(parser_.problem_offset),
              fmt::format("this is not valid YAML: {}", problem)};
    const Place place = MarkFinder(text_).placeOf(parser_.problem_mark);
    const Place begin = MarkFinder(text_).placeOf(parser_.context_mark);
    if (problem == "found unexpected end of stream" && context == "while scanning a quoted scalar")
      return {begin, "the quotation mark here is never closed"};
    if (problem == "did not find expected <document start>")
      return {place, "a document has ended before this; put --- on a line of its own before the next one"};
    std::string message = fmt::format("this is not valid YAML: {}", problem);
    if (!context.empty()) message += fmt::format(" {}", context);
    if (!context.empty() && begin.line != place.line)
      message += fmt::format(" that begins in line {}", begin.line);
    if (isIndentedWithTabs(place)) message += "; indent with spaces, not with tabs";
    return {place, std::move(message)};
  }

  bool isIndentedWithTabs(Place place) const {
    std::string_view line = text_;
    for (std::size_t number = place.line; number > 1; --number)
      line.remove_prefix(std::min(line.find('\n') + 1, line.size()));
    return line.substr(0, line.find_first_not_of(" \t")).contains('\t');
  }

  std::string_view text_;
  yaml_parser_t parser_{};
};

json resolve(Place place, std::string_view tag, std::string_view text) {
  if (tag == "!" || tag == fmt::format("{}str", standardTag)) return text;
  const std::optional<json> value = readPlainScalar(text);
  if (!value)
    throw Refusal{place, "JSON has no infinity and no NaN; put it in quotes if it is meant as a string"};
  if (tag.empty()) return *value;
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

/// Hands a parser's events to a builder.
class Reading {
 public:
  explicit Reading(std::string_view text)
      : text_(text), events_(text), marks_(text), builder_(text.size(), DocumentBuilder::Keep::Places) {}

  std::vector<YamlDocument> documents() {
    while (true) {
      const EventStream::Event event = events_.next();
      if (event->type == YAML_STREAM_END_EVENT) return builder_.take();
      take(*event);
    }
  }

 private:
  void take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        return builder_.beginDocument();
      case YAML_DOCUMENT_END_EVENT:
        return builder_.endDocument();
      case YAML_ALIAS_EVENT:
        return builder_.alias(std::string(textOf(event.data.alias.anchor)), marks_.placeOf(event.start_mark));
      case YAML_SCALAR_EVENT:
        return takeScalar(event);
      case YAML_SEQUENCE_START_EVENT: {
        const auto& start = event.data.sequence_start;
        return open(event, "seq", json::array(), textOf(start.tag), textOf(start.anchor));
      }
      case YAML_MAPPING_START_EVENT: {
        const auto& start = event.data.mapping_start;
        return open(event, "map", json::object(), textOf(start.tag), textOf(start.anchor));
      }
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return builder_.close();
      default:
        return;
    }
  }

  void takeScalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    const std::size_t offset = marks_.offsetOf(event.start_mark);
    const Place place = marks_.placeOf(event.start_mark);
    const std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
    // The library keeps to itself that there was a lone "!".
    const bool unspecific = !plain || text_.substr(offset).starts_with("! ");
    const std::string_view tag = scalar.tag == nullptr && unspecific ? "!" : textOf(scalar.tag);
    if (builder_.expectsKey()) return takeKey(place, tag, text);
    builder_.scalar(resolve(place, tag, text), place, text, std::string(textOf(scalar.anchor)));
  }

  void takeKey(Place place, std::string_view tag, std::string_view text) {
    if (!tag.empty() && tag != "!" && tag != fmt::format("{}str", standardTag))
      throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
    if (tag.empty() && text == "<<")
      throw Refusal{place, "merge keys (<<) are not supported; write the fields out"};
    if (tag.empty() && readPlainScalar(text) == json(nullptr))
      throw Refusal{place, "a key is missing here, or it is null; put it in quotes"};
    builder_.key(std::string(text), place);
  }

  void open(const yaml_event_t& event, std::string_view type, json empty, std::string_view tag,
            std::string_view anchor) {
    const Place place = marks_.placeOf(event.start_mark);
    if (!tag.empty() && tag != fmt::format("{}{}", standardTag, type))
      throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
    builder_.open(std::move(empty), place, std::string(anchor));
  }

  std::string_view text_;
  EventStream events_;
  MarkFinder marks_;
  DocumentBuilder builder_;
};

bool isWord(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

Notation notationOf(const std::filesystem::path& file) {
  return file.extension() == ".json" ? Notation::Json : Notation::Yaml;
}

std::expected<std::vector<YamlDocument>, YamlProblem> parseYaml(std::string_view text, Notation notation) {
  if (notation == Notation::Json) return readJson(text, DocumentBuilder::Keep::Places);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  if (const auto offset = findInvalidByte(text)) {
    const auto byte = static_cast<unsigned char>(text[*offset]);
    return std::unexpected(YamlProblem{PlaceFinder(text).at(*offset), "",
                                       fmt::format("the byte 0x{:02x} is {}; a manifest is UTF-8 text", byte,
                                                   byte < 0x80 ? "a control character" : "not UTF-8")});
  }
  try {
    return Reading(text).documents();
  } catch (const Refusal& refusal) {
    return std::unexpected(YamlProblem{refusal.place, "", refusal.message});
  }
}

std::expected<json, YamlProblem> parseJson(std::string_view text) {
  auto documents = readJson(text, DocumentBuilder::Keep::Values);
  if (!documents) return std::unexpected(std::move(documents.error()));
  if (documents->empty()) return json();
  YamlDocument& document = documents->front();
  if (!document.duplicates.empty()) return std::unexpected(std::move(document.duplicates.front()));
  return std::move(document.value);
}

std::string memberPath(std::string_view path, std::string_view member) {
  if (!isWord(member)) return fmt::format("{}[{}]", path, quote(member));
  return path.empty() ? std::string(member) : fmt::format("{}.{}", path, member);
}

std::string itemPath(std::string_view path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

std::string quote(std::string_view text) {
  constexpr std::size_t longest = 80;
  const bool cut = text.size() > longest;
  const std::string_view head = text.substr(0, longest);
  return fmt::format("\"{}\"{}", visible(head.substr(0, head.size() - (cut ? unfinishedBytes(head) : 0))),
                     cut ? "…" : "");
}

}  // namespace rookery::api
