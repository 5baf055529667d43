#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "error.h"
#include "file/watched.h"

namespace rookery::http {

/// Where the listener's own identity and the CA of its clients are. Paths are of PEM files.
struct TlsFiles {
  std::filesystem::path certificate;  // the leaf first, then its chain
  std::filesystem::path key;
  std::filesystem::path clientCA;  // empty: clients are not asked for a certificate
};

/// What TLS connections are made from: TLS 1.2 and 1.3, HTTP/1.1 as the only application protocol (RFC 7301).
/// Files that change are read again, at most once a second; while one is being written, or what they hold is
/// of no use, the last that was stays. Thread-safe.
class TlsContext {
 public:
  using Clock = std::chrono::steady_clock;
  using Warn = std::function<void(const std::string& message)>;
  /// Told when the listener's own certificate ends, whenever one is put to use.
  using Loaded = std::function<void(std::chrono::system_clock::time_point notAfter)>;

  /// `warn` is told once of each change that is of no use. Errors: CredentialInvalid (a file is missing, is
  /// not PEM, or the key is not the certificate's), BeingWritten; names the file and says what to do.
  static Result<std::unique_ptr<TlsContext>> load(
      const TlsFiles& files, Warn warn, Loaded loaded = [](auto) {},
      std::function<Clock::time_point()> now = Clock::now);

  /// What new connections are made from.
  std::shared_ptr<SSL_CTX> current();

 private:
  TlsContext(TlsFiles files, Warn warn, Loaded loaded, std::function<Clock::time_point()> now)
      : files_(std::move(files)),
        warn_(std::move(warn)),
        loaded_(std::move(loaded)),
        now_(std::move(now)),
        watched_({files_.certificate, files_.key, files_.clientCA}, now_()) {}

  void reload();
  void use(std::shared_ptr<SSL_CTX> context);

  const TlsFiles files_;
  const Warn warn_;
  const Loaded loaded_;
  const std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
  file::WatchedFiles watched_;
};

}  // namespace rookery::http
