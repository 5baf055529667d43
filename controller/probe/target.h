#pragma once

#include <optional>
#include <string>
#include <variant>

namespace rookery::probe {

/// A GET whose answer's status is to be the expected one; absent: one of 200 to 399. A redirect is an answer,
/// and is not followed.
struct Http {
  std::string url;  // http or https
  std::optional<int> expectedStatus = {};
  bool insecure = false;  // the certificate is not verified
  friend bool operator==(const Http&, const Http&) = default;
};

/// A connection is to be accepted.
struct Tcp {
  std::string address;  // host:port, "[v6]:port"
  friend bool operator==(const Tcp&, const Tcp&) = default;
};

/// A name server is to have at least one record of that type for a name.
struct Dns {
  std::string server;  // an IP address, with a port or without: 53
  std::string name;
  std::string type = "A";  // of recordTypes
  friend bool operator==(const Dns&, const Dns&) = default;
};

using Target = std::variant<Http, Tcp, Dns>;

/// What messages call it: of a URL without its query, which may be as good as a password.
std::string toString(const Target& target);

}  // namespace rookery::probe
