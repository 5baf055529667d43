#include "trace/otlp.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <variant>

namespace rookery::trace {

using nlohmann::json;

namespace {

/// OTLP's numbers (trace.proto, Status.StatusCode and SpanFlags).
constexpr int statusError = 2;
constexpr int flagsSampledAndLocal = 0x101;  // W3C's "sampled"; it is known that the parent is not remote

struct ToJson {
  json operator()(bool value) const { return {{"boolValue", value}}; }
  json operator()(std::int64_t value) const { return {{"intValue", std::to_string(value)}}; }
  json operator()(double value) const { return {{"doubleValue", value}}; }
  json operator()(const std::string& value) const { return {{"stringValue", value}}; }
};

json toJson(const Attributes& attributes) {
  json list = json::array();
  for (const auto& [key, value] : attributes)
    list.push_back({{"key", key}, {"value", std::visit(ToJson(), value)}});
  return list;
}

std::string toNanoseconds(std::chrono::system_clock::time_point time) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

json toJson(const SpanData& span) {
  const auto end =
      span.start + std::chrono::duration_cast<std::chrono::system_clock::duration>(span.duration);
  json item = {{"traceId", span.context.traceId()},     {"spanId", fmt::format("{:016x}", span.context.span)},
               {"flags", flagsSampledAndLocal},         {"name", span.name},
               {"kind", static_cast<int>(span.kind)},   {"startTimeUnixNano", toNanoseconds(span.start)},
               {"endTimeUnixNano", toNanoseconds(end)}, {"attributes", toJson(span.attributes)}};
  if (span.parent != 0) item["parentSpanId"] = fmt::format("{:016x}", span.parent);
  if (span.failed) item["status"] = {{"code", statusError}, {"message", span.failure}};
  return item;
}

}  // namespace

std::string encode(const std::vector<SpanData>& spans, const Attributes& resource, std::string_view version) {
  json list = json::array();
  for (const SpanData& span : spans) list.push_back(toJson(span));
  const json scope = {{"scope", {{"name", "rookery"}, {"version", version}}}, {"spans", std::move(list)}};
  const json request = {{"resourceSpans", json::array({{{"resource", {{"attributes", toJson(resource)}}},
                                                        {"scopeSpans", json::array({scope})}}})}};
  return request.dump(-1, ' ', false, json::error_handler_t::replace);
}

PartialSuccess decodeAnswer(std::string_view body) {
  const json answer = json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("partialSuccess")) return {};
  const json& partial = answer["partialSuccess"];
  if (!partial.is_object()) return {};
  PartialSuccess found;
  const json rejected = partial.value("rejectedSpans", json());  // a string, by the mapping
  if (rejected.is_number_unsigned()) found.rejected = rejected.get<std::uint64_t>();
  if (rejected.is_string()) {
    const std::string& digits = rejected.get_ref<const std::string&>();
    std::from_chars(digits.data(), digits.data() + digits.size(), found.rejected);
  }
  const json message = partial.value("errorMessage", json());
  if (message.is_string()) found.message = message.get<std::string>();
  return found;
}

}  // namespace rookery::trace
