#include "yaml/pieces.h"

#include <algorithm>

#include "yaml/document_builder.h"
#include "yaml/tree.h"

namespace rookery::yaml {

std::vector<Piece> cut(std::string_view text) {
  std::vector<Piece> pieces;
  Piece piece;
  std::size_t number = 1;
  for (std::size_t begin = text.starts_with(byteOrderMark) ? byteOrderMark.size() : 0; begin < text.size();
       ++number) {
    const std::string_view line = text.substr(begin);
    if (line.starts_with('%')) return {};
    if (number > 1 && beginsWithMark(line, "---")) {
      piece.end = begin;
      pieces.push_back(piece);
      piece = {.begin = begin, .line = number};
    }
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  }
  piece.end = text.size();
  pieces.push_back(piece);
  return pieces;
}

bool fits(std::size_t textBytes, std::size_t values, std::size_t bytes) {
  return values <= DocumentBuilder::mostValues(textBytes) && bytes <= DocumentBuilder::mostBytes(textBytes);
}

}  // namespace rookery::yaml
