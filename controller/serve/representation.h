#pragma once

#include <expected>
#include <string>

#include "http/message.h"
#include "http/target.h"
#include "serve/negotiation.h"
#include "serve/request.h"
#include "serve/resource.h"
#include "serve/table.h"

namespace rookery::serve {

/// In which form a client gets the objects of a resource: as they are, as rows of a Table, or their metadata
/// only.
class Representation {
 public:
  /// As the Accept header and the parameter includeObject ask for. Failures: 406, 400. `type` must outlive
  /// it.
  static std::expected<Representation, http::Response> of(const Request& request, const http::Target& target,
                                                          Content content, const ResourceType& type);

  /// One object.
  std::string object(const Item& item, api::SystemTime now) const;

  /// The parts of a list, in their order: what comes before the objects, each of them (joined by commas), and
  /// what comes after.
  std::string listBegin(const ListMeta& meta) const;
  std::string listItem(const Item& item, api::SystemTime now) const;
  static constexpr std::string_view listEnd = "]}\n";

  /// The object of a watch's event; of a Table, only the first has the columns' definitions.
  nlohmann::json watched(const Item& item, bool first, api::SystemTime now) const;
  /// The object of a BOOKMARK: nothing but the version.
  nlohmann::json bookmark(std::uint64_t resourceVersion, bool initialEventsEnd) const;

 private:
  Representation(const ResourceType& type, MediaType form, IncludeObject include)
      : type_(&type), form_(form), include_(include) {}

  TableOptions tableOptions(bool headers) const {
    return {.version = form_.version, .includeObject = include_, .headers = headers};
  }

  const ResourceType* type_;
  MediaType form_;
  IncludeObject include_;
};

}  // namespace rookery::serve
