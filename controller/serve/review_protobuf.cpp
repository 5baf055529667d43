#include "serve/review_protobuf.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace rookery::serve {
namespace {

using nlohmann::json;

constexpr std::string_view protobufMagic{"k8s\0", 4};

/// Reads a message field by field. Of what is not counted in bytes, only how long it is matters.
class ProtobufReader {
 public:
  struct Field {
    std::uint64_t number = 0;
    std::optional<std::string_view> bytes = {};  // of a text or a message
  };

  explicit ProtobufReader(std::string_view bytes) : rest_(bytes) {}

  /// Nothing at the end, or where it is malformed.
  std::optional<Field> next() {
    if (rest_.empty() || malformed_) return std::nullopt;
    const std::uint64_t key = varint();
    Field field{.number = key >> 3U};
    switch (key & 7U) {
      case 0:
        varint();
        break;
      case 1:
        take(sizeof(std::uint64_t));
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        take(sizeof(std::uint32_t));
        break;
      default:
        malformed_ = true;
    }
    return malformed_ ? std::nullopt : std::optional(field);
  }

  bool malformed() const { return malformed_; }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    malformed_ = true;
    return 0;
  }

  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) malformed_ = true;
    if (malformed_) return {};
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
  bool malformed_ = false;
};

/// The last field of that number, as protobuf has it; empty: there is none. Nothing: it is malformed.
std::optional<std::optional<std::string_view>> fieldOf(std::string_view message, std::uint64_t number) {
  ProtobufReader reader(message);
  std::optional<std::string_view> found;
  while (const auto field = reader.next()) {
    if (field->number == number && field->bytes) found = field->bytes;
  }
  if (reader.malformed()) return std::nullopt;
  return std::optional<std::optional<std::string_view>>(std::in_place, found);
}

/// The texts of a message by the names of their fields, which are numbered from 1.
template <std::size_t count>
std::optional<json> textsOf(std::string_view message, const std::array<const char*, count>& names) {
  ProtobufReader reader(message);
  json texts = json::object();
  while (const auto field = reader.next()) {
    if (field->bytes && field->number >= 1 && field->number <= count)
      texts[names.at(static_cast<std::size_t>(field->number) - 1)] = std::string(*field->bytes);
  }
  return reader.malformed() ? std::nullopt : std::optional(std::move(texts));
}

std::optional<json> specOf(std::string_view message) {
  constexpr std::array<const char*, 7> resource = {"namespace", "verb",        "group", "version",
                                                   "resource",  "subresource", "name"};
  constexpr std::array<const char*, 2> path = {"path", "verb"};
  json spec = json::object();
  const auto add = [&](const char* name, std::uint64_t number, const auto& names) {
    const auto attributes = fieldOf(message, number);
    if (!attributes) return false;
    if (!*attributes) return true;
    auto texts = textsOf(**attributes, names);
    if (!texts) return false;
    spec[name] = *std::move(texts);
    return true;
  };
  if (!add("resourceAttributes", 1, resource) || !add("nonResourceAttributes", 2, path)) return std::nullopt;
  return spec;
}

}  // namespace

std::optional<json> reviewOfProtobuf(std::string_view bytes) {
  if (!bytes.starts_with(protobufMagic)) return std::nullopt;
  constexpr std::uint64_t rawField = 2, specField = 2;
  const auto raw = fieldOf(bytes.substr(protobufMagic.size()), rawField);
  if (!raw) return std::nullopt;
  const auto spec = fieldOf(raw->value_or(""), specField);
  if (!spec) return std::nullopt;
  json review = json::object();
  if (!*spec) return review;
  auto read = specOf(**spec);
  if (!read) return std::nullopt;
  review["spec"] = *std::move(read);
  return review;
}

}  // namespace rookery::serve
