#include "serve/list_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/json_path.h"
#include "http/target.h"
#include "serve/query_reader.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using Query = std::map<std::string, std::string>;

/// The inverse of toToken; nothing for what it never made.
std::optional<ListOptions::Continue> parseToken(const std::string& token) {
  std::string text;
  if (token.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < token.size(); i += 2) {
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(token.data() + i, token.data() + i + 2, byte, 16);
    if (error != std::errc() || end != token.data() + i + 2) return std::nullopt;
    text += static_cast<char>(byte);
  }
  const json value = json::parse(text, nullptr, false);
  if (!value.is_array() || value.size() != 3 || !value[0].is_number_unsigned() || !value[1].is_string() ||
      !value[2].is_string())
    return std::nullopt;
  return ListOptions::Continue{value[0], {value[1], value[2]}};
}

void readSelectors(const Query& query, const ResourceType& type, ListOptions& options, QueryReader& reader) {
  auto labels = api::LabelSelector::parse(http::parameterOf(query, "labelSelector"));
  if (labels)
    options.labels = *std::move(labels);
  else
    reader.refuse(labels.error().message);
  auto fields = api::FieldSelector::parse(http::parameterOf(query, "fieldSelector"), type.fieldLabels);
  if (fields)
    options.fields = *std::move(fields);
  else
    reader.refuse(fields.error().message);
}

}  // namespace

std::expected<ListOptions, http::Response> parseListOptions(const Query& query, const ResourceType& type) {
  ListOptions options;
  QueryReader reader(query);
  readSelectors(query, type, options, reader);
  reader.read("watch", options.watch);
  reader.read("allowWatchBookmarks", options.allowWatchBookmarks);
  reader.read("sendInitialEvents", options.sendInitialEvents);
  reader.read("resourceVersion", options.resourceVersion);
  std::optional<std::uint64_t> limit;
  reader.read("limit", limit);
  options.limit = limit.value_or(0);
  std::optional<std::uint64_t> timeout;
  reader.read("timeoutSeconds", timeout);
  constexpr std::uint64_t longestTimeout = std::chrono::seconds(std::chrono::days(1)).count();
  if (timeout) options.timeout = std::chrono::seconds(std::min(*timeout, longestTimeout));
  options.exact = http::parameterOf(query, "resourceVersionMatch") == "Exact";
  if (const std::string token = http::parameterOf(query, "continue"); !token.empty()) {
    options.from = parseToken(token);
    if (!options.from) reader.refuse("continue", "is not a token that this server gave");
  }
  if (reader.failed()) return std::unexpected(*reader.failed());
  return options;
}

std::string toToken(const ListOptions::Continue& from) {
  const std::string text = json::array({from.resourceVersion, from.after.first, from.after.second}).dump();
  std::string token;
  for (const char c : text) token += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return token;
}

bool selects(const ListOptions& options, const Item& item) {
  static const api::Labels none;
  if (!options.labels.matches(item.labels == nullptr ? none : *item.labels)) return false;
  std::optional<json> shaped;
  return options.fields.matches([&](std::string_view field) {
    if (field == "metadata.name") return std::string(item.name);
    if (field == "metadata.namespace") return std::string(item.nameSpace);
    if (!shaped) shaped = item.shape();
    return api::textByPath(*shaped, fmt::format(".{}", field));
  });
}

}  // namespace rookery::serve
