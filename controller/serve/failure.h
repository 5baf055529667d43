#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "serve/http.h"

namespace rookery::serve {

/// Which object or kind a failure is about: `details` of a Kubernetes Status. What is empty is left out.
struct FailureDetails {
  std::string name;
  std::string group;
  std::string kind;  // plural, as Kubernetes fills it
};

/// A failure as Kubernetes answers it: a `Status` object (meta/v1) with the reason that belongs to the HTTP
/// status `code`.
Response failure(int code, const std::string& message, const FailureDetails& details = {});

/// 405, with the header Allow: everything that is served so far is read-only.
Response methodNotAllowed(std::string_view method, const FailureDetails& details = {});

/// As text; bytes that are not UTF-8 are replaced, so it never throws on what came from outside.
std::string dump(const nlohmann::json& json);

}  // namespace rookery::serve
