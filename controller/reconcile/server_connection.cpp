#include "reconcile/server_connection.h"

#include <fmt/format.h>

#include <utility>

namespace rookery::reconcile {

Result<void> ServerConnection::connect(const plan::Desired& desired) {
  const auto& spec = desired.spec();
  if (!desired.credentials) return std::unexpected(desired.credentials.error());
  if (loadedPem_ != *desired.credentials) {
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
  albatross::ClientOptions options;
  options.endpoint = *endpoint;
  options.credential = credential_;
  options.serverName = spec.serverName;
  options.timeouts = {spec.connectTimeout, spec.commandTimeout, spec.streamTimeout};
  options.now = environment_.wallTime;
  client_ = environment_.connect(std::move(options));
  return {};
}

plan::Authority ServerConnection::authority() const {
  const SystemTime now = environment_.wallTime();
  return {credential_->canIssue(0, now), credential_->canIssue(1, now)};
}

}  // namespace rookery::reconcile
