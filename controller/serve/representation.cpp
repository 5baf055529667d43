#include "serve/representation.h"

#include <fmt/format.h>

#include "serve/failure.h"
#include "yaml/writer.h"

namespace rookery::serve {

using nlohmann::json;

std::expected<Representation, http::Response> Representation::of(const Request& request,
                                                                 const http::Target& target, Content content,
                                                                 const ResourceType& type) {
  const auto form = negotiate(request.accept, content);
  if (!form) {
    return std::unexpected(notAcceptable());
  }
  const auto include = parseIncludeObject(http::parameterOf(target.query, "includeObject"));
  if (!include) return std::unexpected(failure(400, include.error().message));
  return Representation(type, *form, *include);
}

std::string Representation::object(const Item& item, api::SystemTime now) const {
  return yaml::dump(watched(item, true, now)) + "\n";
}

std::string Representation::listBegin(const ListMeta& meta) const {
  json list = tableWithoutRows(*type_->columns, meta, tableOptions(true));
  if (form_.as == MediaType::As::PartialObjectMetadata) {
    list = {{"apiVersion", fmt::format("meta.k8s.io/{}", form_.version)},
            {"kind", "PartialObjectMetadataList"},
            {"metadata", list["metadata"]}};
  } else if (form_.as == MediaType::As::Itself) {
    list = {
        {"apiVersion", type_->apiVersion()}, {"kind", type_->kind + "List"}, {"metadata", list["metadata"]}};
  }
  const char* array = form_.as == MediaType::As::Table ? "rows" : "items";
  list.erase(array);
  std::string text = yaml::dump(list);
  text.pop_back();  // the object goes on
  return text + fmt::format(",\"{}\":[", array);
}

std::string Representation::listItem(const Item& item, api::SystemTime now) const {
  switch (form_.as) {
    case MediaType::As::Table:
      return yaml::dump(tableRow(*type_->columns, item.shape(), tableOptions(false), now));
    case MediaType::As::PartialObjectMetadata:
      return yaml::dump(partialObjectMetadata(item.shape(), form_.version));
    case MediaType::As::Itself:
      return yaml::dump(item.shape());
  }
  check(false, "every form of a list's item is known");
  return {};
}

json Representation::watched(const Item& item, bool first, api::SystemTime now) const {
  json object = item.shape();
  if (form_.as == MediaType::As::PartialObjectMetadata) return partialObjectMetadata(object, form_.version);
  if (form_.as == MediaType::As::Itself) return object;
  const ListMeta meta{
      .resourceVersion = std::to_string(item.resourceVersion), .continueToken = {}, .remainingItemCount = {}};
  return toTable(*type_->columns, json::array({std::move(object)}), meta, tableOptions(first), now);
}

json Representation::bookmark(std::uint64_t resourceVersion, bool initialEventsEnd) const {
  json metadata = {{"resourceVersion", std::to_string(resourceVersion)}, {"creationTimestamp", nullptr}};
  if (initialEventsEnd) metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
  return {{"apiVersion", type_->apiVersion()}, {"kind", type_->kind}, {"metadata", std::move(metadata)}};
}

}  // namespace rookery::serve
