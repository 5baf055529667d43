// Certificates that a server, a client or a file gives, in DER or PEM; and keys.

#include "fuzz/target.h"
#include "text.h"
#include "tls/pem.h"
#include "tls/x509.h"

namespace rookery::fuzz {
namespace {

void expectDescribed(const X509* certificate) {
  const std::string subject = tls::subjectOf(certificate);
  check(visible(subject) == subject, "what a certificate says is visible");
  for (const tls::SystemTime time : {tls::notBeforeOf(certificate), tls::notAfterOf(certificate)})
    check(tls::dateOf(time).size() == std::string_view("2026-06-01T12:00:00Z").size(), "a time is a date");
  check(tls::keyFingerprintOf(certificate).size() == 64, "a key has a fingerprint");
}

const Target certificate("certificate", [](std::string_view input) {
  const auto* der = reinterpret_cast<const unsigned char*>(input.data());
  if (const tls::CertificatePtr read(d2i_X509(nullptr, &der, static_cast<long>(input.size())));
      read != nullptr)
    expectDescribed(read.get());
  if (const auto chain = tls::readCertificates(input, "the chain")) {
    check(!chain->empty(), "a chain has a certificate");
    for (const auto& each : *chain) expectDescribed(each.get());
  }
  // OpenSSL takes longest to see that something is no key.
  if (!input.contains("PRIVATE KEY-----")) return;
  if (const auto key = tls::readPrivateKey(input, "the key"); !key)
    check(!key.error().message.empty(), "an error says what is wrong");
});

}  // namespace
}  // namespace rookery::fuzz
