#include "cli/api_client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <charconv>
#include <chrono>
#include <optional>

namespace rookery::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds connectTimeout{5};
constexpr std::chrono::seconds readTimeout{30};
constexpr std::uint16_t defaultHttpPort = 80;

std::optional<std::uint16_t> parsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::string_view describe(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "nothing answers there";
    case httplib::Error::ConnectionTimeout:
      return "the connection was not made in time";
    case httplib::Error::Read:
      return "it ended or held up its answer";
    default:
      return "the request failed";
  }
}

/// A failure as kubectl prints it.
std::string describeFailure(int code, const json& body) {
  if (!body.is_object() || body.value("kind", json()) != "Status") {
    return fmt::format("Error from server: HTTP status {}", code);
  }
  const auto text = [&](const char* field) {
    const auto found = body.find(field);
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string reason = text("reason");
  return fmt::format("Error from server{}: {}", reason.empty() ? "" : fmt::format(" ({})", reason),
                     text("message"));
}

}  // namespace

Result<ApiClient> ApiClient::to(std::string_view server) {
  constexpr std::string_view scheme = "http://";
  std::string_view rest = server;
  if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t colon = rest.ends_with(']') ? std::string_view::npos : rest.rfind(':');
  std::string_view host = rest.substr(0, colon);
  const auto port = colon == std::string_view::npos ? defaultHttpPort : parsePort(rest.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!server.starts_with(scheme) || host.empty() || host.find_first_of("/?#@ ") != std::string_view::npos ||
      !port) {
    return fail(Reason::UsageError, fmt::format("\"{}\" is not the address of a controller: write it as "
                                                "http://host:port, for example http://127.0.0.1:8080.",
                                                server));
  }
  return ApiClient(std::string(server), std::string(host), *port);
}

Result<json> ApiClient::get(const std::string& path) const {
  httplib::Client client(host_, port_);
  client.set_connection_timeout(connectTimeout);
  client.set_read_timeout(readTimeout);
  const httplib::Result result = client.Get(path, {{"Accept", "application/json"}});
  if (!result) {
    return fail(
        Reason::ConnectionFailed,
        fmt::format(
            "Cannot reach a controller at {}: {}. Start one with `rookery run --manifests DIR`, or name "
            "where it listens with --server or ROOKERY_SERVER.",
            url_, describe(result.error())));
  }
  json body = json::parse(result->body, nullptr, false);
  if (result->status != 200) return fail(Reason::Refused, describeFailure(result->status, body));
  if (body.is_discarded()) {
    return fail(Reason::ProtocolError,
                fmt::format("What answers at {} is no rookery controller: its answer is not JSON.", url_));
  }
  return body;
}

}  // namespace rookery::cli
