#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "error.h"
#include "yaml/writer.h"
#include "yaml/yaml.h"

/// Changes to one document of a YAML text that leave the rest as its author wrote it. `document` counts as
/// the vector of parse() does: without empty documents.
namespace rookery::yaml {

/// `text` with the document changed so that it says `after`. Comments, blank lines, the order of keys,
/// quotation marks and indentation stay in all that does not change; the other documents stay byte for byte.
///
/// A changed scalar is replaced where it stands. A removed key or item goes with the comment lines directly
/// above it and the comment beside it. A new key comes last in its mapping. Items of a list are told apart by
/// `name` or `type`, where each has one, and by their values otherwise. What changes in flow style stays in
/// flow style. What cannot be changed in this way (aliases are in it, for one) is written anew: the smallest
/// value around the change, at worst the document. JSON is always written anew.
///
/// The result has been parsed: the document says `after`, and the others what they said before. Errors
/// (InvalidManifest): the text is not YAML or has no such document; `after` is null, nested too deeply, or
/// not to be written as YAML. They leave it to the caller to name the file. Never throws.
Result<std::string> edit(std::string_view text, std::size_t document, const nlohmann::json& after,
                         Notation notation = Notation::Yaml, KeyOrder order = {});

/// A text of one document that says `value`. Errors as above.
Result<std::string> create(const nlohmann::json& value, KeyOrder order = {});

/// `text` without the document: from its --- to the next one, comments included. Of the first document, the
/// comment at the top of the file stays where a blank line sets it apart. Errors as above.
Result<std::string> erase(std::string_view text, std::size_t document, Notation notation = Notation::Yaml);

}  // namespace rookery::yaml
