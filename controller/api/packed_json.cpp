#include "api/packed_json.h"

namespace rookery::api {

using nlohmann::json;

PackedJson::PackedJson(const json& value) {
  if (value.is_null()) return;
  json::to_cbor(value, nlohmann::detail::output_adapter<char>(bytes_));
  bytes_.shrink_to_fit();
}

json PackedJson::unpack() const { return bytes_.empty() ? json() : json::from_cbor(bytes_); }

}  // namespace rookery::api
