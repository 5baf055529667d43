// A .rookeryignore and paths, one in each further line.

#include "source/ignore.h"

#include <algorithm>

#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

const Target ignore("ignore", [](std::string_view input) {
  const auto parts = partsOf(input, 2);
  const std::string_view text = parts.front().substr(0, source::IgnoreRules::maxBytes);
  const auto rules = source::IgnoreRules::parse(text);
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  std::string_view paths = partAt(parts, 1);
  while (!paths.empty()) {
    const std::size_t end = std::min(paths.find('\n'), paths.size());
    for (const bool isFolder : {false, true}) {
      const auto verdict = rules.match(paths.substr(0, end), isFolder);
      check(!verdict || (verdict->line > 0 && verdict->line <= lines), "a rule stands in the file");
    }
    paths.remove_prefix(std::min(end + 1, paths.size()));
  }
});

}  // namespace
}  // namespace rookery::fuzz
