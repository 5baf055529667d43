#include "cli/object_table.h"

#include <gmock/gmock.h>

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using namespace std::chrono_literals;

const std::chrono::system_clock::time_point now(1'700'000'000s);  // 2023-11-14T22:13:20Z

api::Definition definition(bool namespaced) {
  api::Definition made;
  made.kind = api::Kind::Unikernel;
  made.namespaced = namespaced;
  made.columns = {{.name = "Ready",
                   .type = "string",
                   .jsonPath = R"(.status.conditions[?(@.type=="Ready")].status)",
                   .priority = 0},
                  {.name = "Restarts", .type = "integer", .jsonPath = ".status.restarts", .priority = 0},
                  {.name = "Message",
                   .type = "string",
                   .jsonPath = R"(.status.conditions[?(@.type=="Ready")].message)",
                   .priority = 1},
                  {.name = "Up", .type = "date", .jsonPath = ".status.startedAt", .priority = 0}};
  return made;
}

const json objects = json::parse(R"([
  {"metadata": {"name": "web", "namespace": "shop"},
   "status": {"restarts": 2, "startedAt": "2023-11-14T22:08:18Z",
              "conditions": [{"type": "Ready", "status": "True", "message": "It runs."}]}},
  {"metadata": {"name": "new", "namespace": "db"}, "status": {"restarts": null}}])");

TEST(ObjectTable, HasThePrinterColumns) {
  EXPECT_THAT(
      tabulate(definition(true), objects, {}, now),
      ElementsAre(ElementsAre("NAME", "READY", "RESTARTS", "UP"), ElementsAre("web", "True", "2", "5m2s"),
                  ElementsAre("new", "<none>", "<none>", "<none>")));
}

TEST(ObjectTable, WideAddsColumnsAndNamespacesTheFirst) {
  EXPECT_THAT(tabulate(definition(true), objects, {.wide = true, .namespaces = true}, now),
              ElementsAre(ElementsAre("NAMESPACE", "NAME", "READY", "RESTARTS", "MESSAGE", "UP"),
                          ElementsAre("shop", "web", "True", "2", "It runs.", "5m2s"),
                          ElementsAre("db", "new", "<none>", "<none>", "<none>", "<none>")));
}

TEST(ObjectTable, ClusterScopedKindsHaveNoNamespace) {
  EXPECT_EQ(tabulate(definition(false), objects, {.wide = false, .namespaces = true}, now).front().front(),
            "NAME");
}

}  // namespace
}  // namespace rookery::cli
