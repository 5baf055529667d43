#include "albatross/client/certificate.h"

#include <gmock/gmock.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include <set>
#include <thread>

#include "fixtures/pki.h"
#include "tls/openssl.h"
#include "tls/x509.h"
#include "unit/albatross/client/tls_peer.h"

namespace rookery::albatross {
namespace {

using fixtures::Identity;
using fixtures::KeyType;
using fixtures::makeIdentity;
using std::chrono::hours;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const Command infoCommand = UnikernelCommand(unikernel::Info{});
const Policy policy{.cpuIDs = {0, 1}, .unikernels = 4, .memory = 1024, .block = 100, .bridges = {"br0"}};

/// Whole seconds, as certificates have them.
SystemTime wholeSecondsNow() { return std::chrono::floor<seconds>(std::chrono::system_clock::now()); }

const Identity& root() {
  static const Identity identity = makeIdentity({});
  return identity;
}

Identity admin(fixtures::CertificateSpec spec = {}, const Identity& issuer = root()) {
  if (spec.commonName == "cacert") spec.commonName = "admin";
  return makeIdentity(spec, &issuer);
}

Result<std::shared_ptr<const Credential>> load(const Identity& own,
                                               const std::string& ca = root().certificate) {
  return Credential::load({.ca = ca, .certificate = own.certificate, .privateKey = own.privateKey});
}

/// The chain that a client sends, leaf first. Not owned.
std::vector<X509*> sentBy(SSL* client) {
  std::vector<X509*> chain{SSL_get_certificate(client)};
  STACK_OF(X509)* rest = nullptr;
  SSL_get0_chain_certs(client, &rest);
  for (int i = 0; i < sk_X509_num(rest); ++i) chain.push_back(sk_X509_value(rest, i));
  return chain;
}

std::vector<std::string> namesIn(const std::vector<X509*>& chain) {
  std::vector<std::string> names;
  names.reserve(chain.size());
  for (const X509* certificate : chain) names.push_back(commonNameOf(certificate));
  return names;
}

/// What a server finds that trusts `ca` and checks a client's chain: "ok" or OpenSSL's error.
std::string verify(const std::vector<X509*>& chain, const Identity& ca) {
  const tls::BioPtr pem(BIO_new_mem_buf(ca.certificate.data(), static_cast<int>(ca.certificate.size())));
  const tls::CertificatePtr anchor(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
  const tls::StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), anchor.get());
  STACK_OF(X509)* rest = sk_X509_new_null();
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(rest, chain[i]);
  const tls::Ptr<X509_STORE_CTX, X509_STORE_CTX_free> verification(X509_STORE_CTX_new());
  X509_STORE_CTX_init(verification.get(), store.get(), chain.front(), rest);
  X509_STORE_CTX_set_default(verification.get(), "ssl_client");
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(verification.get()), X509_V_FLAG_X509_STRICT);
  X509_verify_cert(verification.get());
  sk_X509_free(rest);
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification.get()));
}

bool isCritical(const X509* certificate, int nid) {
  const int index = X509_get_ext_by_NID(certificate, nid, -1);
  return index >= 0 && X509_EXTENSION_get_critical(X509_get_ext(certificate, index)) == 1;
}

bool commandIsCritical(const X509* certificate) {
  const tls::ObjectPtr oid(OBJ_txt2obj(commandOid, 1));
  return X509_EXTENSION_get_critical(
             X509_get_ext(certificate, X509_get_ext_by_OBJ(certificate, oid.get(), -1))) == 1;
}

std::string serialOf(const X509* certificate) {
  const tls::Ptr<BIGNUM, BN_free> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  EXPECT_FALSE(BN_is_negative(number.get()) || BN_is_zero(number.get()));
  const tls::Ptr<char, [](char* text) { OPENSSL_free(text); }> hex(BN_bn2hex(number.get()));
  return hex.get();
}

std::string pemOf(EVP_PKEY* key, const char* passphrase) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(
      bio.get(), key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), passphrase,
      passphrase == nullptr ? 0 : static_cast<int>(std::strlen(passphrase)), nullptr, nullptr);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// -- Loading
// -------------------------------------------------------------------------------------------------------

struct BadPem {
  std::string what;
  Pem pem;
  std::vector<std::string> says;
  friend void PrintTo(const BadPem& test, std::ostream* out) { *out << test.what; }
};

class CredentialLoadRefuses : public testing::TestWithParam<BadPem> {};

TEST_P(CredentialLoadRefuses, AndSaysWhichAndWhy) {
  const auto credential = Credential::load(GetParam().pem);
  ASSERT_FALSE(credential.has_value());
  EXPECT_EQ(credential.error().reason, Reason::CredentialInvalid);
  for (const std::string& text : GetParam().says) EXPECT_THAT(credential.error().message, HasSubstr(text));
}

std::vector<BadPem> badPems() {
  const Identity own = admin();
  const Identity other = admin({.commonName = "other"});
  const Pem good{.ca = root().certificate, .certificate = own.certificate, .privateKey = own.privateKey};
  const auto with = [&](std::string Pem::* field, std::string value) {
    Pem pem = good;
    pem.*field = std::move(value);
    return pem;
  };
  const auto key = [](EVP_PKEY* generated, const char* passphrase = nullptr) {
    const tls::KeyPtr owned(generated);
    return pemOf(owned.get(), passphrase);
  };
  std::string damaged = own.certificate;
  damaged.replace(damaged.size() / 2, 8, "!!!!!!!!");
  constexpr auto ca = &Pem::ca;
  constexpr auto certificate = &Pem::certificate;
  constexpr auto privateKey = &Pem::privateKey;
  return {
      {"noCa", with(ca, ""), {"CA", "holds no PEM certificate"}},
      {"keyAsCa", with(ca, own.privateKey), {"CA", "holds no PEM certificate"}},
      {"noCertificate", with(certificate, "hello"), {"certificate", "holds no PEM certificate"}},
      {"damagedCertificate", with(certificate, own.certificate + damaged), {"certificate", "number 2"}},
      {"wrongOrder",
       with(certificate, own.certificate + other.certificate),
       {"CN=admin", "CN=other", "did not issue"}},
      {"noKey", with(privateKey, own.certificate), {"private key", "holds no PEM private key"}},
      {"otherKey", with(privateKey, other.privateKey), {"does not belong", "CN=admin"}},
      {"encryptedKey",
       with(privateKey, key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), "secret")),
       {"encrypted"}},
      {"ed448",
       with(privateKey, key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"))),
       {"ED448", "use Ed25519"}},
      {"secp256k1",
       with(privateKey, key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "secp256k1"))),
       {"secp256k1", "P-256"}},
      {"smallRsa", with(privateKey, key(EVP_RSA_gen(1024))), {"RSA-1024", "2048"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Pem, CredentialLoadRefuses, testing::ValuesIn(badPems()),
                         [](const auto& test) { return test.param.what; });

/// What editors, converters and git make of PEM files.
std::vector<BadPem> mistakenPems() {
  const Identity own = admin();
  const Pem good{.ca = root().certificate, .certificate = own.certificate, .privateKey = own.privateKey};
  const auto utf16 = [](const std::string& text) {
    std::string wide = "\xff\xfe";
    for (const char c : text) wide += {c, '\0'};
    return wide;
  };
  const auto derOf = [](const std::string& pem) {
    const tls::BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    char *name = nullptr, *header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    PEM_read_bio(bio.get(), &name, &header, &data, &size);
    std::string der(data, data + size);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    return der;
  };
  const auto conflict = [](const std::string& text) {
    return "<<<<<<< HEAD\n" + text + "=======\n" + text + ">>>>>>> theirs\n";
  };
  struct Part {
    std::string name, says;
    std::string Pem::* field;
    std::string tool;
  };
  std::vector<BadPem> all;
  for (const auto& [name, says, field, tool] :
       {Part{"Ca", "CA", &Pem::ca, "x509"},
        Part{"Certificate", "credential's certificate", &Pem::certificate, "x509"},
        Part{"PrivateKey", "private key", &Pem::privateKey, "pkey"}}) {
    const auto with = [&, at = field](std::string text) {
      Pem pem = good;
      pem.*at = std::move(text);
      return pem;
    };
    const std::string text = good.*field;
    all.push_back({"utf16" + name, with(utf16(text)), {says, "UTF-16"}});
    all.push_back({"utf16WithoutMark" + name, with(utf16(text).substr(2)), {says, "UTF-16"}});
    all.push_back({"byteOrderMark" + name, with("\xef\xbb\xbf" + text), {says, "byte order mark"}});
    all.push_back({"der" + name, with(derOf(text)), {says, "is DER", "openssl " + tool + " -inform DER"}});
    all.push_back({"conflict" + name, with(conflict(text)), {says, "merge conflict"}});
    all.push_back({"conflictBelow" + name, with(text + conflict(text)), {says, "merge conflict"}});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Mistaken, CredentialLoadRefuses, testing::ValuesIn(mistakenPems()),
                         [](const auto& test) { return test.param.what; });

TEST(CredentialLoad, ReadsTraditionalKeys) {
  const Identity own = admin({.keyType = KeyType::P256});
  const tls::BioPtr in(BIO_new_mem_buf(own.privateKey.data(), static_cast<int>(own.privateKey.size())));
  const tls::KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  const tls::BioPtr out(BIO_new(BIO_s_mem()));
  ASSERT_EQ(PEM_write_bio_PrivateKey_traditional(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr),
            1);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  const std::string pem(data, static_cast<std::size_t>(size));
  ASSERT_THAT(pem, HasSubstr("BEGIN EC PRIVATE KEY"));
  EXPECT_TRUE(load({.certificate = own.certificate, .privateKey = pem}).has_value());
}

TEST(CredentialLoad, TellsValidity) {
  const SystemTime from = wholeSecondsNow() - hours(2);
  const SystemTime until = wholeSecondsNow() + hours(3);
  const auto credential = load(admin({.notBefore = from, .notAfter = until}));
  ASSERT_TRUE(credential.has_value());
  EXPECT_EQ((*credential)->notBefore(), from);
  EXPECT_EQ((*credential)->notAfter(), until);
}

TEST(CredentialLoad, TellsTheOwnPolicy) {
  const auto with = load(admin({.policy = policy}));
  const auto without = load(admin());
  ASSERT_TRUE(with.has_value());
  ASSERT_TRUE(without.has_value());
  EXPECT_EQ((*with)->ownPolicy(), policy);
  EXPECT_EQ((*without)->ownPolicy(), std::nullopt);
}

// -- Issuing
// -------------------------------------------------------------------------------------------------------

struct IssuerKey {
  KeyType type;
  int signature;  // NID of the algorithm that it signs with
};

class EachKeyType : public testing::TestWithParam<IssuerKey> {};

TEST_P(EachKeyType, IssuesAChainThatVerifies) {
  const auto credential = load(admin({.keyType = GetParam().type}));
  ASSERT_TRUE(credential.has_value()) << credential.error().message;
  const auto client =
      (*credential)->prepare({{"shop", policy}}, "web", infoCommand, std::chrono::system_clock::now());
  ASSERT_TRUE(client.has_value()) << client.error().message;
  const std::vector<X509*> chain = sentBy(client->get());
  EXPECT_THAT(namesIn(chain), ElementsAre("web", "shop", "admin"));
  EXPECT_EQ(verify(chain, root()), "ok");
  const EVP_PKEY* ownKey = X509_get0_pubkey(chain[2]);
  for (const X509* issued : {chain[0], chain[1]}) {
    const EVP_PKEY* key = X509_get0_pubkey(issued);
    EXPECT_EQ(EVP_PKEY_get_base_id(key), EVP_PKEY_get_base_id(ownKey));
    EXPECT_EQ(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(ownKey));
    EXPECT_NE(EVP_PKEY_eq(key, ownKey), 1);
    EXPECT_EQ(X509_get_signature_nid(issued), GetParam().signature);
  }
  EXPECT_NE(EVP_PKEY_eq(X509_get0_pubkey(chain[0]), X509_get0_pubkey(chain[1])), 1);
}

INSTANTIATE_TEST_SUITE_P(Issuer, EachKeyType,
                         testing::Values(IssuerKey{KeyType::Ed25519, NID_ED25519},
                                         IssuerKey{KeyType::P256, NID_ecdsa_with_SHA256},
                                         IssuerKey{KeyType::P384, NID_ecdsa_with_SHA384},
                                         IssuerKey{KeyType::P521, NID_ecdsa_with_SHA512},
                                         IssuerKey{KeyType::Rsa2048, NID_sha256WithRSAEncryption}));

class PreparedClient : public testing::Test {
 protected:
  SslPtr prepare(const std::vector<Domain>& domains = {}, std::optional<std::string> label = {},
                 const Command& command = infoCommand) {
    auto made = credential_->prepare(domains, label, command, now_);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? *std::move(made) : nullptr;
  }

  const SystemTime now_ = wholeSecondsNow();
  const std::shared_ptr<const Credential> credential_ = *load(admin());
};

TEST_F(PreparedClient, PutsTheCommandIntoALeafForClientsOnly) {
  Arguments arguments;
  arguments.memory = 64;
  const Command command = UnikernelCommand(unikernel::Restart{arguments});
  const auto made = prepare({}, "Web.1", command);
  X509* const leaf = SSL_get_certificate(made.get());
  EXPECT_EQ(commonNameOf(leaf), "web.1");
  EXPECT_EQ(X509_get_version(leaf), X509_VERSION_3);
  EXPECT_EQ(extensionIn(leaf), encodeExtension(command));
  EXPECT_FALSE(commandIsCritical(leaf));
  EXPECT_EQ(X509_get_key_usage(leaf),
            std::uint32_t{X509v3_KU_DIGITAL_SIGNATURE | X509v3_KU_KEY_ENCIPHERMENT});
  EXPECT_EQ(X509_get_extended_key_usage(leaf), std::uint32_t{XKU_SSL_CLIENT});
  EXPECT_EQ(X509_get_extension_flags(leaf) & EXFLAG_CA, 0U);
  for (const int nid : {NID_key_usage, NID_ext_key_usage, NID_basic_constraints})
    EXPECT_TRUE(isCritical(leaf, nid));
  EXPECT_NE(X509_get0_subject_key_id(leaf), nullptr);
  EXPECT_NE(X509_get0_authority_key_id(leaf), nullptr);
}

TEST_F(PreparedClient, PutsEachDomainsPolicyIntoAnIntermediate) {
  Policy inner = policy;
  inner.unikernels = 1;
  const auto made = prepare({{"shop", policy}, {"eu", inner}}, {});
  const std::vector<X509*> chain = sentBy(made.get());
  ASSERT_THAT(namesIn(chain), ElementsAre(".", "eu", "shop", "admin"));
  const PolicyCommand addInner = policy::Add{inner};
  const PolicyCommand addOuter = policy::Add{policy};
  EXPECT_EQ(extensionIn(chain[1]), encodeExtension(addInner));
  EXPECT_EQ(extensionIn(chain[2]), encodeExtension(addOuter));
  for (X509* const intermediate : {chain[1], chain[2]}) {
    EXPECT_FALSE(commandIsCritical(intermediate));
    EXPECT_EQ(X509_get_key_usage(intermediate),
              std::uint32_t{X509v3_KU_KEY_CERT_SIGN | X509v3_KU_CRL_SIGN | X509v3_KU_DIGITAL_SIGNATURE |
                            X509v3_KU_NON_REPUDIATION});
    EXPECT_EQ(X509_get_extension_flags(intermediate) & EXFLAG_CA, std::uint32_t{EXFLAG_CA});
  }
  EXPECT_EQ(verify(chain, root()), "ok");
}

TEST_F(PreparedClient, BackdatesForClocksThatDisagree) {
  const auto made = prepare({{"shop", policy}}, "web");
  for (const X509* certificate : {sentBy(made.get())[0], sentBy(made.get())[1]}) {
    EXPECT_EQ(tls::notBeforeOf(certificate), now_ - seconds(150));
    EXPECT_EQ(tls::notAfterOf(certificate), now_ + seconds(300));
  }
}

TEST_F(PreparedClient, StaysWithinTheIssuersValidity) {
  const auto credential = load(admin({.notBefore = now_ - seconds(10), .notAfter = now_ + seconds(20)}));
  ASSERT_TRUE(credential.has_value());
  const auto made = (*credential)->prepare({}, {}, infoCommand, now_);
  ASSERT_TRUE(made.has_value());
  const X509* leaf = SSL_get_certificate(made->get());
  EXPECT_EQ(tls::notBeforeOf(leaf), now_ - seconds(10));
  EXPECT_EQ(tls::notAfterOf(leaf), now_ + seconds(20));
}

TEST_F(PreparedClient, ReusesKeysButNeverALeaf) {
  std::set<std::string> leaves, intermediates, keys;
  for (int i = 0; i < 3; ++i) {
    const auto made = prepare({{"shop", policy}}, "web");
    const std::vector<X509*> chain = sentBy(made.get());
    leaves.insert(serialOf(chain[0]));
    intermediates.insert(serialOf(chain[1]));
    for (const X509* issued : {chain[0], chain[1]}) keys.insert(tls::keyFingerprintOf(issued));
  }
  EXPECT_EQ(leaves.size(), 3U);
  EXPECT_EQ(intermediates.size(), 1U);
  EXPECT_EQ(keys.size(), 2U);
}

TEST_F(PreparedClient, IssuesAnotherIntermediateForAnotherPolicyOrTime) {
  const auto serialWith = [&](const std::vector<Domain>& domains, seconds later) {
    const auto made = credential_->prepare(domains, "web", infoCommand, now_ + later);
    EXPECT_TRUE(made.has_value());
    return serialOf(sentBy(made->get())[1]);
  };
  Policy wider = policy;
  ++wider.unikernels;
  const std::string first = serialWith({{"shop", policy}}, seconds(0));
  EXPECT_EQ(serialWith({{"shop", policy}}, seconds(60)), first);
  EXPECT_NE(serialWith({{"shop", wider}}, seconds(60)), first);
  EXPECT_NE(serialWith({{"cart", policy}}, seconds(60)), first);
  EXPECT_NE(serialWith({{"cart", policy}, {"shop", policy}}, seconds(60)), first);
  EXPECT_NE(serialWith({{"shop", policy}}, seconds(61)), first) << "it is not valid for ever";
  EXPECT_NE(serialWith({{"shop", policy}}, seconds(-1)), first) << "the clock was set back";
}

TEST_F(PreparedClient, VerifiesWhereNamesRepeat) {
  const auto made = prepare({{"admin", policy}, {"admin", policy}}, "admin");
  EXPECT_EQ(verify(sentBy(made.get()), root()), "ok");
}

TEST_F(PreparedClient, IsMadeFromSeveralThreads) {
  std::set<std::string> keys;
  std::mutex mutex;
  const auto issue = [&] {
    const auto made = credential_->prepare({{"shop", policy}}, "web", infoCommand, now_);
    const std::lock_guard lock(mutex);
    if (made) keys.insert(tls::keyFingerprintOf(SSL_get_certificate(made->get())));
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(issue);
  }
  EXPECT_EQ(keys.size(), 1U);
}

TEST_F(PreparedClient, RefusesWhatIsNoLabel) {
  for (const auto& [domain, label] :
       {std::pair{"shop_1", "web"}, std::pair{"shop", "web_1"}, std::pair{"shop", ""}}) {
    const auto made = credential_->prepare({{domain, policy}}, label, infoCommand, now_);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().reason, Reason::InvalidManifest);
  }
}

TEST(CredentialChain, LeavesOutTheRootOnly) {
  const Identity middle = admin({.commonName = "middle"});
  const Identity own = admin({}, middle);
  const SystemTime now = std::chrono::system_clock::now();
  const std::string withMiddle = own.certificate + middle.certificate;
  const auto names = [&](const std::string& certificate, const Identity& identity) {
    const auto credential = load({.certificate = certificate, .privateKey = identity.privateKey});
    EXPECT_TRUE(credential.has_value());
    const auto client = (*credential)->prepare({}, "web", infoCommand, now);
    EXPECT_TRUE(client.has_value());
    EXPECT_EQ(verify(sentBy(client->get()), root()), "ok");
    return namesIn(sentBy(client->get()));
  };
  EXPECT_THAT(names(withMiddle, own), ElementsAre("web", "admin", "middle"));
  EXPECT_THAT(names(withMiddle + root().certificate, own), ElementsAre("web", "admin", "middle"));
  EXPECT_THAT(names(root().certificate, root()), ElementsAre("web"));
}

// -- What has to hold
// ----------------------------------------------------------------------------------------------

struct Issue {
  std::string what;
  fixtures::CertificateSpec spec;
  std::size_t depth;
  std::optional<Reason> reason;  // none: it can
  std::string says = "";
  friend void PrintTo(const Issue& test, std::ostream* out) { *out << test.what; }
};

class CredentialCanIssue : public testing::TestWithParam<Issue> {};

TEST_P(CredentialCanIssue, OrSaysWhyNot) {
  const auto credential = load(admin(GetParam().spec));
  ASSERT_TRUE(credential.has_value()) << credential.error().message;
  const SystemTime now = std::chrono::system_clock::now();
  const auto can = (*credential)->canIssue(GetParam().depth, now);
  EXPECT_EQ(can.has_value(), !GetParam().reason);
  if (can || !GetParam().reason) return;
  EXPECT_EQ(can.error().reason, *GetParam().reason);
  EXPECT_THAT(can.error().message, AllOf(HasSubstr("CN=admin"), HasSubstr(GetParam().says)));
  const std::vector<Domain> domains(GetParam().depth, Domain{"shop", policy});
  const auto client = (*credential)->prepare(domains, {}, infoCommand, now);
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error(), can.error());
}

const SystemTime longAgo{std::chrono::sys_days(std::chrono::year(2020) / 1 / 2)};
const SystemTime farAhead{std::chrono::sys_days(std::chrono::year(2200) / 3 / 4)};

INSTANTIATE_TEST_SUITE_P(
    Credential, CredentialCanIssue,
    testing::Values(
        Issue{"aCa", {}, 1, {}}, Issue{"aDeepDomain", {}, 7, {}},
        Issue{"aLeaf", {.ca = false}, 0, Reason::CredentialCannotIssue, "not a CA"},
        Issue{"noKeyCertSign", {.keyCertSign = false}, 0, Reason::CredentialCannotIssue, "keyCertSign"},
        Issue{"leafsAtPathLength0", {.pathLength = 0}, 0, {}},
        Issue{"noDomainAtPathLength0", {.pathLength = 0}, 1, Reason::CredentialCannotIssue, "allows 0 CAs"},
        Issue{"domainAtPathLength1", {.pathLength = 1}, 1, {}},
        Issue{"expired",
              {.notBefore = longAgo - hours(1), .notAfter = longAgo},
              0,
              Reason::CredentialExpired,
              "expired at 2020-01-02T00:00:00Z"},
        Issue{"notYetValid",
              {.notBefore = farAhead, .notAfter = farAhead + hours(1)},
              0,
              Reason::CredentialNotYetValid,
              "valid only from 2200-03-04T00:00:00Z"}),
    [](const auto& test) { return test.param.what; });

TEST(CredentialCanIssueAbove, CountsThePathLengthOfItsIssuers) {
  const Identity middle = admin({.commonName = "middle", .pathLength = 1});
  const Identity own = admin({}, middle);
  const auto credential =
      load({.certificate = own.certificate + middle.certificate, .privateKey = own.privateKey});
  ASSERT_TRUE(credential.has_value());
  const SystemTime now = std::chrono::system_clock::now();
  EXPECT_TRUE((*credential)->canIssue(0, now).has_value());
  const auto deeper = (*credential)->canIssue(1, now);
  ASSERT_FALSE(deeper.has_value());
  EXPECT_EQ(deeper.error().reason, Reason::CredentialCannotIssue);
  EXPECT_THAT(deeper.error().message, AllOf(HasSubstr("CN=middle"), HasSubstr("allows 1 CAs")));
}

TEST(CredentialCanIssueAbove, KeepsTheChainBelowTen) {
  const auto credential = load(admin());
  ASSERT_TRUE(credential.has_value());
  const auto tooDeep = (*credential)->canIssue(8, std::chrono::system_clock::now());
  ASSERT_FALSE(tooDeep.has_value());
  EXPECT_EQ(tooDeep.error().reason, Reason::CredentialCannotIssue);
  EXPECT_THAT(tooDeep.error().message, HasSubstr("10 certificates"));
}

}  // namespace
}  // namespace rookery::albatross
