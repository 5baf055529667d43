// What the API makes of a request's method, target and Accept header: a line for each.

#include <algorithm>

#include "fuzz/target.h"
#include "http/target.h"
#include "serve/list_options.h"
#include "serve/negotiation.h"
#include "serve/request_info.h"
#include "text.h"

namespace rookery::fuzz {
namespace {

std::string_view takeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// What was understood of a target, written anew, is understood in the same way.
void expectStable(const http::Target& target) {
  std::string path, query;
  for (const std::string& segment : target.segments) path += "/" + percentEncode(segment);
  for (const auto& [name, value] : target.query)
    query += (query.empty() ? "?" : "&") + percentEncode(name) + "=" + percentEncode(value);
  // An empty segment at the end would be a trailing slash.
  if (target.segments.empty() || target.segments.back().empty()) path += "/";
  const auto again = http::parseTarget(path + query);
  check(again && again->segments == target.segments && again->query == target.query,
        "a target survives encoding");
}

const Target apiRequest("api_request", [](std::string_view input) {
  const std::string_view method = takeLine(input), written = takeLine(input);
  for (const auto content :
       {serve::Content::Object, serve::Content::List, serve::Content::Watch, serve::Content::Discovery})
    serve::negotiate(input, content);
  serve::negotiateOpenApiV2(input);
  const auto target = http::parseTarget(written);
  if (!target) return;
  expectStable(*target);
  serve::requestInfoOf(method, *target);
  const serve::ResourceType type{.fieldLabels = {"metadata.name", "metadata.namespace"}};
  auto options = serve::parseListOptions(target->query, type);
  if (!options || !options->from) return;
  const auto again = serve::parseListOptions({{"continue", serve::toToken(*options->from)}}, type);
  check(again && again->from && again->from->after == options->from->after &&
            again->from->resourceVersion == options->from->resourceVersion,
        "a continue token survives encoding");
});

}  // namespace
}  // namespace rookery::fuzz
