#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

namespace rookery::api {

/// JSON that is kept for long and read seldom, in a fifth of the room: as CBOR (RFC 8949). Equal values are
/// equal bytes, but for numbers of different types.
class PackedJson {
 public:
  PackedJson() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): it is the same value
  PackedJson(const nlohmann::json& value);

  nlohmann::json unpack() const;
  /// Bytes in memory.
  std::size_t size() const { return bytes_.size(); }

  friend bool operator==(const PackedJson&, const PackedJson&) = default;

 private:
  std::string bytes_;  // empty: null
};

}  // namespace rookery::api
