#include "api/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <spanstream>
#include <unordered_map>
#include <utility>

#include "api/manifest.h"
#include "api/scalar.h"

namespace rookery::api {

using nlohmann::json;

namespace {

constexpr std::string_view standardTag = "tag:yaml.org,2002:";
constexpr std::size_t maxDuplicates = 100;

Place placeOf(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

Place placeOf(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t lineStart = before.rfind('\n') + 1;  // npos + 1 == 0
  return {static_cast<std::size_t>(std::ranges::count(before, '\n')) + 1, offset - lineStart + 1};
}

/// Leaves the parser from within one of its events. Caught in parseYaml.
struct Refusal {
  Place place;
  std::string message;
};

/// A finished value on its way to what holds it.
struct Value {
  json value;
  Places places;
  std::size_t nodes = 1;
  std::size_t bytes = 0;  // of its scalars
};

/// A mapping or sequence that is not finished.
struct Frame {
  bool isMap;
  YAML::anchor_t anchor;
  Value value;
  std::optional<std::string> key;  // of the value that comes next
  Place keyPlace;
  bool duplicate = false;  // that key was there already: the value is dropped
};

/// Turns the parser's events into documents. yaml-cpp's own nodes would hide what is needed here: where an
/// alias stands, which keys come twice, and how much a file grows before it has been built.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string_view text) : text_(text) {}

  std::vector<YamlDocument> take() { return std::move(documents_); }
  /// Offset of the last scalar if it was quoted or a block.
  std::optional<std::size_t> lastQuoted() const { return lastQuoted_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // What follows a finished document without a separator would be taken for one more; a stray comma even
    // for endlessly many.
    const bool separated = text_.substr(static_cast<std::size_t>(mark.pos)).starts_with("---");
    if (std::exchange(started_, true) && !separated) {
      throw Refusal{placeOf(mark),
                    "a document has ended before this; put --- on a line of its own before the next one"};
    }
    anchors_.clear();
    current_ = {};
  }

  void OnDocumentEnd() override {
    if (!current_.value.is_null() || !current_.duplicates.empty()) documents_.push_back(std::move(current_));
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expectsKey()) throw Refusal{placeOf(mark), "a key is missing here, or it is null; put it in quotes"};
    // The parser's mark points at whatever comes next.
    Place place = placeOf(mark);
    if (!frames_.empty())
      place = frames_.back().isMap ? frames_.back().keyPlace : frames_.back().value.places.value;
    add({.value = nullptr, .places = {.key = place, .value = place, .text = {}, .members = {}, .items = {}}},
        anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Place place = placeOf(mark);
    if (expectsKey()) throw Refusal{place, "an alias cannot be a key; write the key out"};
    const auto anchored = anchors_.find(anchor);
    if (anchored == anchors_.end()) throw Refusal{place, "an alias cannot stand within what it refers to"};
    spend(anchored->second.nodes, anchored->second.bytes, place);
    Value copy = anchored->second;
    copy.places.key = copy.places.value = place;
    attach(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const Place place = placeOf(mark);
    lastQuoted_ = tag == "?" ? std::nullopt : std::optional(static_cast<std::size_t>(mark.pos));
    if (expectsKey()) return takeKey(place, tag, text);
    Value value{.value = resolve(place, tag, text),
                .places = {.key = place, .value = place, .text = {}, .members = {}, .items = {}},
                .bytes = text.size()};
    if (!value.value.is_string()) value.places.text = text;
    add(std::move(value), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(placeOf(mark), tag, "seq", json::array(), anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(placeOf(mark), tag, "map", json::object(), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  bool expectsKey() const { return !frames_.empty() && frames_.back().isMap && !frames_.back().key; }

  void spend(std::size_t nodes, std::size_t bytes, Place place) {
    nodes_ += nodes;
    bytes_ += bytes;
    if (nodes_ > maxManifestNodes) {
      throw Refusal{place,
                    fmt::format("the file holds more than {} values once its aliases are followed; split it",
                                maxManifestNodes)};
    }
    if (bytes_ > maxManifestBytes) {
      throw Refusal{place,
                    fmt::format("the file holds more than {} bytes once its aliases are followed; split it",
                                maxManifestBytes)};
    }
  }

  static json resolve(Place place, const std::string& tag, const std::string& text) {
    if (tag == "!" || tag == fmt::format("{}str", standardTag)) return text;
    const std::optional<json> value = readPlainScalar(text);
    if (!value)
      throw Refusal{place, "JSON has no infinity and no NaN; put it in quotes if it is meant as a string"};
    if (tag == "?") return *value;
    const std::string_view type =
        std::string_view(tag).substr(tag.starts_with(standardTag) ? standardTag.size() : 0);
    const bool known = tag.starts_with(standardTag) &&
                       (type == "int" || type == "float" || type == "bool" || type == "null");
    if (!known) throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
    const bool fits = type == "int"     ? value->is_number_integer()
                      : type == "float" ? value->is_number()
                      : type == "bool"  ? value->is_boolean()
                                        : value->is_null();
    if (!fits) throw Refusal{place, fmt::format("the value is not of the type that its tag !!{} says", type)};
    return *value;
  }

  void takeKey(Place place, const std::string& tag, const std::string& text) {
    if (tag != "?" && tag != "!" && tag != fmt::format("{}str", standardTag)) {
      throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
    }
    if (tag == "?" && text == "<<") {
      throw Refusal{place, "merge keys (<<) are not supported; write the fields out"};
    }
    spend(0, text.size(), place);
    Frame& frame = frames_.back();
    frame.key = text;
    frame.keyPlace = place;
    const auto first = frame.value.places.members.find(text);
    frame.duplicate = first != frame.value.places.members.end();
    if (frame.duplicate && current_.duplicates.size() < maxDuplicates) {
      current_.duplicates.push_back(
          {place, path(),
           fmt::format("this key is given twice, first in line {}; remove one", first->second.key.line)});
    }
  }

  /// The path of the value that is being read.
  std::string path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      path =
          frame.isMap ? memberPath(path, frame.key.value_or("")) : itemPath(path, frame.value.value.size());
    }
    return path;
  }

  void open(Place place, const std::string& tag, std::string_view type, json empty, YAML::anchor_t anchor) {
    if (expectsKey())
      throw Refusal{place, "a mapping or a list cannot be a key; or is its closing bracket missing?"};
    if (tag != "?" && tag != fmt::format("{}{}", standardTag, type)) {
      throw Refusal{place, fmt::format("the tag {} is not supported; remove it", quote(tag))};
    }
    if (frames_.size() == maxManifestDepth) {
      throw Refusal{place, fmt::format("the value is nested more than {} levels deep", maxManifestDepth)};
    }
    spend(1, 0, place);
    frames_.push_back(
        {.isMap = type == "map",
         .anchor = anchor,
         .value = {.value = std::move(empty),
                   .places = {.key = place, .value = place, .text = {}, .members = {}, .items = {}}},
         .key = {},
         .keyPlace = place});
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor != 0) anchors_[frame.anchor] = frame.value;
    attach(std::move(frame.value));
  }

  void add(Value value, YAML::anchor_t anchor) {
    spend(value.nodes, value.bytes, value.places.value);
    if (anchor != 0) anchors_[anchor] = value;
    attach(std::move(value));
  }

  void attach(Value value) {
    if (frames_.empty()) {
      current_.value = std::move(value.value);
      current_.places = std::move(value.places);
      return;
    }
    Frame& frame = frames_.back();
    frame.value.nodes += value.nodes;
    frame.value.bytes += value.bytes;
    if (!frame.isMap) {
      frame.value.value.push_back(std::move(value.value));
      frame.value.places.items.push_back(std::move(value.places));
      return;
    }
    const std::string key = std::exchange(frame.key, std::nullopt).value();
    if (frame.duplicate) return;
    value.places.key = frame.keyPlace;
    frame.value.value[key] = std::move(value.value);
    frame.value.places.members[key] = std::move(value.places);
  }

  std::string_view text_;
  std::vector<YamlDocument> documents_;
  YamlDocument current_;
  bool started_ = false;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, Value> anchors_;  // finished ones
  std::size_t nodes_ = 0, bytes_ = 0;                  // of the whole file, aliases followed
  std::optional<std::size_t> lastQuoted_;
};

/// Whether the quoted scalar whose properties (tag, anchor) or opening quote stand at the start of `text`
/// ends in it. The parser takes the end of a file for the closing quote.
bool closesQuote(std::string_view text) {
  while (text.starts_with('!') || text.starts_with('&')) {
    text.remove_prefix(std::min(text.find_first_of(" \t\r\n"), text.size()));
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  }
  if (!text.starts_with('"') && !text.starts_with('\'')) return true;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[0] == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == text[0]) {
      const bool escaped = text[0] == '\'' && text.substr(at + 1).starts_with('\'');
      if (!escaped) return true;
      ++at;
    }
  }
  return false;
}

std::string_view lineAt(std::string_view text, std::size_t number) {
  for (; number > 1; --number) text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
  return text.substr(0, text.find('\n'));
}

YamlProblem describe(const YAML::Exception& error, std::string_view text) {
  const Place place = placeOf(error.mark);
  std::string message = "this is not valid YAML: " + error.msg;
  const std::string_view line = lineAt(text, place.line);
  const std::string_view indent = line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
  if (indent.contains('\t')) message += "; indent with spaces, not with tabs";
  return {place, "", std::move(message)};
}

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
  if (notation == Notation::Json) return parseYaml(joinSurrogates(text));
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  if (const auto offset = findInvalidByte(text)) {
    const auto byte = static_cast<unsigned char>(text[*offset]);
    return std::unexpected(YamlProblem{placeOf(text, *offset), "",
                                       fmt::format("the byte 0x{:02x} is {}; a manifest is UTF-8 text", byte,
                                                   byte < 0x80 ? "a control character" : "not UTF-8")});
  }
  Builder builder(text);
  try {
    std::ispanstream stream(std::span(text.data(), text.size()));
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return std::unexpected(YamlProblem{refusal.place, "", refusal.message});
  } catch (const YAML::Exception& error) {
    return std::unexpected(describe(error, text));
  }
  if (const auto quoted = builder.lastQuoted(); quoted && !closesQuote(text.substr(*quoted))) {
    return std::unexpected(
        YamlProblem{placeOf(text, *quoted), "", "the quotation mark here is never closed"});
  }
  return builder.take();
}

std::string memberPath(std::string_view path, std::string_view member) {
  if (!isWord(member)) return fmt::format("{}[{}]", path, quote(member));
  return path.empty() ? std::string(member) : fmt::format("{}.{}", path, member);
}

std::string itemPath(std::string_view path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

std::string quote(std::string_view text) {
  constexpr std::size_t longest = 80;
  const bool cut = text.size() > longest;
  std::string quoted = "\"";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  // A sequence that the cut went through would not be UTF-8.
  while (cut && findInvalidByte(quoted)) quoted.pop_back();
  return quoted + (cut ? "\"…" : "\"");
}

}  // namespace rookery::api
