#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "yaml/document_builder.h"

namespace rookery::yaml {

/// What a look over a text of YAML tells before it is parsed.
struct Outline {
  std::size_t length = 0;  // of what may be parsed
  /// Why a parser that has come through all of that gets no more, nor the text's end.
  std::optional<Refusal> refusal;
};

/// yaml-cpp hands nothing out while it does not know whether what it has read is a key: of a collection in
/// brackets it holds every token, at about a hundred bytes each, until the last bracket is closed. So this
/// finds where the tokens that it would hold become too many, or brackets nest too deep, for what a
/// DocumentBuilder takes. It goes from token to token by the rules of yaml-cpp 0.7, because whatever one of
/// the two takes for a part of a scalar and the other does not would be a way around the bound. It
/// refuses a quotation mark that is never closed, too: yaml-cpp may take the end of the text for the closing
/// one. `mostValues`: how many a DocumentBuilder takes of it. Memory: that of the nesting, which is limited.
/// What is legal and within a DocumentBuilder's limits is never refused.
Outline outlineOf(std::string_view text, std::size_t mostValues);

}  // namespace rookery::yaml
