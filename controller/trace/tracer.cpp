#include "trace/tracer.h"

#include <cmath>
#include <random>

namespace rookery::trace {

namespace {

/// Never 0, which means that there is none.
std::uint64_t randomId() {
  thread_local std::mt19937_64 engine = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return std::uniform_int_distribution<std::uint64_t>(1)(engine);
}

}  // namespace

bool Sampler::samples(std::uint64_t traceLow) const {
  if (ratio >= 1) return true;
  return traceLow >> 1 < static_cast<std::uint64_t>(std::ldexp(ratio, 63));
}

Span Tracer::begin(const Context& parent, std::string_view name, SpanKind kind) const {
  Span span;
  span.context_ = parent;
  if (parent.span == 0) {
    span.context_.traceHigh = randomId();
    span.context_.traceLow = randomId();
    span.context_.sampled = sampler_.samples(span.context_.traceLow);
  }
  span.context_.span = randomId();
  if (!span.context_.sampled) return span;
  span.recording_ =
      std::make_unique<Span::Recording>(Span::Recording{.data = {.context = span.context_,
                                                                 .parent = parent.span,
                                                                 .name = std::string(name),
                                                                 .kind = kind,
                                                                 .start = std::chrono::system_clock::now()},
                                                        .start = std::chrono::steady_clock::now(),
                                                        .finished = finished_});
  return span;
}

}  // namespace rookery::trace
