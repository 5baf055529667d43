#pragma once

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "error.h"
#include "probe/target.h"

namespace rookery::probe {

/// One probe over http(s) or TCP, for a multi handle of libcurl. One thread at a time.
class Connection {
 public:
  Connection(const Http& http, std::chrono::milliseconds patience);
  Connection(const Tcp& tcp, std::chrono::milliseconds patience);
  ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// libcurl's handle, ready to be run, which says here how that ended.
  CURL* handle() const { return handle_.get(); }
  /// What came of it.
  Result<void> end(CURLcode result) const;

 private:
  struct Free {
    void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
  };

  void prepare(const std::string& url);
  bool take(std::size_t bytes);
  Result<void> judgeStatus() const;
  std::string describe(CURLcode result) const;

  const Target target_;
  const std::chrono::milliseconds patience_;
  std::array<char, CURL_ERROR_SIZE> message_{};
  std::size_t received_ = 0;  // bytes of a body
  std::unique_ptr<CURL, Free> handle_;
};

/// libcurl, once for the process.
void initializeCurl();

}  // namespace rookery::probe
