#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::http {

/// A request target (RFC 9112, section 3.2.1), taken apart before it is decoded: an encoded slash stays
/// within its segment.
struct Target {
  std::vector<std::string> segments;  // of the path, decoded; none for "/"; one trailing slash does not count
  std::map<std::string, std::string> query;  // decoded; of a name that is given twice, the last value
};

/// Empty when it does not begin with a slash, is not percent-encoded properly, or does not decode to UTF-8
/// without control characters. In the query a plus sign is a space, as Go's clients write it
/// (application/x-www-form-urlencoded). Dot segments are not resolved: no path that is served has any.
std::optional<Target> parseTarget(std::string_view target);

/// The value of a parameter of a query; empty when it is not given.
std::string parameterOf(const std::map<std::string, std::string>& query, const std::string& name);

}  // namespace rookery::http
