#include "reconcile/server_connection.h"

#include <fmt/format.h>

#include <utility>

namespace rookery::reconcile {

Result<void> ServerConnection::connect(const plan::Desired& desired) {
  const auto& spec = desired.spec();
  if (!desired.credentials) return std::unexpected(desired.credentials.error());
  if (spec.isLocal()) {
    credential_.reset();
    loadedPem_.reset();
  } else if (loadedPem_ != *desired.credentials) {
    auto credential = albatross::Credential::load(*desired.credentials);
    if (!credential) return std::unexpected(credential.error());
    credential_ = std::move(*credential);
    loadedPem_ = *desired.credentials;
    environment_.listener.credentialLoaded(desired.name(), credential_->notAfter());
    if (credential_->ownPolicy()) {
      environment_.listener.warned(
          desired.name(), Reason::PolicyInvalid,
          fmt::format("The credential of AlbatrossInstance {} carries a policy of its own, which the server "
                      "applies with every command.",
                      desired.name()));
    }
  }
  const auto endpoint = albatross::Endpoint::parse(spec.endpoint);
  if (!endpoint) return std::unexpected(endpoint.error());
  Way way{*endpoint, credential_, spec.serverName,
          albatross::Timeouts{spec.connectTimeout, spec.commandTimeout, spec.streamTimeout}};
  if (way_ == way) return {};
  client_ = environment_.connect({.endpoint = way.endpoint,
                                  .credential = way.credential,
                                  .serverName = way.serverName,
                                  .timeouts = way.timeouts,
                                  .now = environment_.wallTime});
  way_ = std::move(way);
  return {};
}

plan::Authority ServerConnection::authority() const {
  if (credential_ == nullptr) return {};  // a local server, which lets all be done
  const SystemTime now = environment_.wallTime();
  return {credential_->canIssue(0, now), credential_->canIssue(1, now)};
}

}  // namespace rookery::reconcile
