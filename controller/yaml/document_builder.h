#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yaml/yaml.h"

namespace rookery::yaml {

/// Tells where offsets into a text stand. For offsets that ascend, mostly: it walks from one to the next.
class PlaceFinder {
 public:
  explicit PlaceFinder(std::string_view text) : text_(text) {}

  /// `offset`: in bytes; beyond the end: the end.
  Place at(std::size_t offset);

 private:
  std::string_view text_;
  std::size_t offset_ = 0, line_ = 1, lineBegin_ = 0;
};

/// Leaves a parser from within one of its events. To be caught by who called the parser.
struct Refusal {
  Place place;
  std::string message;
};

/// How a DocumentBuilder refuses a text with more than `most` values, and a value that nests too deep.
Refusal tooManyValues(Place place, std::size_t most);
Refusal tooDeep(Place place);

/// Makes documents of what a parser finds in a text, one event after the other, and refuses what would become
/// too large before it does: what a text of n bytes comes to takes at most some hundred bytes for each of its
/// values, and there are at most `looseValues` and one for every `bytesPerValue` of the text, copies included
/// that anchors keep and aliases make. Throws Refusal.
class DocumentBuilder {
 public:
  static constexpr std::size_t looseValues = 20'000;
  static constexpr std::size_t bytesPerValue = 8;
  static constexpr std::size_t looseBytes = std::size_t{1} << 20;

  /// How many values a text of that size may come to.
  static std::size_t mostValues(std::size_t textBytes);
  /// How many bytes its scalars may.
  static std::size_t mostBytes(std::size_t textBytes);

  enum class Keep { Places, Values };

  /// `keep`: Values leaves the documents' places empty.
  DocumentBuilder(std::size_t textBytes, Keep keep);

  void beginDocument();
  void endDocument();
  /// Whether what comes next is the key of a mapping's member.
  bool expectsKey() const { return !frames_.empty() && frames_.back().isMap && !frames_.back().key; }
  void key(const std::string& name, Place place);
  /// `written`: as the text has it. `anchor`: empty for none.
  void scalar(nlohmann::json value, Place place, std::string_view written, const std::string& anchor = {});
  /// A mapping or a list, by what `empty` is.
  void open(nlohmann::json empty, Place place, std::string anchor = {});
  void close();
  void alias(const std::string& anchor, Place place);

  std::vector<Document> take() { return std::move(documents_); }
  /// What counts for the limits, so far.
  std::size_t values() const { return nodes_; }
  std::size_t bytes() const { return bytes_; }

 private:
  /// A finished value on its way to what holds it.
  struct Value {
    nlohmann::json value;
    Places places;
    std::size_t nodes = 1;
    std::size_t bytes = 0;  // of its scalars
  };

  /// A mapping or sequence that is not finished.
  struct Frame {
    bool isMap;
    std::string anchor;
    Value value;
    std::optional<std::string> key;  // of the value that comes next
    Place keyPlace;
    bool duplicate = false;  // that key was there already: the value is dropped
  };

  void spend(std::size_t nodes, std::size_t bytes, Place place);
  std::string path() const;
  void keepAnchored(const std::string& anchor, const Value& value);
  void attach(Value value);

  const std::size_t mostNodes_, mostBytes_;
  const Keep keep_;
  std::vector<Document> documents_;
  Document current_;
  std::vector<Frame> frames_;
  std::map<std::string, Value, std::less<>> anchors_;  // finished ones, by name
  std::size_t nodes_ = 0, bytes_ = 0;                  // of the whole text, copies included
};

}  // namespace rookery::yaml
