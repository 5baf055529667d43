#include "api/printer_column.h"

#include <gtest/gtest.h>

namespace rookery::api {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const SystemTime columnTime(1'700'000'000s);  // 2023-11-14T22:13:20Z

TEST(PrinterColumn, HasTheValueInTheColumnsType) {
  struct Case {
    const char* type;
    json value;
    json cell;
  };
  const Case cases[] = {
      {"string", "eu-1", "eu-1"},
      {"string", 7, "7"},
      {"string", true, "true"},
      {"string", {1, 2}, "[1,2]"},
      {"string", {{"a", "b"}}, R"({"a":"b"})"},
      {"string", nullptr, nullptr},
      {"integer", 7, 7},
      {"integer", 7.9, 7},
      {"integer", 1e300, nullptr},
      {"integer", "7", nullptr},
      {"number", 1.5, 1.5},
      {"number", 2, 2},
      {"number", "2", nullptr},
      {"boolean", false, false},
      {"boolean", "false", nullptr},
      {"date", "2023-11-14T22:08:18Z", "5m2s"},
      {"date", "yesterday", "<invalid>"},
      {"date", 7, nullptr},
      {"date", nullptr, nullptr},
  };
  for (const Case& each : cases) {
    const Column column{.name = "X", .type = each.type, .jsonPath = ".x", .priority = 0};
    EXPECT_EQ(cellOf({{"x", each.value}}, column, columnTime), each.cell) << each.type << ' ' << each.value;
    EXPECT_EQ(cellOf(json::object(), column, columnTime), json(nullptr)) << each.type;
  }
}

}  // namespace
}  // namespace rookery::api
