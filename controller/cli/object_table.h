#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "serve/table.h"

namespace rookery::cli {

struct ObjectTableOptions {
  bool wide = false;          // columns of a lower priority, too
  bool namespaces = false;    // a column NAMESPACE first
  std::string typeName = {};  // stands before the names, where there are objects of several kinds
};

/// The row of headings of a table of objects, as `kubectl get` shows it.
std::vector<std::string> headings(const serve::TableColumns& columns, const ObjectTableOptions& options);

/// A row for each object (JSON, as the API serves it). Dates are ages at `now`; what an object lacks is
/// "<none>".
std::vector<std::vector<std::string>> tabulate(const serve::TableColumns& columns,
                                               const nlohmann::json& objects,
                                               const ObjectTableOptions& options,
                                               std::chrono::system_clock::time_point now);

}  // namespace rookery::cli
