#include "serve/failure.h"

#include <fmt/format.h>

#include <ranges>

#include "text.h"
#include "yaml/writer.h"

namespace rookery::serve {
namespace {

/// metav1.StatusReason for an HTTP status.
std::string_view reasonFor(int code) {
  switch (code) {
    case 400:
      return "BadRequest";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 405:
      return "MethodNotAllowed";
    case 406:
      return "NotAcceptable";
    case 408:
      return "Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 413:
      return "RequestEntityTooLarge";
    case 415:
      return "UnsupportedMediaType";
    case 422:
      return "Invalid";
    case 429:
      return "TooManyRequests";
    case 500:
      return "InternalError";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "Timeout";
    default:
      return "";  // StatusReasonUnknown
  }
}

// What a caller is told of what he sent, however much that was.
constexpr std::size_t longestMessage = 4 << 10, longestCause = 1 << 10, longestName = 253;
constexpr std::size_t mostCauses = 32;

nlohmann::json toJson(const FailureCause& cause) {
  return {{"reason", cause.reason},
          {"message", visible(cause.message, longestCause)},
          {"field", visible(cause.field, longestCause)}};
}

nlohmann::json toJson(const FailureDetails& details) {
  nlohmann::json value = nlohmann::json::object();
  if (!details.name.empty()) value["name"] = visible(details.name, longestName);
  if (!details.group.empty()) value["group"] = details.group;
  if (!details.kind.empty()) value["kind"] = details.kind;
  for (const FailureCause& cause : details.causes | std::views::take(mostCauses))
    value["causes"].push_back(toJson(cause));
  return value;
}

}  // namespace

http::Response failure(int code, const std::string& message, const FailureDetails& details) {
  return failure(code, reasonFor(code), message, details);
}

http::Response failure(int code, std::string_view reason, const std::string& message,
                       const FailureDetails& details) {
  const nlohmann::json status = {{"kind", "Status"},
                                 {"apiVersion", "v1"},
                                 {"metadata", nlohmann::json::object()},
                                 {"status", "Failure"},
                                 {"message", shorten(visibleLines(message), longestMessage)},
                                 {"reason", reason},
                                 {"details", toJson(details)},
                                 {"code", code}};
  return {.status = code,
          .contentType = std::string(http::jsonType),
          .body = yaml::dump(status) + "\n",
          .headers = {}};
}

http::Response failure(const Error& error) {
  switch (error.reason) {
    case Reason::ImageTooLarge:
    case Reason::RequestEntityTooLarge:
      return failure(413, error.message);
    case Reason::RequestTimeout:
      return failure(408, error.message);
    case Reason::BadRequest:
    case Reason::ConnectionFailed:
      return failure(400, error.message);
    default:
      return failure(500, error.message);
  }
}

/// As RFC 7234, section 5.5 has it.
void warn(http::Response& response, const std::vector<std::string>& warnings) {
  constexpr std::size_t longest = 4'096;
  std::string header;
  for (const std::string& warning : warnings) {
    const std::string value = fmt::format("{}299 - {}", header.empty() ? "" : ", ", yaml::dump(warning));
    if (header.size() + value.size() > longest) break;
    header += value;
  }
  if (!header.empty()) response.headers["Warning"] = std::move(header);
}

http::Response tooManyRequests(const std::string& message, std::chrono::seconds retryAfter) {
  http::Response response = failure(429, message);
  response.headers["Retry-After"] = std::to_string(retryAfter.count());
  return response;
}

http::Response notSynced() {
  http::Response response = failure(503, "the manifests have not been read yet: try again in a moment");
  response.headers["Retry-After"] = "1";
  return response;
}

http::Response notAcceptable() {
  return failure(406, "only the following media types are accepted: application/json");
}

http::Response methodNotAllowed(std::string_view method, const FailureDetails& details) {
  http::Response response = failure(
      405,
      fmt::format("{} is not allowed here: this server only reads. Change the manifests instead.", method),
      details);
  response.headers["Allow"] = "GET, HEAD";
  return response;
}

}  // namespace rookery::serve
