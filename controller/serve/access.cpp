#include "serve/access.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "api/syntax.h"
#include "reconcile/key_file.h"
#include "serve/failure.h"
#include "serve/watched_file.h"

namespace rookery::serve {
namespace {

constexpr std::chrono::seconds betweenChecks{1};
constexpr std::string_view everything = "*";

const std::set<std::string> readingVerbs = {"get", "list", "watch"};

bool covers(const std::set<std::string>& granted, const std::string& wanted) {
  return granted.contains(std::string(everything)) || (!wanted.empty() && granted.contains(wanted));
}

/// Says who may write, to somebody who tries it where nobody is known.
std::string hintFor(const Caller& caller, const std::string& verb) {
  if (caller.authenticated || readingVerbs.contains(verb)) return {};
  return ": without a token this server only reads; start rookery run with --tls-cert, --tls-key and "
         "--api-token-file, and send a bearer token to https:// (kubectl sends none over plain http)";
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
                     hintFor(caller, attempted.verb));
}

Response unauthorized() {
  Response response = failure(401, "Unauthorized");
  response.headers["WWW-Authenticate"] = "Bearer realm=\"rookery\"";
  return response;
}

/// RFC 6750, section 2.1; empty when the header is of another scheme.
std::string_view tokenIn(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (api::toLower(authorization.substr(0, scheme.size())) != scheme) return {};
  authorization.remove_prefix(scheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  return authorization.substr(0, authorization.find_last_not_of(' ') + 1);
}

Sha256 digestOf(std::string_view token) {
  Sha256 digest{};
  const int made = EVP_Digest(token.data(), token.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  check(made == 1, "OpenSSL has SHA-256");
  return digest;
}

/// Takes the same time whichever entry it is, if any.
const AccessFile::Token* findToken(const AccessFile& file, const Sha256& digest) {
  const AccessFile::Token* found = nullptr;
  for (const AccessFile::Token& token : file.tokens) {
    if (CRYPTO_memcmp(token.digest.data(), digest.data(), digest.size()) == 0) found = &token;
  }
  return found;
}

Caller callerOf(const AccessFile::Grant& grant) {
  return {.name = grant.name, .authenticated = true, .verbs = grant.verbs, .namespaces = grant.namespaces};
}

}  // namespace

std::optional<Response> authorize(const Caller& caller, const RequestInfo& attempted) {
  const bool secret = attempted.group.empty() && attempted.resource == "secrets";
  const bool allowed = covers(caller.verbs, attempted.verb) && covers(caller.namespaces, attempted.nameSpace);
  if (allowed && (caller.authenticated || !secret)) return std::nullopt;
  return failure(403, forbiddenMessage(caller, attempted),
                 {attempted.name, attempted.group, attempted.resource});
}

bool mayAnywhere(const Caller& caller, std::string_view verb) {
  return covers(caller.verbs, std::string(verb)) && !caller.namespaces.empty();
}

bool mayEverywhere(const Caller& caller, std::string_view verb) {
  return covers(caller.verbs, std::string(verb)) && covers(caller.namespaces, "");
}

Result<std::unique_ptr<Access>> Access::load(Options options) {
  std::unique_ptr<Access> access(new Access(std::move(options)));
  const std::filesystem::path& path = access->options_.tokenFile;
  if (path.empty()) return access;
  access->version_ = versionOf(path);  // before reading: what changes meanwhile is read again
  auto file = readAccessFile(path);
  if (!file) return std::unexpected(file.error());
  access->file_ = std::make_shared<const AccessFile>(*std::move(file));
  access->checked_ = access->options_.now();
  if (const auto exposed = reconcile::exposureOf(path, "API token file")) access->options_.warn(*exposed);
  return access;
}

std::expected<Caller, Response> Access::authenticate(std::string_view authorization, const Peer& peer) {
  if (!authorization.empty()) return byToken(authorization, peer);
  if (peer.commonName) return byCertificate(*peer.commonName);
  if (peer.tls) {
    auto refused = admit({}, peer);
    return std::unexpected(refused ? *std::move(refused) : unauthorized());
  }
  return Caller{.verbs = readingVerbs, .namespaces = {std::string(everything)}};
}

std::expected<Caller, Response> Access::byToken(std::string_view authorization, const Peer& peer) {
  const std::string address = rateKeyOf(peer.address);
  if (!failures_.allows(address)) {
    return std::unexpected(tooManyRequests(
        "too many failed authentications from this address; try again later", std::chrono::seconds(5)));
  }
  const std::string_view token = tokenIn(authorization);
  const auto current = file();
  if (current && !token.empty()) {
    if (const auto* found = findToken(*current, digestOf(token))) return callerOf(found->grant);
  }
  failures_.take(address);
  return std::unexpected(unauthorized());
}

Caller Access::byCertificate(const std::string& commonName) {
  const auto current = file();
  Caller caller{.name = commonName, .authenticated = true};
  if (!current) {
    caller.verbs = readingVerbs;
    caller.namespaces = {std::string(everything)};
    return caller;
  }
  const auto grant = std::ranges::find(current->certificates, commonName, &AccessFile::Grant::name);
  return grant == current->certificates.end() ? caller : callerOf(*grant);
}

std::optional<Response> Access::admit(const Caller& caller, const Peer& peer) {
  // A slash is in no address: callers and addresses do not meet.
  const std::string key = caller.authenticated ? "caller//" + caller.name : rateKeyOf(peer.address);
  if (requests_.take(key)) return std::nullopt;
  return tooManyRequests("too many requests; try again later", std::chrono::seconds(1));
}

std::shared_ptr<const AccessFile> Access::file() {
  if (options_.tokenFile.empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto now = options_.now();
  if (now - checked_ >= betweenChecks) {
    checked_ = now;
    reload();
  }
  return file_;
}

void Access::reload() {
  std::string version = versionOf(options_.tokenFile);
  if (version == version_) return;
  version_ = std::move(version);
  if (auto file = readAccessFile(options_.tokenFile)) {
    file_ = std::make_shared<const AccessFile>(*std::move(file));
    if (const auto exposed = reconcile::exposureOf(options_.tokenFile, "API token file"))
      options_.warn(*exposed);
  } else {
    options_.warn(
        fmt::format("The API token file as it was before stays in force. {}", file.error().message));
  }
}

}  // namespace rookery::serve
