#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "error.h"

namespace rookery::cli {

/// Reads from a running controller's API over HTTP. One thread at a time.
class ApiClient {
 public:
  /// `server` is "http://host[:port]". Error: UsageError.
  static Result<ApiClient> to(std::string_view server);

  /// GET of a path that is percent-encoded already. Errors: ConnectionFailed (names the server and says how
  /// one is started), Refused (the server's Status, worded as kubectl words it), ProtocolError (the answer is
  /// not JSON).
  Result<nlohmann::json> get(const std::string& path) const;

 private:
  ApiClient(std::string url, std::string host, std::uint16_t port)
      : url_(std::move(url)), host_(std::move(host)), port_(port) {}

  std::string url_;
  std::string host_;
  std::uint16_t port_;
};

}  // namespace rookery::cli
