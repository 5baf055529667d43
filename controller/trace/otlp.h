#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trace/span.h"

namespace rookery::trace {

/// What an OTLP/HTTP request with JSON says of these spans (ExportTraceServiceRequest). `resource`: who was
/// traced. By OTLP's mapping, which is not quite protobuf's: IDs are hexadecimal digits, 64-bit integers are
/// strings, enums are numbers. What is no UTF-8 is replaced.
std::string encode(const std::vector<SpanData>& spans, const Attributes& resource, std::string_view version);

/// What an answer with 200 says of spans that were not taken (ExportTracePartialSuccess).
struct PartialSuccess {
  std::uint64_t rejected = 0;
  std::string message;
};
/// Nothing that can be read of it: all were taken.
PartialSuccess decodeAnswer(std::string_view body);

}  // namespace rookery::trace
