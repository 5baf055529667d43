#include "tls/pem.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>

namespace rookery::tls {

namespace {

constexpr int minimalRsaBits = 2048;

BioPtr reader(std::string_view pem) {
  const std::size_t size = std::min<std::size_t>(pem.size(), std::numeric_limits<int>::max());
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(size)));
}

/// True at the end of a PEM text: there is no further block.
bool nothingLeft() {
  const unsigned long code = ERR_peek_last_error();
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

bool startsLine(std::string_view text, std::string_view line) {
  return text.starts_with(line) || text.find("\n" + std::string(line)) != std::string_view::npos;
}

/// Whether it begins as a DER file of that size does: a SEQUENCE (X.690, section 8.1.3).
bool isSequence(std::string_view bytes) {
  if (bytes.size() < 2 || bytes[0] != '\x30') return false;
  const auto length = static_cast<unsigned char>(bytes[1]);
  return length < 0x80 ? bytes.size() == length + std::size_t{2} : length >= 0x81 && length <= 0x83;
}

/// What a text is that was meant to be PEM, as the rest of a sentence about it with what to do; empty: PEM,
/// as far as can be seen. OpenSSL would find no PEM in it, or only half of what it holds. `tool` is that of
/// openssl's which reads what it should be.
std::string mistakenFor(std::string_view text, std::string_view tool) {
  using namespace std::string_view_literals;
  const bool utf16 = text.starts_with("\xff\xfe"sv) || text.starts_with("\xfe\xff"sv) ||
                     text.starts_with("-\0-\0"sv) || text.starts_with("\0-\0-"sv);
  if (utf16) return "is UTF-16 text; save it as UTF-8 or ASCII";
  if (text.starts_with("\xef\xbb\xbf"sv))
    return "begins with a byte order mark, which hides its first line; save it without";
  if (isSequence(text))
    return fmt::format("is DER, not PEM; convert it with `openssl {} -inform DER -in FILE -out FILE.pem`",
                       tool);
  if (startsLine(text, "<<<<<<<") || startsLine(text, ">>>>>>>"))
    return "holds a merge conflict (<<<<<<< … >>>>>>>); resolve it, and keep one of the two";
  return {};
}

/// OpenSSL asks for a pass phrase only when the key is encrypted. There is nobody to ask.
int refusePassphrase(char*, int, int, void* encrypted) {
  *static_cast<bool*>(encrypted) = true;
  return -1;
}

std::string groupName(const EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t length = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &length) != 1) return {};
  return {name.data(), length};
}

Result<void> checkType(const EVP_PKEY* key, std::string_view what) {
  const auto unsupported = [&](std::string_view type) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The {} is of type {}; use Ed25519, P-256, P-384, P-521, or RSA from {} bits.",
                            what, type, minimalRsaBits));
  };
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      return {};
    case EVP_PKEY_RSA:
      if (EVP_PKEY_get_bits(key) < minimalRsaBits)
        return unsupported(fmt::format("RSA-{}", EVP_PKEY_get_bits(key)));
      return {};
    case EVP_PKEY_EC: {
      const std::string group = groupName(key);
      if (group == SN_X9_62_prime256v1 || group == SN_secp384r1 || group == SN_secp521r1) return {};
      return unsupported(group.empty() ? "EC on a curve without a name" : group);
    }
    default: {
      const char* type = EVP_PKEY_get0_type_name(key);
      return unsupported(type == nullptr ? "unknown" : type);
    }
  }
}

}  // namespace

Result<std::vector<CertificatePtr>> readCertificates(std::string_view pem, std::string_view what) {
  if (const std::string mistaken = mistakenFor(pem, "x509"); !mistaken.empty())
    return fail(Reason::CredentialInvalid, fmt::format("The {} {}.", what, mistaken));
  const BioPtr bio = reader(pem);
  std::vector<CertificatePtr> certificates;
  ERR_clear_error();
  while (CertificatePtr next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    certificates.push_back(std::move(next));
  }
  const bool complete = nothingLeft();
  const std::string reason = lastError();
  if (!complete) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The {} is damaged: its PEM certificate number {} cannot be read ({}).", what,
                            certificates.size() + 1, reason));
  }
  if (certificates.empty()) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The {} holds no PEM certificate (\"-----BEGIN CERTIFICATE-----\").", what));
  }
  return certificates;
}

Result<KeyPtr> readPrivateKey(std::string_view pem, std::string_view what) {
  if (const std::string mistaken = mistakenFor(pem, "pkey"); !mistaken.empty())
    return fail(Reason::CredentialInvalid, fmt::format("The {} {}.", what, mistaken));
  const BioPtr bio = reader(pem);
  bool encrypted = false;
  ERR_clear_error();
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refusePassphrase, &encrypted));
  const std::string reason = lastError();
  if (encrypted) {
    return fail(
        Reason::CredentialInvalid,
        fmt::format("The {} is encrypted; store it without a pass phrase, readable by its user only.", what));
  }
  if (pem.find("PRIVATE KEY-----") == std::string_view::npos) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The {} holds no PEM private key (\"-----BEGIN PRIVATE KEY-----\").", what));
  }
  if (key == nullptr) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The {} is damaged: it cannot be read ({}).", what, reason));
  }
  if (auto supported = checkType(key.get(), what); !supported) return std::unexpected(supported.error());
  return key;
}

}  // namespace rookery::tls
