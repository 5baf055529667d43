#include "albatross/client/certificate.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <span>
#include <utility>

#include "albatross/client/issue.h"
#include "tls/pem.h"
#include "tls/x509.h"

namespace rookery::albatross {

namespace {

/// A server refuses a chain of ten certificates, the leaf included.
constexpr std::size_t maximalChain = 9;

using Certificates = std::vector<tls::CertificatePtr>;

/// The policy that a certificate carries. A command other than `policy add` in a CA means nothing to a
/// server.
Result<std::optional<Policy>> policyIn(X509* certificate) {
  const tls::ObjectPtr oid(OBJ_txt2obj(commandOid, 1));
  const int index = X509_get_ext_by_OBJ(certificate, oid.get(), -1);
  if (index < 0) return std::nullopt;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate, index));
  const std::span bytes(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value)));
  const auto command = decodeExtension(std::string(bytes.begin(), bytes.end()));
  if (!command) {
    return fail(
        Reason::CredentialInvalid,
        fmt::format("The credential's certificate {} has an Albatross extension that no server will take: {}",
                    tls::subjectOf(certificate), command.error().message));
  }
  const auto* policyCommand = std::get_if<PolicyCommand>(&*command);
  const auto* add = policyCommand == nullptr ? nullptr : std::get_if<policy::Add>(policyCommand);
  return add == nullptr ? std::nullopt : std::optional(add->policy);
}

Result<void> checkOrder(const Certificates& chain) {
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (X509_check_issued(chain[i].get(), chain[i - 1].get()) == X509_V_OK) continue;
    return fail(
        Reason::CredentialInvalid,
        fmt::format("In the credential's certificate, {} is followed by {}, which did not issue it; put the "
                    "credential's own certificate first, then each one's issuer.",
                    tls::subjectOf(chain[i - 1].get()), tls::subjectOf(chain[i].get())));
  }
  return {};
}

Result<tls::StorePtr> makeStore(const Certificates& anchors) {
  tls::StorePtr store(X509_STORE_new());
  for (const tls::CertificatePtr& anchor : anchors) {
    if (store == nullptr || X509_STORE_add_cert(store.get(), anchor.get()) != 1) {
      return fail(Reason::CredentialInvalid,
                  fmt::format("The credential's CA {} cannot be used: OpenSSL says {}.",
                              tls::subjectOf(anchor.get()), tls::lastError()));
    }
  }
  return store;
}

Result<void> checkValidity(X509* certificate, SystemTime now) {
  const SystemTime from = tls::notBeforeOf(certificate);
  const SystemTime until = tls::notAfterOf(certificate);
  if (now < from) {
    return fail(
        Reason::CredentialNotYetValid,
        fmt::format("The credential's certificate {} is valid only from {} and it is {} now; check this "
                    "machine's clock.",
                    tls::subjectOf(certificate), tls::dateOf(from), tls::dateOf(now)));
  }
  if (now > until) {
    return fail(
        Reason::CredentialExpired,
        fmt::format("The credential's certificate {} expired at {} and it is {} now; have it renewed.",
                    tls::subjectOf(certificate), tls::dateOf(until), tls::dateOf(now)));
  }
  return {};
}

/// `below`: how many CAs follow this one in the chain.
Result<void> checkAuthority(X509* certificate, std::size_t below) {
  const auto cannot = [&](std::string_view why) {
    return fail(
        Reason::CredentialCannotIssue,
        fmt::format("The credential's certificate {} cannot issue the certificates that carry commands: {}.",
                    tls::subjectOf(certificate), why));
  };
  if ((X509_get_extension_flags(certificate) & EXFLAG_CA) == 0) {
    return cannot("it is not a CA (basicConstraints CA:TRUE)");
  }
  if ((X509_get_key_usage(certificate) & X509v3_KU_KEY_CERT_SIGN) == 0) {
    return cannot("its key usage lacks keyCertSign");
  }
  const long pathLength = X509_get_pathlen(certificate);
  if (pathLength >= 0 && std::cmp_less(pathLength, below)) {
    return cannot(fmt::format("its path length allows {} CAs below it and {} are needed", pathLength, below));
  }
  return {};
}

using ContextPtr = tls::Ptr<SSL_CTX, SSL_CTX_free>;

bool configure(SSL_CTX* context, X509_STORE* anchors) {
  SSL_CTX_set1_cert_store(context, anchors);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // OpenSSL would complete an empty chain from the trust anchors, and so send the root.
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  // The given CA is the anchor, also where it is not itself a root.
  return X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
         SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}

Result<ContextPtr> makeContext(const Certificates& anchors) {
  const auto store = makeStore(anchors);
  if (!store) return std::unexpected(store.error());
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (context != nullptr && configure(context.get(), store->get())) return context;
  return fail(Reason::SystemError,
              fmt::format("No TLS context could be made: OpenSSL says {}.", tls::lastError()));
}

class PemCredential final : public Credential {
 public:
  PemCredential(Certificates chain, tls::KeyPtr key, ContextPtr context, std::optional<Policy> ownPolicy)
      : chain_(std::move(chain)),
        rootIsLast_(X509_self_signed(chain_.back().get(), 0) == 1),
        key_(std::move(key)),
        context_(std::move(context)),
        ownPolicy_(std::move(ownPolicy)) {}

  Result<void> canIssue(std::size_t depth, SystemTime now) const override {
    const std::size_t length = 1 + depth + sent().size();
    if (length > maximalChain) {
      return fail(
          Reason::CredentialCannotIssue,
          fmt::format("A command there needs a chain of {} certificates below the CA; a server takes {}.",
                      length, maximalChain));
    }
    for (std::size_t i = 0; i < chain_.size(); ++i) {
      if (auto valid = checkValidity(chain_[i].get(), now); !valid) return valid;
      if (auto authority = checkAuthority(chain_[i].get(), depth + i); !authority) return authority;
    }
    return {};
  }

  SystemTime notBefore() const override { return tls::notBeforeOf(own()); }
  SystemTime notAfter() const override { return tls::notAfterOf(own()); }
  std::optional<Policy> ownPolicy() const override { return ownPolicy_; }

  Result<SslPtr> prepare(const std::vector<Domain>& domains, const std::optional<std::string>& label,
                         const Command& command, SystemTime now) const override {
    if (auto can = canIssue(domains.size(), now); !can) return std::unexpected(can.error());
    auto issued = intermediates(domains, now);
    if (!issued) return std::unexpected(issued.error());
    auto leaf = issueLeaf(label, command, *issued, now);
    if (!leaf) return std::unexpected(leaf.error());
    return makeClient(leaf->get(), *issued);
  }

 private:
  X509* own() const { return chain_.front().get(); }

  /// What of the chain travels: the server has the root.
  std::span<const tls::CertificatePtr> sent() const {
    return std::span(chain_).first(chain_.size() - (rootIsLast_ ? 1 : 0));
  }

  /// Below the credential's own certificate, outermost first. They say nothing of the command, so those of
  /// the same domains with the same policies are good for a while.
  Result<Certificates> intermediates(const std::vector<Domain>& domains, SystemTime now) const {
    if (domains.empty()) return Certificates{};
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(kept_,
                    [&](const Kept& kept) { return now < kept.issued || now - kept.issued > keptFor; });
      const auto known = std::ranges::find(kept_, domains, &Kept::domains);
      if (known != kept_.end()) return copyOf(known->chain);
    }
    Certificates issued;
    for (const Domain& domain : domains) {
      auto intermediate = issueIntermediate(domain, issued, now);
      if (!intermediate) return std::unexpected(intermediate.error());
      issued.push_back(std::move(*intermediate));
    }
    const std::lock_guard lock(mutex_);
    if (kept_.size() >= mostKept) kept_.pop_front();
    kept_.push_back({domains, copyOf(issued), now});
    return issued;
  }

  static Certificates copyOf(const Certificates& certificates) {
    Certificates copy;
    for (const tls::CertificatePtr& certificate : certificates) {
      X509_up_ref(certificate.get());
      copy.emplace_back(certificate.get());
    }
    return copy;
  }

  Result<tls::CertificatePtr> issueIntermediate(const Domain& domain, const Certificates& above,
                                                SystemTime now) const {
    auto label = parseLabel(domain.label);
    if (!label) return std::unexpected(label.error());
    const PolicyCommand add = policy::Add{domain.policy};
    return issue({.commonName = std::move(*label), .ca = true, .extension = encodeExtension(add)},
                 above.size() + 1, above, now);
  }

  Result<tls::CertificatePtr> issueLeaf(const std::optional<std::string>& name, const Command& command,
                                        const Certificates& above, SystemTime now) const {
    Result<std::string> label = name ? parseLabel(*name) : Result<std::string>(".");
    if (!label) return std::unexpected(label.error());
    return issue({.commonName = std::move(*label), .ca = false, .extension = encodeExtension(command)}, 0,
                 above, now);
  }

  /// Issues below the last of `above`, or below the credential's own certificate; the key is number
  /// `keyIndex`.
  Result<tls::CertificatePtr> issue(CertificateContents contents, std::size_t keyIndex,
                                    const Certificates& above, SystemTime now) const {
    auto subjectKey = generatedKey(keyIndex);
    if (!subjectKey) return std::unexpected(subjectKey.error());
    Issuer issuer{.certificate = own(), .key = key_.get()};
    if (!above.empty()) {
      auto issuerKey = generatedKey(above.size());
      if (!issuerKey) return std::unexpected(issuerKey.error());
      issuer = {.certificate = above.back().get(), .key = *issuerKey};
    }
    contents.notBefore = std::max(now - backdate, notBefore());
    contents.notAfter = std::min(now + lifetime, notAfter());
    return issueCertificate(issuer, *subjectKey, contents);
  }

  /// The key of the leaf (0) or of the intermediate at a depth (from 1), of the same algorithm as the
  /// credential's. Each position has its own, so that an intermediate never looks self-signed below a
  /// namesake. RSA keys have 2048 bits: enough for certificates that live for minutes.
  Result<EVP_PKEY*> generatedKey(std::size_t index) const {
    const std::lock_guard lock(mutex_);
    tls::KeyPtr& key = generated_.at(index);
    if (key != nullptr) return key.get();
    const tls::Ptr<EVP_PKEY_CTX, EVP_PKEY_CTX_free> generator(EVP_PKEY_CTX_new(key_.get(), nullptr));
    EVP_PKEY* generated = nullptr;
    if (generator == nullptr || EVP_PKEY_keygen_init(generator.get()) != 1 ||
        EVP_PKEY_generate(generator.get(), &generated) != 1) {
      return fail(Reason::SystemError,
                  fmt::format("No key could be generated: OpenSSL says {}.", tls::lastError()));
    }
    key.reset(generated);
    return generated;
  }

  Result<SslPtr> makeClient(X509* leaf, const Certificates& issued) const {
    auto leafKey = generatedKey(0);
    if (!leafKey) return std::unexpected(leafKey.error());
    SslPtr client(SSL_new(context_.get()));
    if (client == nullptr || SSL_use_certificate(client.get(), leaf) != 1 ||
        SSL_use_PrivateKey(client.get(), *leafKey) != 1 || !addChain(client.get(), issued)) {
      return fail(Reason::SystemError,
                  fmt::format("No TLS client could be made: OpenSSL says {}.", tls::lastError()));
    }
    return client;
  }

  bool addChain(SSL* client, const Certificates& issued) const {
    const auto add = [&](const tls::CertificatePtr& certificate) {
      return SSL_add1_chain_cert(client, certificate.get()) == 1;
    };
    return std::all_of(issued.rbegin(), issued.rend(), add) && std::ranges::all_of(sent(), add);
  }

  const Certificates chain_;  // the credential's own certificate first; never empty
  const bool rootIsLast_;
  const tls::KeyPtr key_;
  const ContextPtr context_;  // of what all clients have in common
  const std::optional<Policy> ownPolicy_;
  mutable std::mutex mutex_;                                 // guards all that follows
  mutable std::array<tls::KeyPtr, maximalChain> generated_;  // an entry never changes once set
  struct Kept {
    std::vector<Domain> domains;
    Certificates chain;
    SystemTime issued;
  };
  static constexpr std::size_t mostKept = 64;
  mutable std::deque<Kept> kept_;
};

}  // namespace

void FreeSsl::operator()(SSL* client) const { SSL_free(client); }

Result<std::shared_ptr<const Credential>> Credential::load(const Pem& pem) {
  auto anchors = tls::readCertificates(pem.ca, "credential's CA");
  if (!anchors) return std::unexpected(anchors.error());
  auto chain = tls::readCertificates(pem.certificate, "credential's certificate");
  if (!chain) return std::unexpected(chain.error());
  auto key = tls::readPrivateKey(pem.privateKey, "credential's private key");
  if (!key) return std::unexpected(key.error());
  if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
    ERR_clear_error();
    return fail(Reason::CredentialInvalid,
                fmt::format("The credential's private key does not belong to its certificate {}.",
                            tls::subjectOf(chain->front().get())));
  }
  if (auto ordered = checkOrder(*chain); !ordered) return std::unexpected(ordered.error());
  auto context = makeContext(*anchors);
  if (!context) return std::unexpected(context.error());
  auto ownPolicy = policyIn(chain->front().get());
  if (!ownPolicy) return std::unexpected(ownPolicy.error());
  return std::make_shared<PemCredential>(std::move(*chain), std::move(*key), std::move(*context),
                                         std::move(*ownPolicy));
}

}  // namespace rookery::albatross
