#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

namespace rookery::image {

/// An address: IPv6, or IPv4 as IPv6 maps it (RFC 4291, section 2.5.5.2).
using Address = std::array<std::uint8_t, 16>;

/// The address in `text`, if it is one; IPv6 without brackets.
std::optional<Address> addressOf(const std::string& text);
/// Nothing for other families than IPv4 and IPv6.
std::optional<Address> addressOf(const sockaddr& address);

/// Whether everybody in the Internet means the same host by it (RFC 6890): not this machine, not a private
/// network, not what a cloud tells its machines. An IPv4 address counts however IPv6 wraps it.
bool isPublic(const Address& address);

/// The hosts that images may come from.
class Hosts {
 public:
  /// `entries`: a host's name, `*.NAME` for all below it, an address, a block of them (10.1.0.0/16), `public`
  /// for all public addresses, `*` for everything. Error: UsageError.
  static Result<Hosts> parse(const std::vector<std::string>& entries);
  /// Public addresses only.
  static const Hosts& publicOnly();

  /// Whether a host may be used whatever its address is. `name`: as a URL has it, in any case.
  bool allowsName(std::string_view name) const;
  bool allowsAddress(const Address& address) const;

 private:
  struct Block {
    Address address;
    unsigned bits;  // of it that count
  };

  Result<void> add(const std::string& entry);

  bool all_ = false;
  bool public_ = false;
  std::vector<std::string> names_;  // in lower case; ".example.org" for all below it
  std::vector<Block> blocks_;
};

}  // namespace rookery::image
