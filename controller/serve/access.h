#pragma once

#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "error.h"
#include "serve/access_file.h"
#include "serve/http.h"
#include "serve/rate_limiter.h"
#include "serve/request_info.h"

namespace rookery::serve {

/// Nothing when the caller may do that; otherwise 403 in the API server's own words. Of Secrets, only an
/// authenticated caller may know anything.
std::optional<Response> authorize(const Caller& caller, const RequestInfo& attempted);

/// Whether the caller may do something of that kind in at least one namespace.
bool mayAnywhere(const Caller& caller, std::string_view verb);

/// Whether the caller may do something of that kind in all namespaces, and with what is in none.
bool mayEverywhere(const Caller& caller, std::string_view verb);

/// Tells who sends a request, by the token file and the client certificates. The file is read again when it
/// changes, at most once a second; while it is broken, the last good one stays. Thread-safe.
///
/// Without a token file, whoever has a client certificate of the client CA may read.
class Access {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    std::filesystem::path tokenFile = {};  // empty: none
    Rate requests{50, 200};                // of one caller; of one address where nobody is authenticated
    Rate failures{1, 20};                  // of failed authentications from one address
    std::function<Clock::time_point()> now = Clock::now;
    std::function<void(const std::string& message)> warn = [](const std::string&) {};
  };

  /// Warns of a token file that everybody on this machine can read. Error (CredentialInvalid): the file
  /// cannot be read or is broken; says where.
  static Result<std::unique_ptr<Access>> load(Options options);

  /// Who sent a request with this Authorization header from this peer. A token that is sent must be right:
  /// 401 otherwise, and 429 after too many of those from one address, whatever comes then. Without one the
  /// client certificate counts. On plain loopback nobody needs either to read.
  std::expected<Caller, Response> authenticate(std::string_view authorization, const Peer& peer);

  /// Counts a request against its caller's rate. Nothing, or 429.
  std::optional<Response> admit(const Caller& caller, const Peer& peer);

 private:
  explicit Access(Options options)
      : options_(std::move(options)),
        requests_(options_.requests, options_.now),
        failures_(options_.failures, options_.now) {}

  std::shared_ptr<const AccessFile> file();
  void reload();
  std::expected<Caller, Response> byToken(std::string_view authorization, const Peer& peer);
  Caller byCertificate(const std::string& commonName);

  const Options options_;
  RateLimiter requests_;
  RateLimiter failures_;
  std::mutex mutex_;
  std::shared_ptr<const AccessFile> file_;
  std::string version_;  // of the file as it was read last, good or not
  Clock::time_point checked_;
};

}  // namespace rookery::serve
