#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "albatross/wire.h"

namespace rookery::albatross {

Mac derivedMac(std::string_view netif, const Name& unikernel) {
  const std::string text = std::string(netif) + unikernel.toString();
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  check(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr) == 1,
        "OpenSSL computes an MD5 digest");
  return {0x00, 0x80, 0x41, digest[0], digest[1], digest[2]};
}

std::string toString(const Mac& mac) { return fmt::format("{:02x}", fmt::join(mac, ":")); }

Result<Mac> parseMac(std::string_view text) {
  const auto invalid = [text] {
    return fail(Reason::InvalidManifest,
                fmt::format("\"{}\" is not a MAC address: write six bytes as \"02:00:00:00:00:01\".", text));
  };
  Mac mac{};
  constexpr std::size_t width = 3;  // two digits and a colon
  if (text.size() != mac.size() * width - 1) return invalid();
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const char* digits = text.data() + i * width;
    const auto [end, error] = std::from_chars(digits, digits + 2, mac[i], 16);
    if (error != std::errc() || end != digits + 2) return invalid();
    if (i + 1 < mac.size() && *end != ':') return invalid();
  }
  return mac;
}

}  // namespace rookery::albatross
