#include "kubernetes/object_meta.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/age.h"

namespace rookery::kubernetes {

using nlohmann::json;

ObjectMeta ObjectMeta::of(const json& object) {
  const json& metadata = memberOf(object, "metadata");
  ObjectMeta meta{.name = textAt(metadata, "name"),
                  .nameSpace = textAt(metadata, "namespace"),
                  .uid = textAt(metadata, "uid"),
                  .resourceVersion = textAt(metadata, "resourceVersion"),
                  .generation = numberAt(metadata, "generation"),
                  .creationTimestamp =
                      api::parseRfc3339(textAt(metadata, "creationTimestamp")).value_or(api::SystemTime()),
                  .deletionTimestamp = api::parseRfc3339(textAt(metadata, "deletionTimestamp")),
                  .annotations = {},
                  .finalizers = {}};
  for (const auto& [key, value] : memberOf(metadata, "annotations").items()) {
    if (value.is_string()) meta.annotations[key] = value;
  }
  for (const json& finalizer : memberOf(metadata, "finalizers")) {
    if (finalizer.is_string()) meta.finalizers.push_back(finalizer);
  }
  return meta;
}

bool ObjectMeta::hasFinalizer(std::string_view finalizer) const {
  return std::ranges::find(finalizers, finalizer) != finalizers.end();
}

bool isNewer(const std::string& version, const std::string& other) {
  const auto parse = [](const std::string& text) -> std::optional<std::uint64_t> {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
  };
  const auto left = parse(version), right = parse(other);
  return !left || !right ? version != other : *left > *right;
}

std::string toMicroTime(api::SystemTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto fraction = std::chrono::duration_cast<std::chrono::microseconds>(time - seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", seconds, fraction.count());
}

}  // namespace rookery::kubernetes
