#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/span.h"
#include "trace/tracer.h"

namespace rookery::trace {

/// What OpenTelemetry's environment variables say of traces.
struct Settings {
  std::string url;
  std::vector<std::string> headers = {};      // "NAME: VALUE"; secret
  std::chrono::milliseconds timeout{10'000};  // of one request; 0: none
  std::string certificateAuthority = {};      // PEM files; empty: the system's, or none
  std::string clientCertificate = {}, clientKey = {};
  Attributes resource = {{"service.name", "rookery"}};
  Sampler sampler = {};
  // Of the batches (OTEL_BSP_…).
  std::chrono::milliseconds delay{5'000};  // before what has ended is sent
  std::size_t queue = 2'048;               // spans that may wait
  std::size_t batch = 512;                 // spans in one request

  /// Where they go, without what may be secret in it.
  std::string shownUrl() const;
};

/// Reads them. `variable` says what one has: nothing, or nothing in it, is the same. Off unless
/// OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, or OTEL_TRACES_EXPORTER is
/// "otlp". By OpenTelemetry's rules no mistake is an error: `warnings` name the variable, never its value,
/// and what it would have been without.
struct Environment {
  std::optional<Settings> settings;  // nothing: off
  std::vector<std::string> warnings = {};
};
Environment readEnvironment(const std::function<const char*(const char*)>& variable);

}  // namespace rookery::trace
