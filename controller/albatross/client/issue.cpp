#include "albatross/client/issue.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace rookery::albatross {

namespace {

/// An extension by its NID and its value as x509v3_config(5) has it.
using StandardExtension = std::pair<int, const char*>;

constexpr std::array<StandardExtension, 4> leafExtensions{{
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature,keyEncipherment"},
    {NID_ext_key_usage, "critical,clientAuth"},
    {NID_subject_key_identifier, "hash"},
}};

constexpr std::array<StandardExtension, 3> intermediateExtensions{{
    {NID_basic_constraints, "critical,CA:TRUE"},
    {NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature,nonRepudiation"},
    {NID_subject_key_identifier, "hash"},
}};

/// 126 random bits below a set one: positive, never zero, and within the 20 octets of RFC 5280, 4.1.2.2.
bool setSerial(X509* certificate) {
  const tls::Ptr<BIGNUM, BN_free> number(BN_new());
  return number != nullptr && BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool setNames(X509* certificate, const Issuer& issuer, std::string_view commonName) {
  const std::basic_string<unsigned char> bytes(commonName.begin(), commonName.end());
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                    bytes.data(), static_cast<int>(bytes.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, X509_get_subject_name(issuer.certificate)) == 1;
}

bool setValidity(X509* certificate, const CertificateContents& contents) {
  using std::chrono::system_clock;
  return ASN1_TIME_set(X509_getm_notBefore(certificate), system_clock::to_time_t(contents.notBefore)) !=
             nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), system_clock::to_time_t(contents.notAfter)) !=
             nullptr;
}

bool addExtension(X509* certificate, const tls::ExtensionPtr& extension) {
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool addStandardExtensions(X509* certificate, X509* issuer, std::span<const StandardExtension> extensions) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const auto add = [&](int nid, const char* value) {
    return addExtension(certificate, tls::ExtensionPtr(X509V3_EXT_nconf_nid(nullptr, &context, nid, value)));
  };
  for (const auto& [nid, value] : extensions) {
    if (!add(nid, value)) return false;
  }
  // An issuer made by other tools may lack the identifier that this one repeats.
  return X509_get0_subject_key_id(issuer) == nullptr || add(NID_authority_key_identifier, "keyid");
}

/// Not critical: a server refuses a critical extension that it does not know in the handshake already.
bool addCommand(X509* certificate, std::string_view der) {
  const tls::ObjectPtr oid(OBJ_txt2obj(commandOid, 1));
  const tls::OctetStringPtr value(ASN1_OCTET_STRING_new());
  return oid != nullptr && value != nullptr &&
         ASN1_STRING_set(value.get(), der.data(), static_cast<int>(der.size())) == 1 &&
         addExtension(certificate,
                      tls::ExtensionPtr(X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, value.get())));
}

/// The digest that is as strong as the key. Ed25519 signs without one.
const EVP_MD* digestFor(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) return nullptr;
  const int strength = EVP_PKEY_get_security_bits(key);
  if (strength >= 256) return EVP_sha512();
  return strength >= 192 ? EVP_sha384() : EVP_sha256();
}

}  // namespace

Result<tls::CertificatePtr> issueCertificate(const Issuer& issuer, EVP_PKEY* subjectKey,
                                             const CertificateContents& contents) {
  tls::CertificatePtr certificate(X509_new());
  X509* const raw = certificate.get();
  const std::span<const StandardExtension> extensions =
      contents.ca ? std::span<const StandardExtension>(intermediateExtensions) : leafExtensions;
  const bool issued =
      raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1 && setSerial(raw) &&
      setNames(raw, issuer, contents.commonName) && setValidity(raw, contents) &&
      X509_set_pubkey(raw, subjectKey) == 1 && addStandardExtensions(raw, issuer.certificate, extensions) &&
      addCommand(raw, contents.extension) && X509_sign(raw, issuer.key, digestFor(issuer.key)) > 0;
  if (!issued) {
    return fail(Reason::SystemError,
                fmt::format("The certificate for \"{}\" could not be issued: OpenSSL says {}.",
                            contents.commonName, tls::lastError()));
  }
  return certificate;
}

}  // namespace rookery::albatross
