#include "cli/description.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "api/age.h"
#include "api/json_path.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "yaml/writer.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using Now = std::chrono::system_clock::time_point;
using Rows = std::vector<std::vector<std::string>>;

constexpr std::string_view none = "<none>";

std::string shownAt(const json& object, std::string_view path) {
  const json* value = api::findByPath(object, path);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? value->get<std::string>() : yaml::dump(*value);
}

std::string ageOf(const std::string& timestamp, Now now) {
  return timestamp.empty() ? "<unknown>" : api::formatAgeSince(timestamp, now);
}

std::string since(const std::string& timestamp, Now now) {
  return timestamp.empty() ? "" : fmt::format("{} ({} ago)", timestamp, ageOf(timestamp, now));
}

/// Each line of `text` two columns further in.
std::string indented(const std::string& text) {
  std::istringstream lines(text);
  std::string indented;
  for (std::string line; std::getline(lines, line);) indented += line.empty() ? "\n" : "  " + line + "\n";
  return indented;
}

std::string table(const Rows& rows) {
  std::ostringstream out;
  printTable(out, rows);
  return out.str();
}

/// Below the headings a line, as kubectl describe has it.
std::string ruledTable(Rows rows) {
  std::vector<std::string> rule;
  for (const std::string& heading : rows.front()) rule.emplace_back(heading.size(), '-');
  rows.insert(rows.begin() + 1, std::move(rule));
  return indented(table(rows));
}

/// The pairs of a mapping, one a row; only the first has a title.
void addPairs(Rows& rows, const std::string& title, const json* pairs) {
  if (pairs == nullptr || !pairs->is_object() || pairs->empty()) {
    rows.push_back({title, std::string(none)});
    return;
  }
  std::string cell = title;
  for (const auto& [key, value] : pairs->items()) {
    rows.push_back({std::exchange(cell, ""),
                    fmt::format("{}={}", key, value.is_string() ? value.get<std::string>() : value.dump())});
  }
}

std::string header(const json& object, Now now) {
  Rows rows = {{"Name:", shownAt(object, ".metadata.name")}};
  if (const auto nameSpace = shownAt(object, ".metadata.namespace"); !nameSpace.empty()) {
    rows.push_back({"Namespace:", nameSpace});
  }
  addPairs(rows, "Labels:", api::findByPath(object, ".metadata.labels"));
  addPairs(rows, "Annotations:", api::findByPath(object, ".metadata.annotations"));
  const auto add = [&](const char* title, const std::string& value) {
    if (!value.empty()) rows.push_back({title, value});
  };
  add("API Version:", shownAt(object, ".apiVersion"));
  add("Kind:", shownAt(object, ".kind"));
  add("Created:", since(shownAt(object, ".metadata.creationTimestamp"), now));
  add("Deleted:", since(shownAt(object, ".metadata.deletionTimestamp"), now));
  add("Generation:", shownAt(object, ".metadata.generation"));
  return table(rows);
}

/// A mapping as a manifest would write it; nothing where there is none.
std::string section(const char* title, const json& fields) {
  if (!fields.is_object() || fields.empty()) return "";
  return fmt::format("{}:\n{}", title, indented(yaml::toYaml(fields)));
}

/// What an object has besides what every object has: the spec, or a Secret's type.
std::string contents(const json& object) {
  std::string text;
  json others = object;
  for (const char* field : {"apiVersion", "kind", "metadata", "spec", "status"}) others.erase(field);
  for (const auto& [name, value] : others.items()) text += yaml::toYaml(json::object({{name, value}}));
  return text + section("Spec", object.value("spec", json()));
}

std::string conditions(const json& status, Now now) {
  const json* list = api::findByPath(status, ".conditions");
  if (list == nullptr || !list->is_array() || list->empty()) return "";
  Rows rows = {{"Type", "Status", "Reason", "Age", "Message"}};
  for (const json& condition : *list) {
    rows.push_back({shownAt(condition, ".type"), shownAt(condition, ".status"), shownAt(condition, ".reason"),
                    ageOf(shownAt(condition, ".lastTransitionTime"), now), shownAt(condition, ".message")});
  }
  return "Conditions:\n" + ruledTable(std::move(rows));
}

std::string placementsOf(const json& status, Now now) {
  const json* list = api::findByPath(status, ".placements");
  if (list == nullptr || !list->is_array() || list->empty()) return "";
  Rows rows = {{"Instance", "Ready", "Updated", "Restarts", "Started", "Reason", "Message"}};
  for (const json& placement : *list) {
    rows.push_back({shownAt(placement, ".instance"), shownAt(placement, ".ready"),
                    shownAt(placement, ".updated"), shownAt(placement, ".restarts"),
                    ageOf(shownAt(placement, ".startedAt"), now), shownAt(placement, ".reason"),
                    shownAt(placement, ".message")});
  }
  return "Placements:\n" + ruledTable(std::move(rows));
}

std::string lastAction(const json& status, Now now) {
  const json* action = api::findByPath(status, ".lastAction");
  if (action == nullptr) return "";
  std::string text = fmt::format("Last Action:   {}", shownAt(*action, ".verb"));
  if (const auto time = since(shownAt(*action, ".time"), now); !time.empty()) text += ", " + time;
  if (const auto duration = shownAt(*action, ".duration"); !duration.empty()) text += ", took " + duration;
  const json* bytes = api::findByPath(*action, ".bytes");
  if (bytes != nullptr && bytes->is_number_unsigned() && *bytes != 0) {
    text += fmt::format(", {} sent", humanBytes(bytes->get<std::uint64_t>()));
  }
  return text + '\n';
}

std::string history(const json& status) {
  const json* digests = api::findByPath(status, ".history");
  if (digests == nullptr || !digests->is_array() || digests->empty()) return "";
  Rows rows;
  for (const json& digest : *digests) rows.push_back({digest.is_string() ? digest.get<std::string>() : ""});
  return "History:\n" + indented(table(rows));
}

std::string statusOf(const json& object, Now now) {
  json status = object.value("status", json());
  if (!status.is_object()) return "";
  const std::string parts =
      conditions(status, now) + placementsOf(status, now) + lastAction(status, now) + history(status);
  for (const char* shown : {"conditions", "lastAction", "history", "placements", "placedOn"})
    status.erase(shown);
  return section("Status", status) + parts;
}

/// "5m2s", or "5m2s (x3 over 2h)" of what came back.
std::string ageOfEvent(const json& event, Now now) {
  const std::string first = shownAt(event, ".firstTimestamp");
  const std::string last = shownAt(event, ".lastTimestamp");
  const std::string age = ageOf(last.empty() ? first : last, now);
  const json* count = api::findByPath(event, ".count");
  const bool again = count != nullptr && count->is_number_integer() && *count > 1;
  return again ? fmt::format("{} (x{} over {})", age, count->dump(), ageOf(first, now)) : age;
}

std::string eventsOf(const json& listed, Now now) {
  if (!listed.is_array() || listed.empty()) return fmt::format("Events:   {}\n", none);
  auto events = listed.get<std::vector<json>>();
  std::ranges::stable_sort(events, {}, [](const json& event) { return shownAt(event, ".lastTimestamp"); });
  Rows rows = {{"Type", "Reason", "Age", "From", "Message"}};
  for (const json& event : events) {
    rows.push_back({shownAt(event, ".type"), shownAt(event, ".reason"), ageOfEvent(event, now),
                    shownAt(event, ".source.component"), shownAt(event, ".message")});
  }
  return "Events:\n" + ruledTable(std::move(rows));
}

std::string consoleOf(const Result<std::string>& console) {
  if (!console) return fmt::format("Console:   {}\n", console.error().message);
  return console->empty() ? "" : "Console:\n" + indented(*console);
}

}  // namespace

std::string description(const json& object, const Result<json>& events, const Result<std::string>& console,
                        Now now) {
  return header(object, now) + contents(object) + statusOf(object, now) + consoleOf(console) +
         (events ? eventsOf(*events, now) : fmt::format("Events:   {}\n", events.error().message));
}

}  // namespace rookery::cli
