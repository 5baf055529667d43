#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "trace/settings.h"
#include "trace/span.h"

namespace rookery::trace {

/// Brings spans to a collector, by OTLP over HTTP with JSON, on a thread of its own. What cannot be brought
/// waits in a queue that has a bound; what does not fit into it is dropped, and counted. Thread-safe.
class Exporter {
 public:
  /// How long it tries. The pause before another attempt doubles, and is what the collector asks for where it
  /// does; each is shortened by up to a half, so that many do not come back at once.
  struct Patience {
    std::chrono::milliseconds firstPause{1'000}, longestPause{30'000};
    std::chrono::milliseconds batch{
        300'000};  // with one batch; also with a collector that asks for a longer pause
    std::chrono::milliseconds end{5'000};  // with all that is left when it ends
  };
  struct Options {
    Settings settings;
    std::string version;  // of the program
    /// A sentence without a secret, on the exporter's thread: when it begins to fail, when a batch is given
    /// up.
    std::function<void(const std::string& message)> warn = [](auto&&) {};
    std::function<void(const std::string& message)> inform = [](auto&&) {};
    Patience patience = {};
  };
  struct Counts {
    std::uint64_t exported = 0;  // spans that the collector has taken
    std::uint64_t dropped = 0;   // spans that it will never get, or did not want
    std::uint64_t failures = 0;  // requests that failed
    std::size_t waiting = 0;     // spans, those on their way included
  };

  explicit Exporter(Options options);
  /// As stop().
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  /// Takes a span that has ended. Never waits for the network.
  void add(SpanData span);
  /// Sends what is left, without waiting for a collector that is not there for longer than Patience::end.
  /// What comes later is dropped.
  void stop();
  Counts counts() const;

 private:
  struct State;
  class Connection;
  class Worker;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::trace
