#pragma once

#include <expected>
#include <nlohmann/json.hpp>
#include <string_view>

#include "http/message.h"
#include "serve/object_writer.h"

namespace rookery::serve {

/// The patch that a body is by its content type: a JSON merge patch (RFC 7396) or a JSON patch (RFC 6902). Of
/// a Secret also a strategic merge patch, which kubectl sends for the kinds that it has built in: without
/// directives, and with no lists to be merged, it says the same as a merge patch. Failures: 415 for other
/// types, which says what to use instead; 400 for a body that is no such patch; 422 for what would let a
/// Secret be read.
std::expected<ObjectWriter::Patch, http::Response> patchOf(api::Kind kind, std::string_view contentType,
                                                           nlohmann::json body);

}  // namespace rookery::serve
