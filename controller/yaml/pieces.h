#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "yaml/yaml.h"

/// A text of YAML document by document. No document has a say in what another one means (an anchor ends with
/// its document), so that of a text that has changed only those need to be read that have.
namespace rookery::yaml {

/// A part of a text: from where a document begins, with its `---`, to where the next one does. What stands
/// above the first `---` is one, too.
struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t line = 1;  // that `begin` is in
};

/// All of a text, in its order; the first with the byte order mark, if there is one. Empty: one has a say in
/// another all the same, by a directive (%YAML, %TAG).
std::vector<Piece> cut(std::string_view text);

/// What parse() makes of a piece of a text.
struct Part {
  std::vector<Document> documents;  // where they stand in the whole text
  std::size_t values = 0;           // that count for the limits on the whole
  std::size_t bytes = 0;
};

/// Reads a piece of `text`, which has no byte order mark, as it is read with the rest. Nothing: there is
/// something wrong with it, and what that is parse() says of the whole.
std::optional<Part> readPiece(std::string_view text, const Piece& piece);

/// Whether pieces that come to so much together are not too much for a text of that size.
bool fits(std::size_t textBytes, std::size_t values, std::size_t bytes);

}  // namespace rookery::yaml
