#include "api/object.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace rookery::api {

std::string_view toString(Kind kind) {
  constexpr std::array<std::string_view, 5> names = {"AlbatrossInstance", "Unikernel", "UnikernelPolicy",
                                                     "UnikernelVolume", "Secret"};
  return names.at(static_cast<std::size_t>(kind));
}

std::optional<Kind> kindNamed(std::string_view name) {
  const auto kind = std::ranges::find(allKinds, name, [](Kind each) { return toString(each); });
  return kind == allKinds.end() ? std::nullopt : std::optional(*kind);
}

std::string ObjectKey::toString() const {
  const std::string_view word = api::toString(kind);
  return nameSpace.empty() ? fmt::format("{} {}", word, name)
                           : fmt::format("{} {}/{}", word, nameSpace, name);
}

std::string Origin::toString() const {
  if (line == 0) return file.string();
  if (column == 0) return fmt::format("{}:{}", file.string(), line);
  return fmt::format("{}:{}:{}", file.string(), line, column);
}

std::string Problem::toString() const {
  std::string text = origin.toString();
  if (!field.empty()) text += (text.empty() ? "" : ": ") + field;
  return text.empty() ? message : text + ": " + message;
}

std::string Unikernel::Image::name() const {
  if (isStored()) return "sha256:" + *sha256;
  return url ? url->substr(0, url->find('?')) : path.string();
}

Kind Object::kind() const {
  // The alternatives stand in the order of the enumerators.
  static_assert(
      std::is_same_v<std::variant_alternative_t<static_cast<std::size_t>(Kind::Secret), decltype(spec)>,
                     Secret>);
  return static_cast<Kind>(spec.index());
}

ObjectKey Object::key() const { return {kind(), metadata.nameSpace, metadata.name}; }

Origin Object::originOf(std::string_view field) const {
  Origin found = origin;
  while (!field.empty()) {
    if (const auto place = places.find(field)) {
      found.line = place->line;
      found.column = place->column;
      return found;
    }
    const std::size_t end = field.find_last_of(".[");
    field = field.substr(0, end == std::string_view::npos ? 0 : end);
  }
  return found;
}

}  // namespace rookery::api
