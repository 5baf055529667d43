#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// Spans as OpenTelemetry has them: what was done, as a part of what, from when to when, and how it ended.
namespace rookery::trace {

/// Of one attribute, or of what is said of a failure: what is longer is cut.
constexpr std::size_t longestText = 4 << 10;

using Value = std::variant<bool, std::int64_t, double, std::string>;
using Attributes = std::vector<std::pair<std::string, Value>>;

/// OTLP's numbers (trace.proto, Span.SpanKind).
enum class SpanKind { Internal = 1, Client = 3 };

/// Which span of which trace. All zero: none.
struct Context {
  std::uint64_t traceHigh = 0, traceLow = 0;
  std::uint64_t span = 0;
  bool sampled = false;  // decided for a whole trace, by its first span

  /// 32 hexadecimal digits; empty: it belongs to no trace, or to one that is not recorded.
  std::string traceId() const;

  friend bool operator==(const Context&, const Context&) = default;
};

/// What has ended.
struct SpanData {
  Context context;
  std::uint64_t parent = 0;  // 0: it is the first of its trace
  std::string name;
  SpanKind kind = SpanKind::Internal;
  std::chrono::system_clock::time_point start;
  std::chrono::nanoseconds duration{0};
  Attributes attributes = {};
  bool failed = false;
  std::string failure = {};  // a sentence, if it failed
};

/// A span that is under way. It ends with its object at the latest. One that was made by nobody records
/// nothing and allocates nothing, nor does one that is not sampled. Used by one thread at a time. Nothing
/// secret may be told to it.
class Span {
 public:
  using Finished = std::function<void(SpanData)>;

  Span() = default;
  ~Span() { end(); }
  Span(Span&& other) noexcept = default;
  Span& operator=(Span&& other) noexcept;
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  /// Whether it is recorded: what is told to another is not worth being put together.
  explicit operator bool() const { return recording_ != nullptr; }
  const Context& context() const { return context_; }

  void set(std::string_view key, Value value);
  /// It began that much earlier: what was not known to be worth a span until it had ended.
  void beganBefore(std::chrono::nanoseconds earlier);
  /// It has failed: `reason` becomes the attribute error.type.
  void fail(std::string_view reason, std::string_view message);
  /// From now on it records nothing.
  void end() noexcept;

 private:
  friend class Tracer;
  struct Recording {
    SpanData data;
    std::chrono::steady_clock::time_point start;
    const Finished& finished;
  };

  Context context_;
  std::unique_ptr<Recording> recording_;
};

}  // namespace rookery::trace
