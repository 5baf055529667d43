#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "serve/table.h"

namespace rookery::cli {

/// A kind of objects as a controller's API serves it: the custom kinds, events, namespaces and secrets.
struct ApiResource {
  std::string root;  // "/apis/rookery.dev/v1alpha1"
  std::string plural;
  std::string kind;
  std::string typeName;  // as `-o name` prints it: "unikernel.rookery.dev"
  bool namespaced = true;
  serve::TableColumns columns;

  /// By any name that kubectl would take. Error: UsageError that lists them.
  static Result<ApiResource> named(std::string_view word);

  /// Of all objects; of those in a namespace, where the kind has namespaces.
  std::string path(const std::optional<std::string>& nameSpace) const;
  std::string path(const std::optional<std::string>& nameSpace, const std::string& name) const;

  /// The object as it may be shown: a Secret without its values.
  nlohmann::json presentable(nlohmann::json object) const;
};

/// What a selector may hold of `text`: commas, equal signs and backslashes stand behind a backslash.
std::string escapeFieldValue(std::string_view text);

}  // namespace rookery::cli
