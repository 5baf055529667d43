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
#include "file/watched.h"
#include "http/message.h"
#include "http/rate_limiter.h"
#include "serve/access_file.h"
#include "serve/request.h"
#include "serve/request_info.h"

namespace rookery::serve {

/// Nothing when the caller may do that; otherwise 403 in the API server's own words. Of Secrets, only an
/// authenticated caller may know anything. What the API serves only to be read (Events, Namespaces) needs no
/// name of its own among the caller's resources, and what it is that the caller may, everybody may ask.
std::optional<http::Response> authorize(const Caller& caller, const RequestInfo& attempted);

/// What a caller's rate and shares are counted under: its name, or the address where nobody is authenticated.
std::string accountOf(const Caller& caller, const http::Peer& peer);

/// Whether the caller may do something of that kind in at least one namespace.
bool mayAnywhere(const Caller& caller, std::string_view verb);

/// Whether the caller may read the metrics: to `get` in all namespaces, of whatever kinds. They name the
/// unikernels of all, and show nothing else of an object.
bool mayScrape(const Caller& caller);

/// Tells who sends a request, by the token file and the client certificates. The file is read again when it
/// changes, at most once a second. One that is gone or emptied lets nobody in; while it is being written,
/// does not parse or cannot be read, the last good one stays. Thread-safe.
///
/// Without a token file, whoever has a client certificate of the client CA may read.
class Access {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    std::filesystem::path tokenFile = {};  // empty: none
    http::Rate requests{50, 200};          // of one caller; of one address where nobody is authenticated
    http::Rate failures{1, 20};            // of failed authentications from one address
    std::function<Clock::time_point()> now = Clock::now;
    /// The time of day, which what expires is compared with.
    std::function<std::chrono::system_clock::time_point()> today = std::chrono::system_clock::now;
    std::function<void(const std::string& message)> warn = [](const std::string&) {};
  };

  /// Warns of a token file that everybody on this machine can read. Errors: CredentialInvalid (the file
  /// cannot be read or is broken; says where), BeingWritten.
  static Result<std::unique_ptr<Access>> load(Options options);

  /// Who sent a request with this Authorization header from this peer. A token that is sent must be right:
  /// 401 otherwise, and 429 after too many wrong ones from one address; a right one is always let in. Without
  /// one the client certificate counts. On plain loopback nobody needs either to read.
  std::expected<Caller, http::Response> authenticate(std::string_view authorization, const http::Peer& peer);

  /// The same caller as the file has it by now; 401 when it has not, or not any more.
  std::expected<Caller, http::Response> renewed(const Caller& caller, const http::Peer& peer);

  /// Counts a request against its caller's rate. Nothing, or 429.
  std::optional<http::Response> admit(const Caller& caller, const http::Peer& peer);

 private:
  explicit Access(Options options)
      : options_(std::move(options)),
        requests_(options_.requests, options_.now),
        failures_(options_.failures, options_.now),
        watched_({options_.tokenFile}, options_.now()) {}

  std::shared_ptr<const AccessFile> file();
  void reload();
  Result<AccessFile> read();
  void take(AccessFile file);
  std::expected<Caller, http::Response> byToken(std::string_view authorization, const http::Peer& peer);
  std::expected<Caller, http::Response> byDigest(const std::string& digest);
  std::expected<Caller, http::Response> byCertificate(const std::string& commonName);
  std::expected<Caller, http::Response> callerOf(const AccessFile::Grant& grant) const;

  const Options options_;
  http::RateLimiter requests_;
  http::RateLimiter failures_;
  std::mutex mutex_;
  std::shared_ptr<const AccessFile> file_;
  file::WatchedFiles watched_;
};

}  // namespace rookery::serve
