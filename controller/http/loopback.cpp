#include "http/loopback.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "text.h"

namespace rookery::http {
namespace {

namespace ip = boost::asio::ip;

/// "host:port" and "[v6]:port" cut at the last colon; no port where there is none.
std::pair<std::string_view, std::optional<std::string_view>> splitPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']')) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<std::uint16_t> parsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// An IP address, in brackets or not, or localhost.
std::optional<ip::address> addressOf(std::string_view host) {
  std::string name = toLower(host);
  if (name == "localhost") return ip::address_v4::loopback();
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  boost::system::error_code error;
  ip::address address = ip::make_address(name, error);
  return error ? std::nullopt : std::optional(address);
}

}  // namespace

std::optional<ip::address> loopbackAddress(std::string_view host) {
  const auto address = addressOf(host);
  return address && address->is_loopback() ? address : std::nullopt;
}

Result<ip::tcp::endpoint> parseEndpoint(std::string_view listen) {
  const auto [host, portText] = splitPort(listen);
  const auto port = portText ? parsePort(*portText) : std::nullopt;
  const auto address = port ? addressOf(host) : std::nullopt;
  if (address) return ip::tcp::endpoint(*address, *port);
  return fail(
      Reason::UsageError,
      fmt::format("\"{}\" is not an address to listen on: write it as address:port, for example "
                  "127.0.0.1:8080, 0.0.0.0:8443 or [::]:8443, with a port from 0 (any free one) to 65535.",
                  listen));
}

Result<ip::tcp::endpoint> parseLoopbackEndpoint(std::string_view listen) {
  auto endpoint = parseEndpoint(listen);
  if (!endpoint || endpoint->address().is_loopback()) return endpoint;
  return fail(
      Reason::UsageError,
      fmt::format("Cannot listen on \"{}\" without TLS: only loopback addresses (127.0.0.1, [::1], "
                  "localhost) are served so, because whoever reaches the listener can read everything "
                  "on it; anything else needs TLS and a bearer token or client certificate. Give "
                  "--tls-cert and --tls-key, and --api-token-file or --tls-client-ca.",
                  listen));
}

bool isLoopbackHost(std::string_view host) { return loopbackAddress(splitPort(host).first).has_value(); }

}  // namespace rookery::http
