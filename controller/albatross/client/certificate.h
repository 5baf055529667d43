#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "albatross/pem.h"
#include "albatross/wire.h"
#include "error.h"

typedef struct ssl_st SSL;  // OpenSSL's own name for it

namespace rookery::albatross {

struct FreeSsl {
  void operator()(SSL* client) const;
};
using SslPtr = std::unique_ptr<SSL, FreeSsl>;

using SystemTime = std::chrono::system_clock::time_point;

/// An operator's certificate and key, with the CA that the server's certificate must chain to. Immutable and
/// shared between threads; the private key never leaves it.
class Credential {
 public:
  /// Errors: CredentialInvalid (bad PEM — says which of the three —, an encrypted key, a key that does not
  /// match the certificate, a key type other than Ed25519, P-256/384/521 or RSA).
  static Result<std::shared_ptr<const Credential>> load(const Pem& pem);

  virtual ~Credential() = default;

  /// What has to hold for a command in a domain `depth` levels below the credential's own. Errors:
  /// CredentialCannotIssue (not a CA, no keyCertSign, path length exhausted), CredentialExpired,
  /// CredentialNotYetValid; each says the dates or the missing bit.
  virtual Result<void> canIssue(std::size_t depth, SystemTime now) const = 0;

  virtual SystemTime notBefore() const = 0;
  virtual SystemTime notAfter() const = 0;

  /// The policy in the credential's own certificate, where it has one: the server applies it with every
  /// command.
  virtual std::optional<Policy> ownPolicy() const = 0;

  /// A TLS 1.3 client that nothing is connected to yet, with a chain for one command: a leaf of its own with
  /// `command` in its extension and the CN `label` (absent: "."), an intermediate for each of `domains`
  /// (outermost first), then the credential's own chain. Valid from `backdate` before now (no server
  /// tolerates a notBefore in the future) to now + `lifetime`, an intermediate at least for the most of it.
  /// Errors as canIssue.
  virtual Result<SslPtr> prepare(const std::vector<Domain>& domains, const std::optional<std::string>& label,
                                 const Command& command, SystemTime now) const = 0;

  /// How far certificates are backdated for clocks that disagree (the protocol's web client takes the same).
  static constexpr std::chrono::seconds backdate{150};
  static constexpr std::chrono::seconds lifetime{300};
  /// So long may a certificate that was issued be kept before it is used, so that it is valid long enough.
  static constexpr std::chrono::seconds keptFor = lifetime / 5;
};

}  // namespace rookery::albatross
