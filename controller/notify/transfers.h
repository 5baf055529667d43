#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "notify/request.h"

namespace rookery::notify {

/// Sends requests, several at the same time, over HTTP and SMTP. One thread uses it; any may wake it.
class Transfers {
 public:
  struct Patience {
    std::chrono::milliseconds connect{10'000};
    std::chrono::milliseconds whole{30'000};
  };
  struct Ended {
    std::string receiver;
    Outcome outcome;
  };

  explicit Transfers(Patience patience);
  Transfers() : Transfers(Patience()) {}
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void start(const Receiver& receiver, Request request);
  /// Gets on with all of them without waiting; those that have ended.
  std::vector<Ended> perform();
  /// Waits until there is something to perform, somebody wakes it, or so long.
  void wait(std::chrono::milliseconds longest);
  void wake();
  std::size_t underWay() const;

 private:
  struct State;
  struct Transfer;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::notify
