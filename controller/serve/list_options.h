#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "api/selector.h"
#include "http/message.h"
#include "serve/resource.h"

namespace rookery::serve {

/// The parameters of a list or a watch: metav1.ListOptions, as far as they mean something here.
struct ListOptions {
  /// Where a list that was cut at its limit goes on.
  struct Continue {
    std::uint64_t resourceVersion = 0;          // of the first part
    std::pair<std::string, std::string> after;  // namespace and name of the last object that was sent
  };

  api::LabelSelector labels;
  api::FieldSelector fields;
  std::size_t limit = 0;  // 0: none
  std::optional<Continue> from;
  std::optional<std::uint64_t> resourceVersion;
  bool exact = false;  // resourceVersionMatch=Exact
  bool watch = false;
  bool allowWatchBookmarks = false;
  std::chrono::milliseconds bookmarkPeriod{60'000};  // of a watch that allows them
  bool sendInitialEvents = false;
  std::optional<std::chrono::seconds> timeout;
};

/// Reads the parameters of a request for a resource. A failure (400) is in the words of the API server.
std::expected<ListOptions, http::Response> parseListOptions(const std::map<std::string, std::string>& query,
                                                            const ResourceType& type);

/// The token that a client sends as `continue`, opaque to it.
std::string toToken(const ListOptions::Continue& from);

/// Whether the selectors select the object.
bool selects(const ListOptions& options, const Item& item);

}  // namespace rookery::serve
