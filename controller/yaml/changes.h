#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yaml/tree.h"
#include "yaml/writer.h"

namespace rookery::yaml {

/// [begin, end) of the text becomes `replacement`.
struct Edit {
  std::size_t begin, end;
  std::string replacement;
};

/// Edits that begin at the same place are made in their order; one within what an earlier one takes out only
/// adds.
std::string apply(std::string_view text, std::vector<Edit> edits);

struct Changes {
  std::vector<Edit> edits;
  std::size_t deepest = 0;  // the depth of the innermost collection that is changed rather than written anew
};

/// The edits that turn the value `before`, laid out in `text` as `root` says, into `after`, down to a limit
/// of depth: what differs deeper is written anew. Nothing: all of it has to be.
std::optional<Changes> changesOf(std::string_view text, const Node& root, const nlohmann::json& before,
                                 const nlohmann::json& after, KeyOrder order, std::size_t limit);

}  // namespace rookery::yaml
