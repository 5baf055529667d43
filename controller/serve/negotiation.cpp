#include "serve/negotiation.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "text.h"

namespace rookery::serve {
namespace {

/// A range of an Accept header. Views into the header.
struct MediaRange {
  std::string type;  // "application/json", "*/*"; in lower case
  std::vector<std::pair<std::string, std::string_view>> parameters;  // names in lower case; without q
  double quality = 1;
};

/// Takes what stands before the next `separator` that is not in a quoted string, and the separator.
std::string_view takePart(std::string_view& text, char separator) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (!quoted && text[i] == separator) {
      const std::string_view part = text.substr(0, i);
      text.remove_prefix(i + 1);
      return trimmed(part);
    }
  }
  return trimmed(std::exchange(text, {}));
}

/// Of what is no number nobody can tell how much it is wanted: it is not.
double parseQuality(std::string_view text) {
  double quality = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quality);
  const bool valid = error == std::errc() && end == text.data() + text.size() && quality >= 0 && quality <= 1;
  return valid ? quality : 0;
}

MediaRange parseRange(std::string_view text) {
  MediaRange range{.type = toLower(takePart(text, ';')), .parameters = {}, .quality = 1};
  while (!text.empty()) {
    const std::string_view parameter = takePart(text, ';');
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    std::string name = toLower(trimmed(parameter.substr(0, equals)));
    std::string_view value = trimmed(parameter.substr(std::min(equals + 1, parameter.size())));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
      value = value.substr(1, value.size() - 2);
    }
    if (name == "q") {
      range.quality = parseQuality(value);
    } else {
      range.parameters.emplace_back(std::move(name), value);
    }
  }
  return range;
}

/// How little of the type a range leaves open.
int specificity(const MediaRange& range) {
  if (range.type == "*/*") return 0;
  return range.type.ends_with("/*") ? 1 : 2;
}

/// The ranges that the client accepts, the most wanted first.
std::vector<MediaRange> parseAccept(std::string_view accept) {
  std::vector<MediaRange> ranges;
  if (trimmed(accept).empty()) accept = "*/*";
  while (!accept.empty()) {
    MediaRange range = parseRange(takePart(accept, ','));
    if (range.quality > 0) ranges.push_back(std::move(range));
  }
  std::ranges::stable_sort(ranges, std::ranges::greater(), [](const MediaRange& range) {
    return std::pair(range.quality, specificity(range));
  });
  return ranges;
}

bool includes(const MediaRange& range, std::string_view type) {
  return range.type == type || range.type == "*/*" ||
         (range.type.ends_with("/*") && type.starts_with(range.type.substr(0, range.type.size() - 1)));
}

/// What `as`, `g` and `v` ask an object to be turned into.
struct Conversion {
  std::string_view kind, group, version;
};

std::optional<MediaType> convert(MediaType type, const Conversion& conversion, Content content) {
  if (conversion.group != "meta.k8s.io" || content == Content::Discovery) return std::nullopt;
  if (conversion.version == "v1") {
    type.version = "v1";
  } else if (conversion.version == "v1beta1") {
    type.version = "v1beta1";
  } else {
    return std::nullopt;
  }
  if (conversion.kind == "Table") {
    type.as = MediaType::As::Table;
    return type;
  }
  const std::string_view partial =
      content == Content::List ? "PartialObjectMetadataList" : "PartialObjectMetadata";
  if (conversion.kind != partial) return std::nullopt;
  type.as = MediaType::As::PartialObjectMetadata;
  return type;
}

/// Parameters that are not known mean nothing, as for Kubernetes.
std::optional<MediaType> accept(const MediaRange& range, Content content) {
  MediaType type;
  std::optional<Conversion> conversion;
  for (const auto& [name, value] : range.parameters) {
    if (name == "as" || name == "g" || name == "v") {
      if (!conversion) conversion.emplace();
      (name == "as" ? conversion->kind : name == "g" ? conversion->group : conversion->version) = value;
    } else if (name == "stream" && !value.empty() && (value != "watch" || content != Content::Watch)) {
      return std::nullopt;
    } else if (name == "pretty") {
      type.pretty = value == "1";
    }
  }
  return conversion ? convert(type, *conversion, content) : type;
}

}  // namespace

std::optional<MediaType> negotiate(std::string_view acceptHeader, Content content) {
  for (const MediaRange& range : parseAccept(acceptHeader)) {
    if (!includes(range, "application/json")) continue;
    if (const auto type = accept(range, content)) return type;
  }
  return std::nullopt;
}

std::optional<OpenApiForm> negotiateOpenApiV2(std::string_view acceptHeader) {
  for (const MediaRange& range : parseAccept(acceptHeader)) {
    if (includes(range, "application/json")) return OpenApiForm::Json;
    if (range.type == "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" ||
        range.type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf") {
      return OpenApiForm::Protobuf;
    }
  }
  return std::nullopt;
}

}  // namespace rookery::serve
