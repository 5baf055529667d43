#include "cli/object_table.h"

#include <gmock/gmock.h>

#include "api/printer_column.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using namespace std::chrono_literals;

const std::chrono::system_clock::time_point now(1'700'000'000s);  // 2023-11-14T22:13:20Z

serve::TableColumn printerColumn(const char* name, const char* type, const char* path, int priority = 0) {
  return {.name = name,
          .type = type,
          .format = "",
          .description = "",
          .priority = priority,
          .cell = api::cellOf,
          .source = {.name = name, .type = type, .jsonPath = path, .priority = priority}};
}

const serve::TableColumns columns = {
    printerColumn("Name", "string", ".metadata.name"),
    printerColumn("Ready", "string", R"(.status.conditions[?(@.type=="Ready")].status)"),
    printerColumn("Restarts", "integer", ".status.restarts"),
    printerColumn("Message", "string", R"(.status.conditions[?(@.type=="Ready")].message)", 1),
    printerColumn("Last Up", "date", ".status.startedAt")};

const json objects = json::parse(R"([
  {"metadata": {"name": "web", "namespace": "shop"},
   "status": {"restarts": 2, "startedAt": "2023-11-14T22:08:18Z",
              "conditions": [{"type": "Ready", "status": "True", "message": "It runs."}]}},
  {"metadata": {"name": "new", "namespace": "db"}, "status": {"restarts": null}}])");

TEST(ObjectTable, HasTheColumns) {
  EXPECT_THAT(headings(columns, {}), ElementsAre("NAME", "READY", "RESTARTS", "LAST UP"));
  EXPECT_THAT(
      tabulate(columns, objects, {}, now),
      ElementsAre(ElementsAre("web", "True", "2", "5m2s"), ElementsAre("new", "<none>", "<none>", "<none>")));
}

TEST(ObjectTable, WideAddsColumnsAndNamespacesTheFirst) {
  const ObjectTableOptions options{.wide = true, .namespaces = true};
  EXPECT_THAT(headings(columns, options),
              ElementsAre("NAMESPACE", "NAME", "READY", "RESTARTS", "MESSAGE", "LAST UP"));
  EXPECT_THAT(tabulate(columns, objects, options, now),
              ElementsAre(ElementsAre("shop", "web", "True", "2", "It runs.", "5m2s"),
                          ElementsAre("db", "new", "<none>", "<none>", "<none>", "<none>")));
}

}  // namespace
}  // namespace rookery::cli
