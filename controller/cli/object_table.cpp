#include "cli/object_table.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "cli/age.h"
#include "cli/json_path.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using Now = std::chrono::system_clock::time_point;

constexpr const char* missing = "<none>";

std::string heading(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

std::string cell(const json& object, const api::Column& column, Now now) {
  const json* value = findByPath(object, column.jsonPath);
  if (value == nullptr || value->is_null()) return missing;
  if (!value->is_string()) return value->dump(-1, ' ', false, json::error_handler_t::replace);
  const auto& text = value->get_ref<const std::string&>();
  return column.type == "date" ? formatAgeSince(text, now) : text;
}

}  // namespace

std::vector<std::vector<std::string>> tabulate(const api::Definition& definition, const json& objects,
                                               const TableOptions& options, Now now) {
  std::vector<api::Column> columns = {
      {.name = "Name", .type = "string", .jsonPath = ".metadata.name", .priority = 0}};
  if (options.namespaces && definition.namespaced) {
    columns.insert(columns.begin(),
                   {.name = "Namespace", .type = "string", .jsonPath = ".metadata.namespace", .priority = 0});
  }
  for (const api::Column& column : definition.columns) {
    if (options.wide || column.priority == 0) columns.push_back(column);
  }

  std::vector<std::vector<std::string>> rows(1);
  for (const api::Column& column : columns) rows.front().push_back(heading(column.name));
  for (const json& object : objects) {
    std::vector<std::string>& row = rows.emplace_back();
    for (const api::Column& column : columns) row.push_back(cell(object, column, now));
  }
  return rows;
}

}  // namespace rookery::cli
