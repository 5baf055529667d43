#pragma once

#include <expected>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "yaml/document_builder.h"
#include "yaml/yaml.h"

namespace rookery::yaml {

/// Reads JSON (RFC 8259): one value or, where `keep` is Places, several with nothing, blanks or a line of ---
/// between them, as kubectl reads a file. Whole numbers count as integers however they are written, as in
/// Kubernetes. Null is left out, as an empty document of YAML is. What may be refused besides, and how much
/// memory it takes at most: DocumentBuilder. Messages hold nothing of the text but keys. Throws nothing but
/// std::bad_alloc.
std::expected<std::vector<Document>, Problem> readJson(std::string_view text, DocumentBuilder::Keep keep);

}  // namespace rookery::yaml
