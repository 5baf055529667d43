#pragma once

#include <memory>
#include <optional>
#include <string>

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

  /// Both once connect() has succeeded. The client stays the same until the server is reached otherwise.
  const std::shared_ptr<albatross::Client>& client() const { return client_; }
  plan::Authority authority() const;

 private:
  /// All that a client is made of.
  struct Way {
    albatross::Endpoint endpoint;
    std::shared_ptr<const albatross::Credential> credential;
    std::optional<std::string> serverName;
    albatross::Timeouts timeouts;
    friend bool operator==(const Way&, const Way&) = default;
  };

  const Environment& environment_;
  std::optional<albatross::Pem> loadedPem_;
  std::shared_ptr<const albatross::Credential> credential_;  // of that
  std::optional<Way> way_;
  std::shared_ptr<albatross::Client> client_;  // of that
};

}  // namespace rookery::reconcile
