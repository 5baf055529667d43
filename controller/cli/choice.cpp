#include "cli/choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "text.h"

namespace rookery::cli {

CLI::Validator oneOf(std::vector<std::string> words) {
  const std::string described = fmt::format("{}", fmt::join(words, "|"));
  const auto refuse = [words = std::move(words)](const std::string& given) -> std::string {
    if (std::ranges::find(words, given) != words.end()) return {};
    return fmt::format("{} is none of {}", quote(given), fmt::join(words, ", "));
  };
  return CLI::Validator(refuse, described);
}

}  // namespace rookery::cli
