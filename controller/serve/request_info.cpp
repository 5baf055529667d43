#include "serve/request_info.h"

#include <span>

namespace rookery::serve {
namespace {

using Segments = std::span<const std::string>;

/// strconv.ParseBool's false, as the API server reads it; anything else that is there is true.
bool isTrue(const std::string& text) {
  return !text.empty() && text != "0" && text != "f" && text != "F" && text != "false" && text != "FALSE" &&
         text != "False";
}

std::string verbOf(std::string_view method, const RequestInfo& info, const http::Target& target) {
  if (onlyReads(method)) {
    if (isTrue(http::parameterOf(target.query, "watch"))) return "watch";
    return info.name.empty() && !info.resource.empty() ? "list" : "get";
  }
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return std::string(method);
}

/// What follows the version.
void readResource(Segments path, RequestInfo& info) {
  if (path.size() >= 2 && path[0] == "namespaces") {
    info.nameSpace = path[1];
    if (path.size() > 2 && path[2] != "status" && path[2] != "finalize") path = path.subspan(2);
  }
  if (!path.empty()) info.resource = path[0];
  if (path.size() > 1) info.name = path[1];
  if (path.size() > 2) info.subresource = path[2];
}

}  // namespace

bool onlyReads(std::string_view method) { return method == "GET" || method == "HEAD"; }

RequestInfo requestInfoOf(std::string_view method, const http::Target& target) {
  RequestInfo info;
  const Segments path = target.segments;
  if (path.size() > 2 && path[0] == "api") {
    readResource(path.subspan(2), info);
  } else if (path.size() > 3 && path[0] == "apis") {
    info.group = path[1];
    readResource(path.subspan(3), info);
  }
  info.verb = verbOf(method, info, target);
  return info;
}

}  // namespace rookery::serve
