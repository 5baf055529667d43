#include "serve/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "serve/failure.h"
#include "serve/loopback.h"
#include "serve/page.h"
#include "serve/target.h"

namespace rookery::serve {
namespace {

Response plainText(int status, std::string_view sentence) {
  return {.status = status,
          .contentType = std::string(plainTextType),
          .body = fmt::format("{}\n", sentence),
          .headers = {}};
}

}  // namespace

Response Router::handle(const Request& request) const {
  if (!request.host.empty() && !isLoopbackHost(request.host)) {
    return failure(403, fmt::format("the host \"{}\" is not served here: use localhost or a loopback address",
                                    request.host));
  }
  const auto target = parseTarget(request.target);
  if (!target) return failure(400, "the request target is not a percent-encoded absolute path");

  if (!target->segments.empty() && target->segments.front() == "apis") return api_.handle(request, *target);

  static constexpr std::pair<std::string_view, Response (Router::*)() const> routes[] = {
      {"", &Router::page},
      {"healthz", &Router::health},
      {"metrics", &Router::prometheus},
      {"readyz", &Router::readiness},
  };
  const std::string_view name = target->segments.empty() ? std::string_view() : target->segments.front();
  const auto route = std::ranges::find(routes, name, [](const auto& entry) { return entry.first; });
  if (route == std::end(routes) || target->segments.size() > 1) {
    return failure(404, "the server could not find the requested resource");
  }
  if (request.method != "GET" && request.method != "HEAD") return methodNotAllowed(request.method);
  return (this->*route->second)();
}

Response Router::health() const { return plainText(200, "ok"); }

Response Router::readiness() const {
  if (store_.ready()) return plainText(200, "ok");
  return plainText(
      503, "Not ready: waiting for the first complete observation of every instance, or its deadline.");
}

Response Router::page() const {
  return {.status = 200,
          .contentType = "text/html; charset=utf-8",
          .body = statusPage(store_),
          .headers = {{"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'"}}};
}

Response Router::prometheus() const {
  return {.status = 200,
          .contentType = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_.text(),
          .headers = {}};
}

}  // namespace rookery::serve
