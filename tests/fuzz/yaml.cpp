// Any YAML: read, written, and read document by document.

#include "yaml/yaml.h"

#include <algorithm>

#include "fuzz/target.h"
#include "yaml/pieces.h"
#include "yaml/tree.h"
#include "yaml/writer.h"

namespace rookery::fuzz {
namespace {

using yaml::Document;

void expectWritable(const nlohmann::json& value) {
  for (const std::string& text : {yaml::toYaml(value), yaml::toJson(value)}) {
    const auto again = yaml::parse(text);
    check(again.has_value(), "what was written as YAML is YAML");
    check(value.is_null() ? again->empty() : again->size() == 1 && again->front().value == value,
          "a value survives writing");
  }
}

void expectTheSame(const std::vector<Document>& pieces, const std::vector<Document>& whole) {
  const auto same = [](const Document& a, const Document& b) {
    return a.value == b.value && a.places.value == b.places.value &&
           std::ranges::equal(a.duplicates, b.duplicates, [](const auto& one, const auto& other) {
             return one.place == other.place && one.field == other.field;
           });
  };
  check(std::ranges::equal(pieces, whole, same), "pieces say what the whole says");
}

/// Nothing: a piece has something wrong with it, or all of them are too much together.
std::optional<std::vector<Document>> readPieces(std::string_view text) {
  std::vector<Document> documents;
  std::size_t values = 0, bytes = 0;
  for (const yaml::Piece& piece : yaml::cut(text)) {
    auto part = yaml::readPiece(text, piece);
    if (!part) return std::nullopt;
    values += part->values;
    bytes += part->bytes;
    std::ranges::move(part->documents, std::back_inserter(documents));
  }
  return yaml::fits(text.size(), values, bytes) ? std::optional(std::move(documents)) : std::nullopt;
}

const Target yamlTarget("yaml", [](std::string_view input) {
  const auto documents = yaml::parse(input);
  if (input.starts_with(yaml::byteOrderMark)) input.remove_prefix(yaml::byteOrderMark.size());
  const bool cuttable = !yaml::cut(input).empty();
  const auto pieces = cuttable ? readPieces(input) : std::nullopt;
  check(!cuttable || pieces.has_value() == documents.has_value(), "pieces are read where the whole is");
  if (!documents) return;
  if (pieces) expectTheSame(*pieces, *documents);
  for (const Document& document : *documents) {
    check(!yaml::isTooDeep(document.value), "depth is limited");
    expectWritable(document.value);
    if (document.places.value.line < 100)
      yaml::layOut(input, document);  // looks for the line from the first on
  }
});

}  // namespace
}  // namespace rookery::fuzz
