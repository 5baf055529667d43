#include "serve/failure.h"

#include <fmt/format.h>

namespace rookery::serve {
namespace {

/// metav1.StatusReason for an HTTP status.
std::string_view reasonFor(int code) {
  switch (code) {
    case 400:
      return "BadRequest";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 405:
      return "MethodNotAllowed";
    case 406:
      return "NotAcceptable";
    case 413:
      return "RequestEntityTooLarge";
    case 500:
      return "InternalError";
    default:
      return "";  // StatusReasonUnknown
  }
}

nlohmann::json toJson(const FailureDetails& details) {
  nlohmann::json json = nlohmann::json::object();
  if (!details.name.empty()) json["name"] = details.name;
  if (!details.group.empty()) json["group"] = details.group;
  if (!details.kind.empty()) json["kind"] = details.kind;
  return json;
}

}  // namespace

std::string dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Response failure(int code, const std::string& message, const FailureDetails& details) {
  const nlohmann::json status = {
      {"kind", "Status"},           {"apiVersion", "v1"}, {"metadata", nlohmann::json::object()},
      {"status", "Failure"},        {"message", message}, {"reason", reasonFor(code)},
      {"details", toJson(details)}, {"code", code}};
  return {.status = code, .contentType = std::string(jsonType), .body = dump(status) + "\n", .headers = {}};
}

Response methodNotAllowed(std::string_view method, const FailureDetails& details) {
  Response response = failure(
      405,
      fmt::format("{} is not allowed here: this server only reads. Change the manifests instead.", method),
      details);
  response.headers["Allow"] = "GET, HEAD";
  return response;
}

}  // namespace rookery::serve
