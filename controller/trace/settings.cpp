#include "trace/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace rookery::trace {

namespace {

/// What one variable may have.
constexpr std::size_t longestVariable = 16 << 10;
/// What waits takes memory.
constexpr std::size_t largestQueue = 100'000;

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::string lowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
  return lower;
}

std::optional<std::string> percentDecoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    unsigned char byte = 0;
    const char* const digits = text.data() + at + 1;
    if (at + 2 >= text.size() || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2)
      return std::nullopt;
    decoded += static_cast<char>(byte);
    at += 2;
  }
  return decoded;
}

/// W3C Baggage without properties: KEY=VALUE,KEY=VALUE, values in percent encoding. Nothing: it is none.
std::optional<Pairs> baggage(std::string_view text) {
  Pairs pairs;
  while (!text.empty()) {
    const std::string_view member = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), member.size() + 1));
    const std::string_view pair = trimmed(member.substr(0, member.find(';')));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto key = percentDecoded(trimmed(pair.substr(0, equals)));
    auto value = percentDecoded(trimmed(pair.substr(equals + 1)));
    if (!key || key->empty() || !value) return std::nullopt;
    pairs.emplace_back(*key, *std::move(value));
  }
  return pairs;
}

bool isHeader(const std::pair<std::string, std::string>& header) {
  const auto token = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  };
  const auto control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  return std::ranges::all_of(header.first, token) && std::ranges::none_of(header.second, control);
}

bool isUrl(std::string_view url) {
  const std::string lower = lowerCase(url);
  const auto control = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  return (lower.starts_with("http://") || lower.starts_with("https://")) && !url.ends_with("//") &&
         std::ranges::none_of(url, control);
}

/// Reads one variable after the other, and says what is wrong with them.
class Reader {
 public:
  Reader(const std::function<const char*(const char*)>& variable, std::vector<std::string>& warnings)
      : variable_(variable), warnings_(warnings) {}

  std::string get(const char* name) const {
    const char* const found = variable_(name);
    const std::string_view value = trimmed(found == nullptr ? "" : found);
    if (value.size() <= longestVariable) return std::string(value);
    warn(name, fmt::format("has more than {} bytes", longestVariable));
    return {};
  }
  /// What is said of traces alone counts before what is said of everything.
  std::pair<std::string, std::string> ofTraces(std::string_view what) const {
    std::string special = fmt::format("OTEL_EXPORTER_OTLP_TRACES_{}", what);
    if (std::string value = get(special.c_str()); !value.empty())
      return {std::move(special), std::move(value)};
    std::string general = fmt::format("OTEL_EXPORTER_OTLP_{}", what);
    std::string value = get(general.c_str());
    return {std::move(general), std::move(value)};
  }
  void warn(std::string_view name, std::string_view mistake) const {
    warnings_.push_back(fmt::format("{} {}: it is ignored.", name, mistake));
  }
  /// Nothing: it is not set, or is no number from `least` to `most`.
  std::optional<std::uint64_t> number(std::string_view name, const std::string& text, std::uint64_t least,
                                      std::uint64_t most) const {
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stopped == end && value >= least && value <= most) return value;
    warn(name, fmt::format("is no whole number from {} to {}", least, most));
    return std::nullopt;
  }
  std::optional<std::uint64_t> number(const char* name, std::uint64_t least, std::uint64_t most) const {
    return number(name, get(name), least, most);
  }

 private:
  const std::function<const char*(const char*)>& variable_;
  std::vector<std::string>& warnings_;
};

bool disabled(const Reader& reader) {
  const std::string text = lowerCase(reader.get("OTEL_SDK_DISABLED"));
  if (!text.empty() && text != "true" && text != "false")
    reader.warn("OTEL_SDK_DISABLED", "is neither true nor false");
  return text == "true";
}

/// Where to, if anywhere.
std::optional<std::string> readUrl(const Reader& reader) {
  const std::string exporter = reader.get("OTEL_TRACES_EXPORTER");
  if (exporter == "none") return std::nullopt;
  if (!exporter.empty() && exporter != "otlp") {
    reader.warn("OTEL_TRACES_EXPORTER", "names another exporter than otlp and none");
  }
  const std::string special = reader.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  if (!special.empty() && !isUrl(special)) {
    reader.warn("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "is no URL with http:// or https://");
  } else if (!special.empty()) {
    const bool hasPath = special.find('/', special.find("//") + 2) != std::string::npos;
    return hasPath ? special : special + '/';
  }
  std::string general = reader.get("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (!general.empty() && !isUrl(general)) {
    reader.warn("OTEL_EXPORTER_OTLP_ENDPOINT", "is no URL with http:// or https://");
    general.clear();
  }
  if (general.empty() && exporter != "otlp") return std::nullopt;
  if (general.empty()) general = "http://localhost:4318";
  while (general.ends_with('/')) general.pop_back();
  return general + "/v1/traces";
}

std::vector<std::string> readHeaders(const Reader& reader) {
  const auto [name, text] = reader.ofTraces("HEADERS");
  const auto pairs = baggage(text);
  if (!pairs || !std::ranges::all_of(*pairs, isHeader)) {
    reader.warn(name, "is no list of NAME=VALUE with commas in between, values in percent encoding");
    return {};
  }
  std::vector<std::string> headers;
  headers.reserve(pairs->size());
  for (const auto& [key, value] : *pairs)  // libcurl leaves out what has nothing behind a colon
    headers.push_back(value.empty() ? key + ';' : fmt::format("{}: {}", key, value));
  return headers;
}

Attributes readResource(const Reader& reader) {
  Attributes resource;
  std::string service = reader.get("OTEL_SERVICE_NAME");
  auto pairs = baggage(reader.get("OTEL_RESOURCE_ATTRIBUTES"));
  if (!pairs) {
    reader.warn("OTEL_RESOURCE_ATTRIBUTES",
                "is no list of NAME=VALUE with commas in between, values in percent encoding");
    pairs.emplace();
  }
  for (auto& [key, value] : *pairs) {
    if (key == "service.name") {
      if (service.empty()) service = std::move(value);
      continue;
    }
    const auto same = std::ranges::find(resource, key, &Attributes::value_type::first);
    if (same != resource.end()) {
      same->second = std::move(value);  // the last one counts
    } else {
      resource.emplace_back(std::move(key), std::move(value));
    }
  }
  resource.insert(resource.begin(), {"service.name", service.empty() ? "rookery" : std::move(service)});
  return resource;
}

/// OTEL_TRACES_SAMPLER_ARG, a share.
double readRatio(const Reader& reader) {
  const std::string text = reader.get("OTEL_TRACES_SAMPLER_ARG");
  if (text.empty()) return 1;
  double ratio = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, ratio);
  if (error == std::errc() && stopped == end && ratio >= 0 && ratio <= 1) return ratio;
  reader.warn("OTEL_TRACES_SAMPLER_ARG", "is no number from 0 to 1");
  return 1;
}

Sampler readSampler(const Reader& reader) {
  std::string_view name;
  const std::string text = reader.get("OTEL_TRACES_SAMPLER");
  name = text;
  if (name.starts_with("parentbased_")) name.remove_prefix(std::string_view("parentbased_").size());
  if (name == "always_off") return {0};
  if (name == "traceidratio") return {readRatio(reader)};
  if (!name.empty() && name != "always_on")
    reader.warn("OTEL_TRACES_SAMPLER",
                "is none of always_on, always_off and traceidratio, with parentbased_ or without");
  return {1};
}

void readBatches(const Reader& reader, Settings& settings) {
  constexpr std::uint64_t hour = 3'600'000;
  if (const auto delay = reader.number("OTEL_BSP_SCHEDULE_DELAY", 0, hour))
    settings.delay = std::chrono::milliseconds(*delay);
  if (const auto queue = reader.number("OTEL_BSP_MAX_QUEUE_SIZE", 1, largestQueue)) settings.queue = *queue;
  if (const auto batch = reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, largestQueue))
    settings.batch = *batch;
  settings.batch = std::min(settings.batch, settings.queue);
}

/// What is asked for and is not there.
void warnOfOthers(const Reader& reader) {
  const auto [protocolName, protocol] = reader.ofTraces("PROTOCOL");
  if (!protocol.empty() && protocol != "http/json")
    reader.warn(protocolName, "names another protocol than http/json, the only one that is spoken");
  const auto [compressionName, compression] = reader.ofTraces("COMPRESSION");
  if (!compression.empty() && compression != "none")
    reader.warn(compressionName, "names a compression, and there is none");
}

}  // namespace

std::string Settings::shownUrl() const {
  const auto host = url.find("//") + 2;
  const auto path = std::min(url.find_first_of("/?#", host), url.size());
  const auto user = url.rfind('@', path);
  const auto begin = user == std::string::npos || user < host ? host : user + 1;
  return url.substr(0, host) +
         url.substr(begin, std::min(url.find_first_of("?#", begin), url.size()) - begin);
}

Environment readEnvironment(const std::function<const char*(const char*)>& variable) {
  Environment read;
  const Reader reader(variable, read.warnings);
  if (disabled(reader)) return read;
  auto url = readUrl(reader);
  if (!url) return read;
  Settings settings{.url = *std::move(url)};
  warnOfOthers(reader);
  settings.headers = readHeaders(reader);
  const auto [timeoutName, timeout] = reader.ofTraces("TIMEOUT");
  if (const auto number = reader.number(timeoutName, timeout, 1, std::numeric_limits<std::int32_t>::max()))
    settings.timeout = std::chrono::milliseconds(*number);
  settings.certificateAuthority = reader.ofTraces("CERTIFICATE").second;
  settings.clientCertificate = reader.ofTraces("CLIENT_CERTIFICATE").second;
  settings.clientKey = reader.ofTraces("CLIENT_KEY").second;
  settings.resource = readResource(reader);
  settings.sampler = readSampler(reader);
  readBatches(reader, settings);
  read.settings = std::move(settings);
  return read;
}

}  // namespace rookery::trace
