#include "api/printer_column.h"

#include "api/age.h"
#include "api/json_path.h"
#include "yaml/writer.h"

namespace rookery::api {

using nlohmann::json;

json cellOf(const json& object, const Column& column, SystemTime now) {
  const json* value = findByPath(object, column.jsonPath);
  if (value == nullptr || value->is_null()) return nullptr;
  if (column.type == "string") {
    return value->is_string() ? *value : json(yaml::dump(*value));
  }
  if (column.type == "date" && value->is_string()) {
    return formatAgeSince(value->get_ref<const std::string&>(), now);
  }
  if (column.type == "integer" && value->is_number_float()) {
    // Beyond these bounds the conversion would be undefined.
    const auto number = value->get<double>();
    return number > -9e18 && number < 9e18 ? json(static_cast<std::int64_t>(number)) : json(nullptr);
  }
  const bool fits = (column.type == "integer" && value->is_number_integer()) ||
                    (column.type == "number" && value->is_number()) ||
                    (column.type == "boolean" && value->is_boolean());
  return fits ? *value : json(nullptr);
}

}  // namespace rookery::api
