#include "serve/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/syntax.h"
#include "http/loopback.h"
#include "http/target.h"
#include "serve/failure.h"
#include "serve/page.h"
#include "serve/request_info.h"
#include "serve/self_review.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::serve {
namespace {

/// Longer than the path of any object; a client may send more.
constexpr std::size_t longestAuditPath = 512;

http::Response plainText(int status, std::string_view sentence) {
  return {.status = status,
          .contentType = std::string(http::plainTextType),
          .body = fmt::format("{}\n", sentence),
          .headers = {}};
}

/// A browser sends some requests for a page of any site, with the user's client certificate, without asking
/// the server first: only pages of this server may change anything.
bool isForeign(const Request& request) {
  if (request.origin.empty()) return false;
  const std::size_t scheme = request.origin.find("://");
  return scheme == std::string::npos ||
         toLower(std::string_view(request.origin).substr(scheme + 3)) != toLower(request.host);
}

/// Whether the body is not what it is to be, but what a coding such as gzip makes of it.
bool isEncoded(const Request& request) {
  return !request.contentEncoding.empty() && toLower(request.contentEncoding) != "identity";
}

http::Response encodingRefused() {
  http::Response response = failure(415, "a body is taken as it is only: send it without Content-Encoding");
  response.headers["Accept-Encoding"] = "identity";  // RFC 9110, section 12.5.3
  return response;
}

/// What is asked by POST all the same changes nothing.
bool changesSomething(const Request& request) {
  if (onlyReads(request.method)) return false;
  const auto target = http::parseTarget(request.target);
  return !target || !isSelfReview(requestInfoOf(request.method, *target));
}

std::string_view firstOf(const http::Target& target) {
  return target.segments.empty() ? std::string_view() : target.segments.front();
}

/// Probes have no token.
bool isProbe(const http::Target& target) {
  return firstOf(target) == "healthz" || firstOf(target) == "readyz";
}

/// Nothing, or why the caller may not do that.
std::optional<http::Response> refusal(const Caller& caller, const RequestInfo& info,
                                      const http::Target& target) {
  if (!info.resource.empty()) return authorize(caller, info);
  const std::string_view first = firstOf(target);
  const auto forbidden = [&](std::string_view verb) {
    return failure(403,
                   fmt::format("forbidden: User \"{}\" cannot {} path \"/{}\"", caller.name, verb, first));
  };
  if (first == "deploy" && !mayAnywhere(caller, "deploy"))
    return authorize(caller, {.verb = "deploy", .group = "rookery.dev", .resource = "unikernels"});
  // They tell of all namespaces, but only names, and who scrapes needs no more.
  if (first == "metrics" && !mayScrape(caller)) return forbidden("get");
  return std::nullopt;
}

/// A body that is read only as long as its sender may send it: that may take long.
class AllowedBody : public http::Body {
 public:
  AllowedBody(http::Body* body, const std::function<std::optional<http::Response>()>& refused)
      : body_(body), refused_(refused) {}

  Result<std::string_view> next() override {
    auto piece = body_->next();
    if (piece && !refusal_) refusal_ = refused_();
    if (!piece || !refusal_) return piece;
    return fail(Reason::ConnectionFailed, "what allowed this request was revoked or has expired meanwhile");
  }
  std::optional<std::uint64_t> announcedSize() const override { return body_->announcedSize(); }

  /// What is to be answered instead, when it was not read to its end.
  const std::optional<http::Response>& refusal() const { return refusal_; }

 private:
  http::Body* body_;
  const std::function<std::optional<http::Response>()>& refused_;
  std::optional<http::Response> refusal_;
};

}  // namespace

http::Response Router::handle(http::Request received) const {
  Request request{std::move(received)};
  http::Response response = answer(request);
  if (audit_ && changesSomething(request)) {
    const std::size_t end = std::min(request.target.find('?'), longestAuditPath);
    audit_({request.caller.name, request.peer.address, request.method, request.target.substr(0, end),
            response.status});
  }
  return response;
}

http::Response Router::answer(Request& request) const {
  // Only a page of a browser on this machine could be tricked into asking; TLS would not trust that name.
  if (!request.peer.tls && !request.host.empty() && !http::isLoopbackHost(request.host)) {
    return failure(403, fmt::format("the host \"{}\" is not served here: use localhost or a loopback address",
                                    request.host));
  }
  if (!onlyReads(request.method) && isForeign(request)) {
    return failure(403, fmt::format("pages of {} may not change anything here", quote(request.origin)));
  }
  const auto target = http::parseTarget(request.target);
  if (!target) return failure(400, "the request target is not a percent-encoded absolute path of UTF-8");
  if (auto refused = admit(request, *target)) return *std::move(refused);
  if (request.body != nullptr && isEncoded(request)) return encodingRefused();
  const Refusal refused = refusalOf(request, *target);
  AllowedBody body(request.body, refused);
  if (request.body != nullptr) request.body = &body;
  http::Response response = route(request, *target);
  if (body.refusal()) return *body.refusal();
  if (!response.longRunning && !response.later) return response;
  return lasting(std::move(response), request, refused);
}

/// Fills in the caller. Nothing, or why the request is not answered.
std::optional<http::Response> Router::admit(Request& request, const http::Target& target) const {
  if (isProbe(target)) return std::nullopt;
  // Who is not known yet needs the page to say who it is.
  if (isPage(target)) return access_.admit({}, request.peer);
  auto caller = access_.authenticate(request.authorization, request.peer);
  if (!caller) return std::move(caller.error());
  if (auto refused = access_.admit(*caller, request.peer)) return refused;
  request.caller = *std::move(caller);
  request.authorization.clear();  // nobody needs it any more

  return refusal(request.caller, requestInfoOf(request.method, target), target);
}

Router::Refusal Router::refusalOf(const Request& request, const http::Target& target) const {
  return [this, target, caller = request.caller, peer = request.peer,
          method = request.method]() -> std::optional<http::Response> {
    if (isProbe(target)) return std::nullopt;
    auto now = access_.renewed(caller, peer);
    if (!now) return std::move(now.error());
    return refusal(*now, requestInfoOf(method, target), target);
  };
}

/// An answer that goes on takes one of its caller's places meanwhile, and asks for each of its pieces whether
/// the caller would still get it.
http::Response Router::lasting(http::Response response, const Request& request,
                               const Refusal& refused) const {
  // Shared, as the answer is copied with its functions.
  const std::shared_ptr<void> pass = watches_.enter(accountOf(request.caller, request.peer));
  if (pass == nullptr && response.later) {
    response.later = nullptr;  // what there is to say already will do
    return response;
  }
  if (pass == nullptr) {
    return tooManyRequests("this caller has too many watches open at once; close some, or try again later",
                           std::chrono::seconds(10));
  }
  const auto guard = [refused, pass](std::function<std::optional<std::string>()>& next) {
    if (!next) return;
    next = [refused, pass, guarded = std::move(next)]() -> std::optional<std::string> {
      auto piece = guarded();  // it may have waited for a while
      return refused() ? std::nullopt : std::move(piece);
    };
  };
  guard(response.next);
  if (response.later) {
    response.later = [refused, guard, later = std::move(response.later)]() -> std::optional<http::Response> {
      auto better = later();
      if (auto instead = refused()) return instead;
      if (better) guard(better->next);
      return better;
    };
  }
  return response;
}

http::Response Router::route(const Request& request, const http::Target& target) const {
  const std::string_view name = firstOf(target);
  if (name == "api" || name == "apis" || name == "openapi" || name == "version") {
    return api_.handle(request, target);
  }
  if (name == "deploy" && target.segments.size() == 1) return deploy(request, target);
  if (isPage(target)) return page(request, target);

  static constexpr std::pair<std::string_view, http::Response (Router::*)() const> routes[] = {
      {"healthz", &Router::health},
      {"metrics", &Router::prometheus},
      {"readyz", &Router::readiness},
  };
  const auto route = std::ranges::find(routes, name, [](const auto& entry) { return entry.first; });
  if (route == std::end(routes) || target.segments.size() > 1) {
    return failure(404, "the server could not find the requested resource");
  }
  if (!onlyReads(request.method)) return methodNotAllowed(request.method);
  return (this->*route->second)();
}

http::Response Router::deploy(const Request& request, const http::Target& target) const {
  if (deployer_ != nullptr) return deployer_->handle(request, target);
  return failure(405,
                 "nothing can be deployed here: start rookery run with --api-store DIR to let it write "
                 "manifests there, or change the manifests instead");
}

http::Response Router::health() const { return plainText(200, "ok"); }

http::Response Router::readiness() const {
  if (store_.ready()) return plainText(200, "ok");
  return plainText(
      503, "Not ready: waiting for the first complete observation of every instance, or its deadline.");
}

http::Response Router::prometheus() const {
  return {.status = 200,
          .contentType = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_.text(),
          .headers = {}};
}

}  // namespace rookery::serve
