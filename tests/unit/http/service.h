#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "error.h"
#include "http/message.h"

namespace rookery::http {

/// Counts what happens on a listener's connections.
class Counts : public Observer {
 public:
  void requestAnswered(std::string_view method, int status, std::chrono::nanoseconds duration) override {
    const std::lock_guard lock(mutex_);
    ++answered_[{std::string(method), status}];
    longest_ = std::max(longest_, duration);
  }
  void requestsInFlightChanged(int by) override { inFlight += by; }
  void longRunningRequestsChanged(int by) override { longRunning += by; }

  int answered(const std::string& method, int status) const {
    const std::lock_guard lock(mutex_);
    const auto found = answered_.find({method, status});
    return found == answered_.end() ? 0 : found->second;
  }

  /// Of all requests.
  std::chrono::nanoseconds longest() const {
    const std::lock_guard lock(mutex_);
    return longest_;
  }

  std::atomic<int> inFlight = 0, longRunning = 0;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int> answered_;
  std::chrono::nanoseconds longest_{0};
};

/// What the listener answers by itself, and what a handler says of a body that it cannot read.
inline Response failure(int status, const std::string& message) {
  return {.status = status, .contentType = std::string(plainTextType), .body = "failure: " + message};
}
inline Response failure(const Error& error) {
  const int status = error.reason == Reason::RequestEntityTooLarge ? 413
                     : error.reason == Reason::RequestTimeout      ? 408
                                                                   : 400;
  return failure(status, error.message);
}

inline Service service(Handler handler, Observer& observer) {
  return {.handler = std::move(handler),
          .failure = [](int status, const std::string& message) { return failure(status, message); },
          .observer = observer};
}

}  // namespace rookery::http
