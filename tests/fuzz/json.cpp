// Bodies of JSON.

#include <nlohmann/json.hpp>

#include "fuzz/target.h"
#include "yaml/writer.h"
#include "yaml/yaml.h"

namespace rookery::fuzz {
namespace {

const Target jsonTarget("json", [](std::string_view input) {
  const auto value = yaml::parseJson(input);
  if (const auto documents = yaml::parse(input, yaml::Notation::Json); value && !value->is_null())
    check(documents && documents->size() == 1 && documents->front().value == *value, "a value is a document");
  if (!value || value->is_null()) return;
  check(!yaml::isTooDeep(*value), "depth is limited");
  check(nlohmann::json::parse(input, nullptr, false) == *value, "others read the same");
  check(yaml::parseJson(yaml::dump(*value)) == *value, "a value survives writing");
});

}  // namespace
}  // namespace rookery::fuzz
