#pragma once

#include <string>
#include <string_view>

namespace rookery::api {

/// Percent-encodes all but the unreserved characters (RFC 3986, sections 2.1 and 2.3): a segment of a path or
/// a value in a query.
std::string percentEncode(std::string_view text);

}  // namespace rookery::api
