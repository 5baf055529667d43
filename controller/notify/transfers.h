#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "notify/request.h"

namespace rookery::notify {

/// Sends requests over HTTP and SMTP. All of it happens on one thread, which begins with the first, however
/// many are under way. Thread-safe.
class Transfers {
 public:
  struct Patience {
    std::chrono::milliseconds connect{10'000};
    std::chrono::milliseconds whole{30'000};
  };
  /// On the thread of the transfers; must not block.
  using Done = std::function<void(const Outcome& outcome)>;

  explicit Transfers(Patience patience);
  Transfers() : Transfers(Patience()) {}
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  /// Never calls `done` before this returns, and not any more once stop() has.
  void send(const Receiver& receiver, Request request, Done done);
  /// Gives up everything and waits for the thread's end; nothing is sent any more.
  void stop();

 private:
  struct State;
  struct Transfer;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::notify
