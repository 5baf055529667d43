#include "image/pull/hosts.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "text.h"

namespace rookery::image {

namespace {

constexpr unsigned mappedBits = 96;  // of an IPv4 address that come before it

constexpr Address mapped(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
}

constexpr Address begins(std::uint16_t a, std::uint16_t b = 0, std::uint16_t c = 0) {
  const auto high = [](std::uint16_t word) { return static_cast<std::uint8_t>(word >> 8U); };
  const auto low = [](std::uint16_t word) { return static_cast<std::uint8_t>(word & 0xffU); };
  return {high(a), low(a), high(b), low(b), high(c), low(c)};
}

bool agree(const Address& left, const Address& right, unsigned bits) {
  const unsigned whole = bits / 8;
  if (!std::equal(left.begin(), left.begin() + whole, right.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || (left[whole] ^ right[whole]) >> (8 - rest) == 0;
}

struct Range {
  Address address;
  unsigned bits;
};

/// IANA's special-purpose registries (RFC 6890), as far as they are not reachable from everywhere; multicast
/// and what is reserved.
constexpr std::array<Range, 16> notPublic4{{
    {mapped(0, 0, 0, 0), mappedBits + 8},
    {mapped(10, 0, 0, 0), mappedBits + 8},
    {mapped(100, 64, 0, 0), mappedBits + 10},
    {mapped(127, 0, 0, 0), mappedBits + 8},
    {mapped(169, 254, 0, 0), mappedBits + 16},
    {mapped(172, 16, 0, 0), mappedBits + 12},
    {mapped(192, 0, 0, 0), mappedBits + 24},
    {mapped(192, 0, 2, 0), mappedBits + 24},
    {mapped(192, 88, 99, 0), mappedBits + 24},
    {mapped(192, 168, 0, 0), mappedBits + 16},
    {mapped(198, 18, 0, 0), mappedBits + 15},
    {mapped(198, 51, 100, 0), mappedBits + 24},
    {mapped(203, 0, 113, 0), mappedBits + 24},
    {mapped(224, 0, 0, 0), mappedBits + 4},
    {mapped(240, 0, 0, 0), mappedBits + 4},
    {mapped(168, 63, 129, 16), mappedBits + 32},  // Azure's host
}};

/// Of 2000::/3, outside of which nothing is public.
constexpr std::array<Range, 3> notPublic6{{
    {begins(0x2001), 23},         // protocol assignments, Teredo
    {begins(0x2001, 0xdb8), 32},  // documentation
    {begins(0x3fff), 20},         // documentation
}};

bool isIn(const Address& address, const Range& range) { return agree(address, range.address, range.bits); }

Address mappedFrom(const Address& address, std::size_t offset) {
  return mapped(address[offset], address[offset + 1], address[offset + 2], address[offset + 3]);
}

std::string hostNamed(std::string_view text) {
  std::string lower = toLower(text);
  while (lower.ends_with('.')) lower.pop_back();
  return lower;
}

bool isHostName(std::string_view name) {
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  return !name.empty() && !name.starts_with('.') && std::ranges::all_of(name, ordinary);
}

std::unexpected<Error> noEntry(std::string_view entry) {
  return fail(Reason::UsageError,
              fmt::format("\"{}\" names no hosts: give a name, *.NAME, an address, a block of addresses such "
                          "as 10.1.0.0/16, public, or *.",
                          entry));
}

}  // namespace

std::optional<Address> addressOf(const std::string& text) {
  in_addr four{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &four, bytes.size());
    return mapped(bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  Address six{};
  if (::inet_pton(AF_INET6, text.c_str(), six.data()) == 1) return six;
  return std::nullopt;
}

std::optional<Address> addressOf(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof four);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &four.sin_addr, bytes.size());
    return mapped(bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  if (address.sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 six{};
  std::memcpy(&six, &address, sizeof six);
  Address bytes{};
  std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
  return bytes;
}

bool isPublic(const Address& address) {
  constexpr Range ipv4{mapped(0, 0, 0, 0), mappedBits};
  constexpr Range translated{begins(0x64, 0xff9b), 96};  // NAT64
  constexpr Range sixToFour{begins(0x2002), 16};
  constexpr Range global{begins(0x2000), 3};
  if (isIn(address, ipv4))
    return std::ranges::none_of(notPublic4, [&](const Range& range) { return isIn(address, range); });
  if (isIn(address, translated)) return isPublic(mappedFrom(address, 12));
  if (isIn(address, sixToFour)) return isPublic(mappedFrom(address, 2));
  return isIn(address, global) &&
         std::ranges::none_of(notPublic6, [&](const Range& range) { return isIn(address, range); });
}

Result<Hosts> Hosts::parse(const std::vector<std::string>& entries) {
  Hosts hosts;
  for (const std::string& entry : entries) {
    if (const auto added = hosts.add(entry); !added) return std::unexpected(added.error());
  }
  return hosts;
}

const Hosts& Hosts::publicOnly() {
  static const Hosts hosts = *parse({"public"});
  return hosts;
}

Result<void> Hosts::add(const std::string& entry) {
  if (entry == "*") {
    all_ = true;
    return {};
  }
  if (entry == "public") {
    public_ = true;
    return {};
  }
  const std::size_t slash = entry.find('/');
  const std::string text = entry.substr(0, slash);
  if (const auto address = addressOf(text)) {
    const bool four = text.find(':') == std::string::npos;
    const unsigned most = four ? 32 : 128;
    unsigned bits = most;
    if (slash != std::string::npos) {
      const char* const end = entry.data() + entry.size();
      const auto [stop, error] = std::from_chars(entry.data() + slash + 1, end, bits);
      if (error != std::errc{} || stop != end || bits > most) return noEntry(entry);
    }
    blocks_.push_back({*address, bits + (four ? mappedBits : 0)});
    return {};
  }
  const std::string name = hostNamed(entry);
  const bool below = name.starts_with("*.");
  if (slash != std::string::npos || !isHostName(std::string_view(name).substr(below ? 2 : 0)))
    return noEntry(entry);
  names_.push_back(below ? name.substr(1) : name);
  return {};
}

bool Hosts::allowsName(std::string_view name) const {
  const std::string lower = hostNamed(name);
  return all_ || std::ranges::any_of(names_, [&](const std::string& known) {
           return known.starts_with('.') ? lower.ends_with(known) && lower.size() > known.size()
                                         : lower == known;
         });
}

bool Hosts::allowsAddress(const Address& address) const {
  return all_ || (public_ && isPublic(address)) || std::ranges::any_of(blocks_, [&](const Block& block) {
           return agree(address, block.address, block.bits);
         });
}

}  // namespace rookery::image
