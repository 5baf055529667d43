#include "serve/access.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "api/status.h"
#include "api/syntax.h"
#include "file/watched.h"
#include "image/digest.h"
#include "reconcile/key_file.h"
#include "sentence.h"
#include "serve/failure.h"
#include "serve/self_review.h"
#include "text.h"

namespace rookery::serve {
namespace {

constexpr std::string_view everything = "*";

const std::set<std::string> readingVerbs = {"get", "list", "watch"};

bool covers(const std::set<std::string>& granted, const std::string& wanted) {
  return granted.contains(std::string(everything)) || (!wanted.empty() && granted.contains(wanted));
}

/// The resource that a grant names for what is apart: more than what its object says. Empty: it is not.
std::string apartOf(const RequestInfo& attempted) {
  // What a unikernel prints, as a pod's log is to RBAC; so is what is on a volume.
  if (attempted.subresource == "log" || attempted.subresource == "content")
    return attempted.resource + "/" + attempted.subresource;
  // What is to be done on an instance is about all that is on it, of all namespaces.
  const bool ofInstances = attempted.resource == "instanceplans" ||
                           (attempted.resource == "albatrossinstances" && attempted.subresource == "plan");
  return ofInstances ? "albatrossinstances/plan" : "";
}

/// Whether the caller was named for the resource, or need not be: whoever has anything to do in a namespace
/// may read what is served of it for reading only. kubectl asks for it beside the objects.
bool coversResource(const Caller& caller, const RequestInfo& attempted) {
  if (const std::string apart = apartOf(attempted); !apart.empty()) return covers(caller.resources, apart);
  // What it uses is not.
  const std::string resource = attempted.resource == "unikernelusages" ? "unikernels" : attempted.resource;
  if (covers(caller.resources, resource)) return true;
  const bool onlyRead =
      attempted.group.empty() && (attempted.resource == "events" || attempted.resource == "namespaces");
  return onlyRead && !caller.resources.empty() && readingVerbs.contains(attempted.verb);
}

/// What the entry of an authenticated caller lacks; whoever has none lacks all.
std::string lackOf(const Caller& caller, const RequestInfo& attempted) {
  if (caller.verbs.empty()) return {};
  const auto lacks = [&](std::string_view field, std::string_view value) {
    return fmt::format(": the {} of \"{}\" in the API token file do not name {}", field, caller.name, value);
  };
  if (!covers(caller.verbs, attempted.verb)) return lacks("verbs", attempted.verb);
  if (!coversResource(caller, attempted)) {
    const std::string apart = apartOf(attempted);
    return lacks("resources", apart.empty() ? attempted.resource : apart);
  }
  if (!attempted.nameSpace.empty()) return lacks("namespaces", attempted.nameSpace);
  const std::string only = caller.namespaces.empty() ? ""
                                                     : fmt::format(", but {}: ask for one of them (-n)",
                                                                   fmt::join(caller.namespaces, ", "));
  return lacks("namespaces", "\"*\"") + only;
}

/// Says who may do that: to somebody who tries to write where nobody is known, or what their entry does not
/// name.
std::string hintFor(const Caller& caller, const RequestInfo& attempted) {
  if (caller.authenticated) return lackOf(caller, attempted);
  if (readingVerbs.contains(attempted.verb)) return {};
  return ": without a token this server only reads; start rookery run with --api-store, --tls-cert, "
         "--tls-key and --api-token-file, and send a bearer token to https:// (kubectl sends none over plain "
         "http)";
}

std::string forbiddenMessage(const Caller& caller, const RequestInfo& attempted) {
  const std::string object = attempted.group.empty()
                                 ? attempted.resource
                                 : fmt::format("{}.{}", attempted.resource, attempted.group);
  const std::string name = attempted.name.empty() ? "" : fmt::format(" \"{}\"", attempted.name);
  const std::string resource = attempted.subresource.empty()
                                   ? attempted.resource
                                   : fmt::format("{}/{}", attempted.resource, attempted.subresource);
  const std::string scope = attempted.nameSpace.empty()
                                ? "at the cluster scope"
                                : fmt::format("in the namespace \"{}\"", attempted.nameSpace);
  return fmt::format("{}{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}{}",
                     object, name, caller.name, attempted.verb, resource, attempted.group, scope,
                     hintFor(caller, attempted));
}

http::Response unauthorized(const std::string& message = "Unauthorized") {
  http::Response response = failure(401, message);
  response.headers["WWW-Authenticate"] = "Bearer realm=\"rookery\"";
  return response;
}

/// RFC 6750, section 2.1; empty when the header is of another scheme.
std::string_view tokenIn(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (toLower(authorization.substr(0, scheme.size())) != scheme) return {};
  authorization.remove_prefix(scheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  return authorization.substr(0, authorization.find_last_not_of(' ') + 1);
}

std::string digestOf(std::string_view token) {
  image::Sha256 hash;
  hash.update(token);
  return hash.finish();
}

/// Takes the same time whichever entry it is, if any.
const AccessFile::Token* findToken(const AccessFile& file, const std::string& digest) {
  const AccessFile::Token* found = nullptr;
  if (digest.size() != std::tuple_size_v<Sha256>) return found;
  for (const AccessFile::Token& token : file.tokens) {
    if (CRYPTO_memcmp(token.digest.data(), digest.data(), digest.size()) == 0) found = &token;
  }
  return found;
}

}  // namespace

std::optional<http::Response> authorize(const Caller& caller, const RequestInfo& attempted) {
  if (isSelfReview(attempted)) return std::nullopt;
  const bool secret = attempted.group.empty() && attempted.resource == "secrets";
  const bool allowed = covers(caller.verbs, attempted.verb) &&
                       covers(caller.namespaces, attempted.nameSpace) && coversResource(caller, attempted);
  if (allowed && (caller.authenticated || !secret)) return std::nullopt;
  return failure(403, forbiddenMessage(caller, attempted),
                 {attempted.name, attempted.group, attempted.resource});
}

std::string accountOf(const Caller& caller, const http::Peer& peer) {
  // A slash is in no address: callers and addresses do not meet.
  return caller.authenticated ? "caller//" + caller.name : http::rateKeyOf(peer.address);
}

bool mayAnywhere(const Caller& caller, std::string_view verb) {
  return covers(caller.verbs, std::string(verb)) && !caller.namespaces.empty();
}

bool mayScrape(const Caller& caller) { return covers(caller.verbs, "get") && covers(caller.namespaces, ""); }

Result<std::unique_ptr<Access>> Access::load(Options options) {
  std::unique_ptr<Access> access(new Access(std::move(options)));
  const std::filesystem::path& path = access->options_.tokenFile;
  if (path.empty()) return access;
  auto file = readAccessFile(path);
  if (!file) return std::unexpected(file.error());
  access->take(*std::move(file));
  return access;
}

std::expected<Caller, http::Response> Access::authenticate(std::string_view authorization,
                                                           const http::Peer& peer) {
  if (!authorization.empty()) return byToken(authorization, peer);
  if (peer.commonName) return byCertificate(*peer.commonName);
  if (peer.tls) {
    auto refused = admit({}, peer);
    return std::unexpected(refused ? *std::move(refused) : unauthorized());
  }
  return Caller{
      .verbs = readingVerbs, .namespaces = {std::string(everything)}, .resources = {std::string(everything)}};
}

std::expected<Caller, http::Response> Access::renewed(const Caller& caller, const http::Peer& peer) {
  if (!caller.tokenDigest.empty()) return byDigest(caller.tokenDigest);
  if (caller.authenticated) return byCertificate(caller.name);
  return authenticate({}, peer);
}

/// Looked up before anything is counted: who sends a right one is let in, whatever others send from there.
std::expected<Caller, http::Response> Access::byToken(std::string_view authorization,
                                                      const http::Peer& peer) {
  const std::string_view token = tokenIn(authorization);
  auto caller = byDigest(token.empty() ? std::string() : digestOf(token));
  if (caller || failures_.take(http::rateKeyOf(peer.address))) return caller;
  return std::unexpected(tooManyRequests("too many failed authentications from this address; try again later",
                                         std::chrono::seconds(5)));
}

std::expected<Caller, http::Response> Access::byDigest(const std::string& digest) {
  const auto current = file();
  const auto* found = current ? findToken(*current, digest) : nullptr;
  if (found == nullptr) return std::unexpected(unauthorized());
  auto caller = callerOf(found->grant);
  if (caller) caller->tokenDigest = digest;
  return caller;
}

std::expected<Caller, http::Response> Access::byCertificate(const std::string& commonName) {
  const auto current = file();
  Caller caller{.name = commonName, .authenticated = true};
  if (!current) {
    caller.verbs = readingVerbs;
    caller.namespaces = {std::string(everything)};
    caller.resources = {std::string(everything)};
    return caller;
  }
  const auto grant = std::ranges::find(current->certificates, commonName, &AccessFile::Grant::name);
  return grant == current->certificates.end() ? caller : callerOf(*grant);
}

/// 401 where the grant has expired.
std::expected<Caller, http::Response> Access::callerOf(const AccessFile::Grant& grant) const {
  if (grant.expires && options_.today() >= *grant.expires) {
    return std::unexpected(unauthorized(fmt::format("Unauthorized: what \"{}\" was granted expired at {}",
                                                    grant.name, api::toRfc3339(*grant.expires))));
  }
  return Caller{.name = grant.name,
                .authenticated = true,
                .verbs = grant.verbs,
                .namespaces = grant.namespaces,
                .resources = grant.resources};
}

std::optional<http::Response> Access::admit(const Caller& caller, const http::Peer& peer) {
  if (requests_.take(accountOf(caller, peer))) return std::nullopt;
  return tooManyRequests("too many requests; try again later", std::chrono::seconds(1));
}

std::shared_ptr<const AccessFile> Access::file() {
  if (options_.tokenFile.empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  if (watched_.due(options_.now())) reload();
  return file_;
}

void Access::reload() {
  if (auto file = read()) {
    watched_.settled();
    take(*std::move(file));
  } else if (watched_.isNews(file.error())) {
    options_.warn(sentences({"The API token file as it was before stays in force.", file.error().message}));
  }
}

/// A file that is gone is one that lists nobody: whoever took it away wants nobody let in.
Result<AccessFile> Access::read() {
  std::error_code error;
  if (std::filesystem::status(options_.tokenFile, error).type() == std::filesystem::file_type::not_found)
    return AccessFile{};
  return readAccessFile(options_.tokenFile, &watched_.settling());
}

void Access::take(AccessFile file) {
  if (file.empty()) {
    options_.warn(
        fmt::format("The API token file {} lists nobody: nobody is let in by token or client certificate "
                    "until it does.",
                    options_.tokenFile.string()));
  }
  file_ = std::make_shared<const AccessFile>(std::move(file));
  if (const auto exposed = reconcile::exposureOf(options_.tokenFile, "API token file"))
    options_.warn(*exposed);
}

}  // namespace rookery::serve
