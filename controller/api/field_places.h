#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "yaml/place.h"

namespace rookery::api {

/// Where the fields of an object stand in its file, by their paths ("spec.image.path"). All objects have them
/// and few are ever asked: they are kept in one text, and looked for from its beginning.
class FieldPlaces {
 public:
  /// Of a field that was not added before.
  void add(std::string_view field, yaml::Place place);
  /// All have been added.
  void shrink() { text_.shrink_to_fit(); }
  void clear() { text_ = {}; }

  std::optional<yaml::Place> find(std::string_view field) const;
  /// The whole document has moved so many lines down; unsigned numbers wrap around, and so up, too.
  void move(std::size_t lines);
  /// In the order in which they were added.
  void forEach(const std::function<void(std::string_view field, yaml::Place place)>& told) const;

 private:
  std::string text_;  // of each: a Head, and the path
};

}  // namespace rookery::api
