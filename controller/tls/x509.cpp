#include "tls/x509.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "error.h"
#include "text.h"
#include "tls/openssl.h"

namespace rookery::tls {

namespace {

SystemTime timeOf(const ASN1_TIME* time) {
  using std::chrono::seconds;
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return SystemTime{};
  return std::clamp(std::chrono::sys_seconds(seconds(::timegm(&fields))),
                    std::chrono::ceil<seconds>(SystemTime::min()),
                    std::chrono::floor<seconds>(SystemTime::max()));
}

}  // namespace

std::string subjectOf(const X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return visible({data, static_cast<std::size_t>(size)}, longestForeignText);
}

SystemTime notBeforeOf(const X509* certificate) { return timeOf(X509_get0_notBefore(certificate)); }

SystemTime notAfterOf(const X509* certificate) { return timeOf(X509_get0_notAfter(certificate)); }

std::string dateOf(SystemTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string keyFingerprintOf(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  check(size > 0, "the public key of a parsed certificate can be encoded");
  std::array<unsigned char, 32> digest{};
  EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

}  // namespace rookery::tls
