#include "api/json_path.h"

#include <gtest/gtest.h>

namespace rookery::api {
namespace {

using nlohmann::json;

TEST(JsonPath, FindsWhatPrinterColumnsName) {
  const json document = json::parse(R"({
    "spec": {"instance": "eu-1", "cpuIDs": [4, 5], "matrix": [[1, 2], [3]]},
    "metadata": {"labels": {"app.kubernetes.io/name": "web"}},
    "status": {"conditions": [{"type": "Stalled", "status": "False"}, {"type": "Ready", "status": "True"},
                              {"type": "Ready", "status": "Second"}, {"type": "odd]", "status": "Odd"}]}})");
  const std::pair<const char*, json> cases[] = {
      {".spec.instance", "eu-1"},
      {".spec.cpuIDs[0]", 4},
      {".spec.cpuIDs[1]", 5},
      {".spec.matrix[1][0]", 3},
      {R"(.metadata.labels.app\.kubernetes\.io/name)", "web"},
      {R"(.status.conditions[?(@.type=="Ready")].status)", "True"},
      {R"(.status.conditions[?(@.type=="odd]")].status)", "Odd"},
      {"", document},
  };
  for (const auto& [path, expected] : cases) {
    const json* found = findByPath(document, path);
    ASSERT_NE(found, nullptr) << path;
    EXPECT_EQ(*found, expected) << path;
  }
}

TEST(JsonPath, WhatIsNotThereOrNotUnderstoodIsNull) {
  const json document = json::parse(R"({"a": {"b": [1]}, "c": [{"type": "X"}, 7]})");
  for (const char* path : {".x",
                           ".a.x",
                           ".a.b[1]",
                           ".a.b[-1]",
                           ".a.b[99999999999999999999]",
                           ".a[0]",
                           ".a.b.c",
                           "a",
                           ".a.b[",
                           ".a.b]",
                           ".a.b[]",
                           ".a.b[x]",
                           R"(.c[?(@.type=="Y")])",
                           R"(.c[?(@.type=Y)])",
                           R"(.c[?(@.type=="X)])",
                           R"(.c[?(.type=="X")])",
                           R"(.a[?(@.type=="X")])",
                           ".",
                           "..",
                           "["}) {
    EXPECT_EQ(findByPath(document, path), nullptr) << path;
  }
}

}  // namespace
}  // namespace rookery::api
