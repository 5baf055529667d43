#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>
#include <charconv>
#include <utility>

#include "albatross/client/client.h"

namespace rookery::albatross {

namespace {

std::unexpected<Error> invalid(std::string_view text, std::string_view why) {
  return fail(
      Reason::InvalidManifest,
      fmt::format("The endpoint \"{}\" {}; write host:port, [IPv6 address]:port, host (port 1025), or "
                  "unix:///FOLDER for the sockets of a local server.",
                  text, why));
}

/// A socket's path has 107 bytes, and the name of the longest in it is "/console.sock".
constexpr std::size_t longestSocketFolder = 107 - 13;

std::optional<std::uint16_t> parsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool isHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_';
}

bool isV6(std::string_view host) {
  boost::system::error_code error;
  asio::ip::make_address_v6(host, error);
  return !error;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  if (constexpr std::string_view scheme = "unix://"; text.starts_with(scheme)) {
    const std::string_view folder = text.substr(scheme.size());
    if (!folder.starts_with('/') || folder.contains('\0')) return invalid(text, "has no absolute path");
    if (folder.size() > longestSocketFolder) return invalid(text, "has a path that is too long for a socket");
    Endpoint local;
    local.folder = folder;
    return local;
  }
  if (text.find('/') != std::string_view::npos) return invalid(text, "is a URL or a path");
  Endpoint endpoint;
  std::string_view host = text;
  std::optional<std::string_view> port;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return invalid(text, "lacks the closing ]");
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':')
      return invalid(text, "has something other than :port after the ]");
    if (!rest.empty()) port = rest.substr(1);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (isV6(text)) return invalid(text, "is an IPv6 address without brackets");
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (bracketed && !isV6(host)) return invalid(text, "has no IPv6 address between the brackets");
  if (!bracketed && (host.empty() || !std::ranges::all_of(host, isHostCharacter))) {
    return invalid(text, "has no host name or address");
  }
  endpoint.host = host;
  if (port) {
    const auto number = parsePort(*port);
    if (!number) return invalid(text, "has a port that is not a number from 1 to 65535");
    endpoint.port = *number;
  }
  return endpoint;
}

std::string Endpoint::toString() const {
  if (isLocal()) return "unix://" + folder;
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace rookery::albatross
