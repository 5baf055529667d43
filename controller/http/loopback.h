#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string_view>

#include "error.h"

namespace rookery::http {

/// The loopback address that `host` is: 127.0.0.0/8, ::1 (with or without brackets) or localhost, which never
/// leaves the machine (RFC 6761, section 6.3) and is 127.0.0.1 here. Empty for anything else.
std::optional<boost::asio::ip::address> loopbackAddress(std::string_view host);

/// "address:port" such as "0.0.0.0:8443", "[::]:8443" or "localhost:0". Error (UsageError): not of that form.
Result<boost::asio::ip::tcp::endpoint> parseEndpoint(std::string_view listen);

/// "host:port" with a loopback host, such as "127.0.0.1:8080" or "[::1]:0". Error (UsageError): not of that
/// form, or not a loopback address.
Result<boost::asio::ip::tcp::endpoint> parseLoopbackEndpoint(std::string_view listen);

/// Whether the value of a Host header names this machine's loopback. A web page that has its own name point
/// to 127.0.0.1 (DNS rebinding) could otherwise read the API through its visitor's browser.
bool isLoopbackHost(std::string_view host);

}  // namespace rookery::http
