#include "serve/table.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "api/age.h"
#include "api/json_path.h"
#include "api/printer_column.h"
#include "api/syntax.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

constexpr const char* tableNameDescription =
    "Name must be unique within a namespace, or among all objects of a kind that is cluster-scoped.";

std::string ageOf(std::string_view timestamp, api::SystemTime now) {
  return timestamp.empty() ? "<unknown>" : api::formatAgeSince(timestamp, now);
}

/// The first timestamp of these that an event has.
std::string firstGiven(const json& event, std::initializer_list<std::string_view> paths) {
  for (const std::string_view path : paths) {
    if (std::string text = api::textByPath(event, path); !text.empty()) return text;
  }
  return {};
}

json nameCell(const json& object, const api::Column& /*unused*/, api::SystemTime /*now*/) {
  return api::textByPath(object, ".metadata.name");
}

json textCell(const json& object, const api::Column& column, api::SystemTime /*now*/) {
  return api::textByPath(object, column.jsonPath);
}

json ageCell(const json& object, const api::Column& column, api::SystemTime now) {
  return ageOf(api::textByPath(object, column.jsonPath), now);
}

// An event of the newer API has eventTime and series, one of the older API two timestamps and a count.
json lastSeenCell(const json& event, const api::Column& /*unused*/, api::SystemTime now) {
  return ageOf(
      firstGiven(event, {".series.lastObservedTime", ".lastTimestamp", ".firstTimestamp", ".eventTime"}),
      now);
}

json firstSeenCell(const json& event, const api::Column& /*unused*/, api::SystemTime now) {
  return ageOf(firstGiven(event, {".firstTimestamp", ".eventTime"}), now);
}

json countCell(const json& event, const api::Column& /*unused*/, api::SystemTime /*now*/) {
  for (const char* path : {".series.count", ".count"}) {
    const json* value = api::findByPath(event, path);
    if (value != nullptr && value->is_number_integer() && *value != 0) return *value;
  }
  return 1;
}

json involvedObjectCell(const json& event, const api::Column& /*unused*/, api::SystemTime /*now*/) {
  const std::string kind = toLower(api::textByPath(event, ".involvedObject.kind"));
  const std::string of = api::textByPath(event, ".involvedObject.name");
  return of.empty() ? kind : fmt::format("{}/{}", kind, of);
}

json sourceCell(const json& event, const api::Column& /*unused*/, api::SystemTime /*now*/) {
  const std::string program = firstGiven(event, {".source.component", ".reportingComponent"});
  const std::string host = firstGiven(event, {".source.host", ".reportingInstance"});
  return host.empty() ? program : fmt::format("{}, {}", program, host);
}

json messageCell(const json& event, const api::Column& /*unused*/, api::SystemTime /*now*/) {
  return trimmed(api::textByPath(event, ".message"));
}

json dataCountCell(const json& secret, const api::Column& /*unused*/, api::SystemTime /*now*/) {
  const json* data = api::findByPath(secret, ".data");
  return data != nullptr && data->is_object() ? data->size() : 0;
}

/// How many a plan's list at `path` has, with those that it leaves out, whose number stands beside it.
json lengthCell(const json& plan, const api::Column& column, api::SystemTime /*now*/) {
  const json* list = api::findByPath(plan, "." + column.jsonPath);
  const json* left = api::findByPath(plan, "." + column.jsonPath + "LeftOut");
  return (list == nullptr ? 0 : list->size()) + (left == nullptr ? 0 : left->get<std::size_t>());
}

/// Bytes in whole Mi.
json memoryCell(const json& usage, const api::Column& column, api::SystemTime /*now*/) {
  const std::string bytes = api::textByPath(usage, column.jsonPath);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), number);
  return error == std::errc() ? json(fmt::format("{}Mi", number >> 20U)) : json(nullptr);
}

TableColumn nameColumn(int priority) {
  return {.name = "Name",
          .type = "string",
          .format = "name",
          .description = tableNameDescription,
          .priority = priority,
          .cell = nameCell};
}

/// A column with the text or the age at `path`.
TableColumn pathColumn(std::string heading, std::string path, std::string description, int priority,
                       decltype(TableColumn::cell) cell) {
  return {.name = std::move(heading),
          .type = "string",
          .format = "",
          .description = std::move(description),
          .priority = priority,
          .cell = cell,
          .source = {.name = {}, .type = {}, .jsonPath = std::move(path), .priority = 0}};
}

TableColumns customColumns(const api::Definition& definition) {
  TableColumns columns = {nameColumn(0)};
  for (const api::Column& column : definition.columns) {
    columns.push_back({.name = column.name,
                       .type = column.type,
                       .format = "",
                       .description = fmt::format(
                           "Custom resource definition column (in JSONPath format): {}", column.jsonPath),
                       .priority = column.priority,
                       .cell = api::cellOf,
                       .source = column});
  }
  return columns;
}

TableColumns secretColumns() {
  return {nameColumn(0), pathColumn("Type", ".type", "What the secret is used for.", 0, textCell),
          pathColumn("Data", "", "How many values the secret has.", 0, dataCountCell),
          pathColumn("Age", ".metadata.creationTimestamp", "When the object was created.", 0, ageCell)};
}

json definitionsOf(const TableColumns& columns) {
  json definitions = json::array();
  for (const TableColumn& column : columns) {
    definitions.push_back({{"name", column.name},
                           {"type", column.type},
                           {"format", column.format},
                           {"description", column.description},
                           {"priority", column.priority}});
  }
  return definitions;
}

}  // namespace

Result<IncludeObject> parseIncludeObject(std::string_view text) {
  if (text.empty() || text == "Metadata") return IncludeObject::Metadata;
  if (text == "None") return IncludeObject::None;
  if (text == "Object") return IncludeObject::Object;
  return fail(
      Reason::UsageError,
      fmt::format("Unable to convert to Table as requested: includeObject: Invalid value: {}: must be "
                  "'Metadata', 'Object', 'None', or empty",
                  quote(text)));
}

const TableColumns& columnsOf(api::Kind kind) {
  static const auto all = [] {
    std::map<api::Kind, TableColumns> columns = {{api::Kind::Secret, secretColumns()}};
    for (const api::Kind each : api::customKinds()) {
      columns.emplace(each, customColumns(api::definitionOf(each)));
    }
    return columns;
  }();
  const auto found = all.find(kind);
  check(found != all.end(), "each kind has the columns of its table");
  return found->second;
}

const TableColumns& eventColumns() {
  static const TableColumns columns = {
      pathColumn("Last Seen", "", "When the event was last seen.", 0, lastSeenCell),
      pathColumn("Type", ".type", "Normal or Warning; others may be added.", 0, textCell),
      pathColumn("Reason", ".reason", "Why, in one CamelCase word.", 0, textCell),
      pathColumn("Object", "", "The object that the event is about.", 0, involvedObjectCell),
      pathColumn("Subobject", ".involvedObject.fieldPath", "The part of the object that the event is about.",
                 1, textCell),
      pathColumn("Source", "", "The program that reports the event.", 1, sourceCell),
      pathColumn("Message", "", "What happened, in a sentence.", 0, messageCell),
      pathColumn("First Seen", "", "When the event was first seen.", 1, firstSeenCell),
      pathColumn("Count", "", "How often the event was seen.", 1, countCell),
      nameColumn(1)};
  return columns;
}

const TableColumns& usageColumns() {
  static const TableColumns columns = {
      nameColumn(0),
      pathColumn("Instance", ".instance", "Where it runs.", 0, textCell),
      pathColumn("CPU", ".usage.cpu", "Thousandths of a CPU, on average since it was told before.", 0,
                 textCell),
      pathColumn("Memory", ".usage.memory", "Resident.", 0, memoryCell),
      pathColumn("Limit", ".memoryLimit", "The memory that it has.", 0, memoryCell),
      pathColumn("Window", ".window", "What CPU is the average of.", 1, textCell),
      pathColumn("Age", ".timestamp", "Since the server said so.", 1, ageCell)};
  return columns;
}

const TableColumns& planColumns() {
  static const TableColumns columns = {
      nameColumn(0),
      pathColumn("Changes", "changes", "How many steps are to be taken.", 0, lengthCell),
      pathColumn("Withheld", "withheld", "How many objects the prune guard withholds.", 0, lengthCell),
      pathColumn("Errors", "errors", "How much is in the way.", 0, lengthCell),
      pathColumn("Version", ".server.version", "The releases of Albatross that speak as the server does.", 0,
                 textCell),
      pathColumn("Observed", ".observedAt", "Since the server was looked at.", 0, ageCell)};
  return columns;
}

const TableColumns& namespaceColumns() {
  static const TableColumns columns = {
      nameColumn(0), pathColumn("Status", ".status.phase", "Active.", 0, textCell),
      pathColumn("Age", ".metadata.creationTimestamp", "When the object was created.", 0, ageCell)};
  return columns;
}

json partialObjectMetadata(const json& object, std::string_view version) {
  const json* metadata = api::findByPath(object, ".metadata");
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", fmt::format("meta.k8s.io/{}", version)},
          {"metadata", metadata != nullptr ? *metadata : json::object()}};
}

json tableRow(const TableColumns& columns, const json& object, const TableOptions& options,
              api::SystemTime now) {
  json cells = json::array();
  for (const TableColumn& column : columns) cells.push_back(column.cell(object, column.source, now));
  json row = {{"cells", std::move(cells)}, {"object", nullptr}};
  if (options.includeObject == IncludeObject::Metadata) {
    row["object"] = partialObjectMetadata(object, options.version);
  } else if (options.includeObject == IncludeObject::Object) {
    row["object"] = object;
  }
  return row;
}

json tableWithoutRows(const TableColumns& columns, const ListMeta& meta, const TableOptions& options) {
  json metadata = {{"resourceVersion", meta.resourceVersion}};
  if (!meta.continueToken.empty()) metadata["continue"] = meta.continueToken;
  if (meta.remainingItemCount) metadata["remainingItemCount"] = *meta.remainingItemCount;
  return {{"kind", "Table"},
          {"apiVersion", fmt::format("meta.k8s.io/{}", options.version)},
          {"metadata", std::move(metadata)},
          {"columnDefinitions", options.headers ? definitionsOf(columns) : json(nullptr)},
          {"rows", json::array()}};
}

json toTable(const TableColumns& columns, const json& objects, const ListMeta& meta,
             const TableOptions& options, api::SystemTime now) {
  json table = tableWithoutRows(columns, meta, options);
  for (const json& object : objects) table["rows"].push_back(tableRow(columns, object, options, now));
  return table;
}

}  // namespace rookery::serve
