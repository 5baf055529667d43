#pragma once

#include <span>
#include <string_view>

namespace rookery::web {

/// A file of the page as it was when the program was built.
struct File {
  std::string_view name;  // "app.js"
  std::string_view contentType;
  std::string_view text;
};

/// All of them, sorted by name; none where the program was built without the page. They live as long as the
/// program.
std::span<const File> files();

/// Stands for the content of all of them: another page has another.
std::string_view version();

}  // namespace rookery::web
