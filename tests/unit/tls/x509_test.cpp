#include "tls/x509.h"

#include <gtest/gtest.h>
#include <openssl/asn1.h>

#include <string>

#include "tls/openssl.h"

namespace rookery::tls {
namespace {

CertificatePtr validFrom(const std::string& begin, const std::string& end) {
  CertificatePtr certificate(X509_new());
  EXPECT_EQ(ASN1_TIME_set_string(X509_getm_notBefore(certificate.get()), begin.c_str()), 1);
  EXPECT_EQ(ASN1_TIME_set_string(X509_getm_notAfter(certificate.get()), end.c_str()), 1);
  return certificate;
}

TEST(CertificateTimes, AreThoseThatItSays) {
  const auto certificate = validFrom("20260601120000Z", "20270601120000Z");
  EXPECT_EQ(dateOf(notBeforeOf(certificate.get())), "2026-06-01T12:00:00Z");
  EXPECT_EQ(dateOf(notAfterOf(certificate.get())), "2027-06-01T12:00:00Z");
}

TEST(CertificateTimes, AreTheNearestThatTheClockCanSay) {
  const auto certificate = validFrom("00010101000000Z", "99991231235959Z");
  EXPECT_LT(notBeforeOf(certificate.get()), SystemTime::min() + std::chrono::seconds(1));
  EXPECT_GT(notAfterOf(certificate.get()), SystemTime::max() - std::chrono::seconds(1));
}

}  // namespace
}  // namespace rookery::tls
