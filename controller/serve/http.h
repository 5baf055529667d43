#pragma once

#include <map>
#include <string>
#include <string_view>

namespace rookery::serve {

/// What the routes need to know of an HTTP request.
struct Request {
  std::string method;  // "GET"
  std::string target;  // path and query as they stand in the request line, percent-encoded
  std::string accept;  // the header; empty: anything is accepted
  std::string host;    // the header; empty: not sent
};

struct Response {
  int status = 200;
  std::string contentType;
  std::string body;
  std::map<std::string, std::string> headers;  // besides Content-Type and what HTTP itself needs
};

inline constexpr std::string_view jsonType = "application/json";
inline constexpr std::string_view plainTextType = "text/plain; charset=utf-8";

}  // namespace rookery::serve
