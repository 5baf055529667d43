#pragma once

#include <ares.h>
#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "error.h"
#include "probe/target.h"

namespace rookery::probe {

/// One question to a name server, by c-ares: over UDP, repeated once, and over TCP where the answer is too
/// long. One thread at a time.
class Query {
 public:
  Query(const Dns& dns, std::chrono::milliseconds patience);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// What it waits for: adds its sockets, and says for how long at most.
  std::chrono::milliseconds await(std::vector<curl_waitfd>& sockets) const;
  /// Some of it may have come, or the time.
  void go();
  /// Nothing: it is under way.
  const std::optional<Result<void>>& outcome() const { return outcome_; }
  /// It took too long.
  Result<void> late() const;

 private:
  struct Destroy {
    void operator()(ares_channel channel) const { ::ares_destroy(channel); }
  };
  using Channel = std::unique_ptr<std::remove_pointer_t<ares_channel>, Destroy>;

  void answered(int status, std::span<unsigned char> answer);
  Result<void> failed(std::string_view what) const;

  const Dns dns_;
  const std::chrono::milliseconds patience_;
  std::optional<Result<void>> outcome_;
  Channel channel_;  // ends, and calls back, before the rest goes
};

/// c-ares, once for the process.
void initializeAres();

}  // namespace rookery::probe
