#pragma once

#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "error.h"
#include "file/settling.h"
#include "kubernetes/config.h"

namespace rookery::kubernetes {

namespace asio = boost::asio;

/// Who we are to an API server, and whom we trust, as the files of a Config say now: they are read again each
/// time. While one of them is being written, is gone, or holds what is of no use, what was there before stays
/// in use. Thread-safe.
class Credentials {
 public:
  /// `warn` is told why what was there before stays in use, once until it is of use again or that changes.
  Credentials(Config config, std::function<void(const std::string& message)> warn)
      : config_(std::move(config)), warn_(std::move(warn)) {}

  /// What TLS connections are made from; the same as before where nothing has changed. Errors, while there
  /// was none of use: CredentialInvalid, BeingWritten.
  Result<std::shared_ptr<asio::ssl::context>> tlsContext();

  /// The bearer token. Errors as above.
  Result<std::string> token();

 private:
  /// Something that stands in files.
  template <class T>
  struct Kept {
    T value{};         // the last of use
    bool any = false;  // there was one
    std::string told;  // why it stays
  };
  template <class T>
  Result<T> keep(Kept<T>& kept, Result<T> now);
  file::Settling* settlingFor(bool any) { return any ? &settling_ : nullptr; }
  Result<std::shared_ptr<asio::ssl::context>> makeContext(file::Settling* settling);
  Result<std::string> readToken(file::Settling* settling) const;

  const Config config_;
  const std::function<void(const std::string& message)> warn_;
  std::mutex mutex_;
  file::Settling settling_;
  Kept<std::shared_ptr<asio::ssl::context>> context_;
  std::string material_;  // what the context was made of
  Kept<std::string> token_;
};

}  // namespace rookery::kubernetes
