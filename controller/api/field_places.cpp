#include "api/field_places.h"

#include <cstdint>
#include <cstring>

namespace rookery::api {

namespace {

/// Of one field. A file has less than 4 GiB.
struct Head {
  std::uint32_t length, line, column;
};

/// Goes over them: `told(head, field)` may change the head, and says whether to go on.
template <class Text, class Told>
void walk(Text& text, const Told& told) {
  for (std::size_t at = 0; at < text.size();) {
    Head head{};
    std::memcpy(&head, text.data() + at, sizeof head);
    const std::string_view field = std::string_view(text).substr(at + sizeof head, head.length);
    if (!told(head, field)) return;
    if constexpr (!std::is_const_v<Text>) std::memcpy(text.data() + at, &head, sizeof head);
    at += sizeof head + head.length;
  }
}

yaml::Place placeOf(const Head& head) { return {head.line, head.column}; }

}  // namespace

void FieldPlaces::add(std::string_view field, yaml::Place place) {
  const Head head{static_cast<std::uint32_t>(field.size()), static_cast<std::uint32_t>(place.line),
                  static_cast<std::uint32_t>(place.column)};
  text_.append(reinterpret_cast<const char*>(&head), sizeof head).append(field);
}

std::optional<yaml::Place> FieldPlaces::find(std::string_view field) const {
  std::optional<yaml::Place> found;
  walk(text_, [&](const Head& head, std::string_view known) {
    if (known == field) found = placeOf(head);
    return !found;
  });
  return found;
}

void FieldPlaces::move(std::size_t lines) {
  walk(text_, [&](Head& head, std::string_view) {
    head.line += static_cast<std::uint32_t>(lines);
    return true;
  });
}

void FieldPlaces::forEach(const std::function<void(std::string_view, yaml::Place)>& told) const {
  walk(text_, [&](const Head& head, std::string_view field) {
    told(field, placeOf(head));
    return true;
  });
}

}  // namespace rookery::api
