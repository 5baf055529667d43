#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/schema.h"

namespace rookery::cli {

struct TableOptions {
  bool wide = false;        // columns of a lower priority, too
  bool namespaces = false;  // a column NAMESPACE first
};

/// Objects (JSON, as the API serves them) as `kubectl get` shows them: a row of headings, then a row for
/// each, with the printer columns of their kind. Dates are ages at `now`; what an object lacks is "<none>".
std::vector<std::vector<std::string>> tabulate(const api::Definition& definition,
                                               const nlohmann::json& objects, const TableOptions& options,
                                               std::chrono::system_clock::time_point now);

}  // namespace rookery::cli
