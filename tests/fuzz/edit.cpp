// Changes to YAML that somebody wrote: first a text, then a JSON merge patch for each of its documents.

#include "yaml/edit.h"

#include <algorithm>

#include "fuzz/target.h"
#include "yaml/pieces.h"

namespace rookery::fuzz {
namespace {

using yaml::Document;

/// The piece that a document stands in.
yaml::Piece pieceOf(std::string_view text, const Document& document) {
  yaml::Piece found;
  for (const yaml::Piece& piece : yaml::cut(text)) {
    if (piece.line <= document.places.value.line) found = piece;
  }
  return found;
}

void expectOthersUntouched(std::string_view text, std::string_view edited, const Document& document) {
  if (yaml::cut(text).empty()) return;  // a directive holds them together
  const yaml::Piece piece = pieceOf(text, document);
  check(edited.starts_with(text.substr(0, piece.begin)) && edited.ends_with(text.substr(piece.end)),
        "the bytes of other documents stay");
}

void expectEdited(std::string_view text, const std::vector<Document>& before, std::size_t index,
                  const nlohmann::json& after) {
  const auto edited = yaml::edit(text, index, after);
  if (!edited) return;
  const auto documents = yaml::parse(*edited);
  check(documents && documents->size() == before.size(), "there are as many documents as before");
  for (std::size_t i = 0; i < before.size(); ++i) {
    check((*documents)[i].value == (i == index ? after : before[i].value),
          "a document says what it was changed to, and the others what they said");
  }
  expectOthersUntouched(text, *edited, before[index]);
  if (after == before[index].value && before[index].duplicates.empty())
    check(*edited == text, "nothing is written where nothing changes");
}

/// A piece of a text that is changed alone, as in a large file, and put back.
void expectEditedInPiece(std::string_view text, const std::vector<Document>& before, std::size_t index,
                         const nlohmann::json& after) {
  if (yaml::cut(text).empty()) return;
  const yaml::Piece piece = pieceOf(text, before[index]);
  const std::string_view own = text.substr(piece.begin, piece.end - piece.begin);
  const auto alone = yaml::parse(own);
  if (!alone || alone->size() != 1 || alone->front().value != before[index].value) return;
  const auto edited = yaml::edit(own, 0, after);
  if (!edited) return;
  const auto documents =
      yaml::parse(std::string(text.substr(0, piece.begin)) + *edited + std::string(text.substr(piece.end)));
  check(documents && documents->size() == before.size() && (*documents)[index].value == after,
        "a piece that was changed fits where it stood");
}

void expectErased(std::string_view text, const std::vector<Document>& before, std::size_t index) {
  const auto erased = yaml::erase(text, index);
  if (!erased) return;
  const auto documents = yaml::parse(*erased);
  check(documents && documents->size() + 1 == before.size(), "one document is gone");
  for (std::size_t i = 0; i < documents->size(); ++i)
    check((*documents)[i].value == before[i < index ? i : i + 1].value, "the others say what they said");
}

const Target edit("edit", [](std::string_view input) {
  const auto parts = partsOf(input, 2);
  const std::string_view text = parts.front();
  const auto before = yaml::parse(text);
  const auto patch = yaml::parse(partAt(parts, 1));
  if (!before) return;
  for (std::size_t i = 0; i < std::min<std::size_t>(before->size(), 4); ++i) {
    expectErased(text, *before, i);
    nlohmann::json after = (*before)[i].value;
    if (patch && !patch->empty()) after.merge_patch(patch->front().value);
    expectEdited(text, *before, i, after);
    expectEditedInPiece(text, *before, i, after);
  }
});

}  // namespace
}  // namespace rookery::fuzz
