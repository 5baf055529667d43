#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/selector.h"

namespace rookery::api {
namespace {

using FieldRequirement = FieldSelector::Requirement;

std::unexpected<Error> badFieldSelector(std::string message) {
  return fail(Reason::UsageError, std::move(message));
}

/// Takes what stands before the next comma that is not behind a backslash, and the comma.
std::string_view takeFieldTerm(std::string_view& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      const std::string_view term = text.substr(0, i);
      text.remove_prefix(i + 1);
      return term;
    }
  }
  return std::exchange(text, {});
}

Result<std::string> unescapeFieldValue(std::string_view text) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=' || text[i] == ',') {
      return badFieldSelector(
          fmt::format("invalid field selector: unescaped character in value: {}", text[i]));
    }
    if (text[i] == '\\') {
      ++i;
      const std::string_view escaped = text.substr(i, 1);
      if (escaped != "\\" && escaped != "," && escaped != "=") {
        return badFieldSelector(
            fmt::format("invalid field selector: invalid escape sequence: \\{}", escaped));
      }
    }
    value += text[i];
  }
  return value;
}

Result<FieldRequirement> parseFieldTerm(std::string_view selector, std::string_view term) {
  const std::size_t equals = term.find('=');
  if (equals == std::string_view::npos) {
    return badFieldSelector(fmt::format("invalid selector: '{}'; can't understand '{}'", selector, term));
  }
  const bool negated = equals > 0 && term[equals - 1] == '!';
  const bool twice = !negated && term.substr(equals + 1).starts_with('=');
  auto value = unescapeFieldValue(term.substr(equals + (twice ? 2 : 1)));
  if (!value) return std::unexpected(value.error());
  return FieldRequirement{.field = std::string(term.substr(0, negated ? equals - 1 : equals)),
                          .equal = !negated,
                          .value = *std::move(value)};
}

}  // namespace

Result<FieldSelector> FieldSelector::parse(std::string_view text,
                                           const std::set<std::string, std::less<>>& supported) {
  if (text.size() > longestSelector) {
    return badFieldSelector(fmt::format("a selector has no more than {} bytes", longestSelector));
  }
  FieldSelector selector;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view term = takeFieldTerm(rest);
    if (term.empty()) continue;
    auto requirement = parseFieldTerm(text, term);
    if (!requirement) return std::unexpected(requirement.error());
    if (!supported.contains(requirement->field)) {
      return badFieldSelector(fmt::format("field label not supported: {}", requirement->field));
    }
    if (selector.requirements_.size() == mostRequirements) {
      return badFieldSelector(fmt::format("a selector has no more than {} requirements", mostRequirements));
    }
    selector.requirements_.push_back(*std::move(requirement));
  }
  return selector;
}

bool FieldSelector::matches(const std::function<std::string(std::string_view field)>& valueOf) const {
  return std::ranges::all_of(requirements_, [&](const FieldRequirement& requirement) {
    return (valueOf(requirement.field) == requirement.value) == requirement.equal;
  });
}

std::optional<std::string> FieldSelector::requiredValue(std::string_view field) const {
  for (const FieldRequirement& requirement : requirements_) {
    if (requirement.equal && requirement.field == field) return requirement.value;
  }
  return std::nullopt;
}

}  // namespace rookery::api
