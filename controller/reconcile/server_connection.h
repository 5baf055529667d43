#pragma once

#include <memory>
#include <optional>

#include "albatross/client/client.h"
#include "plan/desired.h"
#include "plan/plan.h"
#include "reconcile/environment.h"

namespace rookery::reconcile {

/// How the server of an instance is reached, and with which credential. On the strand of the instance's loop.
class ServerConnection {
 public:
  /// `environment` must outlive it.
  explicit ServerConnection(const Environment& environment) : environment_(environment) {}

  /// Makes it fit `desired`: the manifest, or the content of the credential's files, may have changed. Tells
  /// the environment's listener of a credential that was not used before. Errors: as Desired::credentials,
  /// Credential::load and Endpoint::parse; the client is what it was then.
  Result<void> connect(const plan::Desired& desired);

  /// Both once connect() has succeeded; the client until it is called again.
  albatross::Client& client() { return *client_; }
  plan::Authority authority() const;

 private:
  const Environment& environment_;
  std::optional<albatross::Pem> loadedPem_;
  std::shared_ptr<const albatross::Credential> credential_;  // of that
  std::unique_ptr<albatross::Client> client_;
};

}  // namespace rookery::reconcile
