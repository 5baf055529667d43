#include "serve/table.h"

#include <gmock/gmock.h>

namespace rookery::serve {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const api::SystemTime tableTime(1'700'000'000s);  // 2023-11-14T22:13:20Z

const json shopWeb = json::parse(R"({
  "apiVersion": "rookery.dev/v1alpha1", "kind": "Unikernel",
  "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "resourceVersion": "7",
               "creationTimestamp": "2023-11-14T22:08:18Z"},
  "spec": {"memory": "32Mi", "suspend": false},
  "status": {"instance": "eu-1", "placedOn": "eu-1", "restarts": 2,
             "conditions": [{"type": "Ready", "status": "True", "reason": "Running", "message": "It runs."}]}})");

std::vector<std::string> columnNames(const json& table) {
  std::vector<std::string> names;
  for (const json& column : table.at("columnDefinitions")) names.push_back(column.at("name"));
  return names;
}

TEST(Table, HasThePrinterColumnsAndTheMetadata) {
  const json table =
      toTable(columnsOf(api::Kind::Unikernel), json::array({shopWeb}),
              {.resourceVersion = "9", .continueToken = "", .remainingItemCount = {}}, {}, tableTime);
  EXPECT_EQ(table.at("kind"), "Table");
  EXPECT_EQ(table.at("apiVersion"), "meta.k8s.io/v1");
  EXPECT_EQ(table.at("metadata"), json({{"resourceVersion", "9"}}));
  EXPECT_THAT(columnNames(table),
              testing::ElementsAre("Name", "Instance", "Ready", "Reason", "Restarts", "Memory", "Started",
                                   "Digest", "Suspended", "Message", "Age"));
  EXPECT_EQ(table.at("columnDefinitions").at(0).at("format"), "name");
  EXPECT_EQ(table.at("columnDefinitions").at(1),
            json({{"name", "Instance"},
                  {"type", "string"},
                  {"format", ""},
                  {"description", "Custom resource definition column (in JSONPath format): .status.placedOn"},
                  {"priority", 0}}));
  EXPECT_EQ(table.at("columnDefinitions").at(5).at("priority"), 1);
  ASSERT_EQ(table.at("rows").size(), 1U);
  const json& row = table.at("rows").at(0);
  EXPECT_EQ(row.at("cells"),
            json({"web", "eu-1", "True", "Running", 2, "32Mi", nullptr, nullptr, false, "It runs.", "5m2s"}));
  EXPECT_EQ(row.at("object"), json({{"kind", "PartialObjectMetadata"},
                                    {"apiVersion", "meta.k8s.io/v1"},
                                    {"metadata", shopWeb.at("metadata")}}));
}

TEST(Table, IncludesWhatIsAskedFor) {
  const TableColumns& columns = columnsOf(api::Kind::Unikernel);
  const auto object = [&](const TableOptions& options) {
    return tableRow(columns, shopWeb, options, tableTime).at("object");
  };
  EXPECT_EQ(object({.includeObject = IncludeObject::None}), json(nullptr));
  EXPECT_EQ(object({.includeObject = IncludeObject::Object}), shopWeb);
  EXPECT_EQ(object({.version = "v1beta1"}).at("apiVersion"), "meta.k8s.io/v1beta1");

  EXPECT_EQ(parseIncludeObject(""), IncludeObject::Metadata);
  EXPECT_EQ(parseIncludeObject("Metadata"), IncludeObject::Metadata);
  EXPECT_EQ(parseIncludeObject("None"), IncludeObject::None);
  EXPECT_EQ(parseIncludeObject("Object"), IncludeObject::Object);
  EXPECT_EQ(parseIncludeObject("All").error(),
            (Error{Reason::UsageError,
                   "Unable to convert to Table as requested: includeObject: Invalid value: \"All\": must be "
                   "'Metadata', 'Object', 'None', or empty"}));
}

TEST(Table, PagesAndWatchesSayWhatTheyAre) {
  const json page = tableWithoutRows(columnsOf(api::Kind::Unikernel),
                                     {.resourceVersion = "9", .continueToken = "t", .remainingItemCount = 3},
                                     {.version = "v1beta1"});
  EXPECT_EQ(page.at("apiVersion"), "meta.k8s.io/v1beta1");
  EXPECT_EQ(page.at("metadata"),
            json({{"resourceVersion", "9"}, {"continue", "t"}, {"remainingItemCount", 3}}));
  EXPECT_EQ(page.at("rows"), json::array());
  const json later = tableWithoutRows(columnsOf(api::Kind::Unikernel), {}, {.headers = false});
  EXPECT_EQ(later.at("columnDefinitions"), json(nullptr));
}

TEST(Table, EventsHaveTheColumnsOfKubectl) {
  const json old = json::parse(R"({"metadata": {"name": "web.17"}, "type": "Warning", "reason": "NoPolicy",
    "involvedObject": {"kind": "Unikernel", "name": "web", "fieldPath": "spec.image"},
    "source": {"component": "rookery", "host": "h1"}, "message": "  No policy.\n",
    "firstTimestamp": "2023-11-14T21:13:20Z", "lastTimestamp": "2023-11-14T22:08:18Z", "count": 4})");
  const json series = json::parse(R"({"metadata": {"name": "web.18"}, "type": "Normal", "reason": "Running",
    "involvedObject": {"kind": "Unikernel"}, "reportingComponent": "rookery", "message": "It runs.",
    "eventTime": "2023-11-14T22:03:20.123456Z",
    "series": {"count": 9, "lastObservedTime": "2023-11-14T22:13:00.000000Z"}})");
  const json table = toTable(eventColumns(), {old, series, json::object()}, {}, {}, tableTime);
  EXPECT_THAT(columnNames(table), testing::ElementsAre("Last Seen", "Type", "Reason", "Object", "Subobject",
                                                       "Source", "Message", "First Seen", "Count", "Name"));
  std::vector<int> priorities;
  for (const json& column : table.at("columnDefinitions")) priorities.push_back(column.at("priority"));
  EXPECT_THAT(priorities, testing::ElementsAre(0, 0, 0, 0, 1, 1, 0, 1, 1, 1));
  const auto cells = [&](std::size_t row) { return table.at("rows").at(row).at("cells"); };
  EXPECT_EQ(cells(0), json({"5m2s", "Warning", "NoPolicy", "unikernel/web", "spec.image", "rookery, h1",
                            "No policy.", "60m", 4, "web.17"}));
  EXPECT_EQ(cells(1),
            json({"20s", "Normal", "Running", "unikernel", "", "rookery", "It runs.", "10m", 9, "web.18"}));
  EXPECT_EQ(cells(2), json({"<unknown>", "", "", "", "", "", "", "<unknown>", 1, ""}));
}

TEST(Table, SecretsShowNoValue) {
  const json secret = json::parse(R"({"metadata": {"name": "db", "creationTimestamp": "2023-11-14T22:08:18Z"},
    "type": "Opaque", "data": {"password": "aHVudGVyMg==", "user": "YQ=="}})");
  const json row = tableRow(columnsOf(api::Kind::Secret), secret, {}, tableTime);
  EXPECT_EQ(row.at("cells"), json({"db", "Opaque", 2, "5m2s"}));
  EXPECT_FALSE(row.dump().contains("aHVudGVyMg"));
}

TEST(Table, AnyShapeOfObjectHasARow) {
  for (const json& object :
       {json(nullptr), json(7), json::array(), json({{"metadata", "x"}, {"status", {1, 2}}})}) {
    EXPECT_EQ(tableRow(columnsOf(api::Kind::Unikernel), object, {}, tableTime).at("cells").size(), 11U);
    EXPECT_EQ(tableRow(eventColumns(), object, {}, tableTime).at("cells").size(), 10U);
  }
}

}  // namespace
}  // namespace rookery::serve
