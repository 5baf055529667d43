#pragma once

#include <string_view>

#include "trace/span.h"

namespace rookery::trace {

/// Which traces are recorded: a share of them, 0 to 1. All spans here begin in this process, and so its first
/// span decides for the whole trace, whatever OTEL_TRACES_SAMPLER says of parents.
struct Sampler {
  double ratio = 1;

  /// As OpenTelemetry's TraceIdRatioBased: whoever else samples by the trace's ID comes to the same.
  bool samples(std::uint64_t traceLow) const;
};

/// Makes spans, and hands over those that have ended. Thread-safe.
class Tracer {
 public:
  /// `finished` is called on the thread on which a span ends; must not block and must not throw. Must outlive
  /// its spans.
  Tracer(Sampler sampler, Span::Finished finished) : sampler_(sampler), finished_(std::move(finished)) {}

  /// A part of `parent`, or the first of a new trace where that is none.
  Span begin(const Context& parent, std::string_view name, SpanKind kind) const;

 private:
  const Sampler sampler_;
  const Span::Finished finished_;
};

/// As Tracer::begin; without a tracer nothing is recorded, which costs a comparison.
inline Span begin(const Tracer* tracer, const Context& parent, std::string_view name,
                  SpanKind kind = SpanKind::Internal) {
  return tracer == nullptr ? Span() : tracer->begin(parent, name, kind);
}

}  // namespace rookery::trace
