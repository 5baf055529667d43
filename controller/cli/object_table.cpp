#include "cli/object_table.h"

#include <algorithm>
#include <cctype>

#include "api/json_path.h"

namespace rookery::cli {
namespace {

using nlohmann::json;

constexpr const char* missing = "<none>";

std::string heading(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

std::string text(const json* cell) {
  if (cell == nullptr || cell->is_null()) return missing;
  return cell->is_string() ? cell->get<std::string>() : cell->dump();
}

bool shown(const serve::TableColumn& column, const ObjectTableOptions& options) {
  return options.wide || column.priority == 0;
}

}  // namespace

std::vector<std::string> headings(const serve::TableColumns& columns, const ObjectTableOptions& options) {
  std::vector<std::string> row;
  if (options.namespaces) row.emplace_back("NAMESPACE");
  for (const serve::TableColumn& column : columns) {
    if (shown(column, options)) row.push_back(heading(column.name));
  }
  return row;
}

std::vector<std::vector<std::string>> tabulate(const serve::TableColumns& columns, const json& objects,
                                               const ObjectTableOptions& options,
                                               std::chrono::system_clock::time_point now) {
  const serve::TableOptions cellsOnly{.includeObject = serve::IncludeObject::None};
  std::vector<std::vector<std::string>> rows;
  for (const json& object : objects) {
    const json served = serve::tableRow(columns, object, cellsOnly, now);
    std::vector<std::string>& row = rows.emplace_back();
    if (options.namespaces) row.push_back(text(api::findByPath(object, ".metadata.namespace")));
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!shown(columns[i], options)) continue;
      const bool named = columns[i].name == "Name" && !options.typeName.empty();
      row.push_back((named ? options.typeName + "/" : "") + text(&served.at("cells").at(i)));
    }
  }
  return rows;
}

}  // namespace rookery::cli
