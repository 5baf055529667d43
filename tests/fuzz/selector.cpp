// Selectors of labels and fields, as kubectl sends them.

#include "api/selector.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

using api::FieldSelector;
using api::LabelSelector;

std::string writtenAs(const LabelSelector::Requirement& requirement) {
  using enum LabelSelector::Requirement::Operator;
  const std::string& key = requirement.key;
  switch (requirement.op) {
    case In:
      return fmt::format("{} in ({})", key, fmt::join(requirement.values, ","));
    case NotIn:
      return fmt::format("{} notin ({})", key, fmt::join(requirement.values, ","));
    case Exists:
      return key;
    case DoesNotExist:
      return "!" + key;
    case GreaterThan:
      return fmt::format("{}>{}", key, fmt::join(requirement.values, ","));
    case LessThan:
      return fmt::format("{}<{}", key, fmt::join(requirement.values, ","));
  }
  return {};
}

std::string writtenAs(const FieldSelector::Requirement& requirement) {
  std::string value;
  for (const char c : requirement.value) {
    if (c == '\\' || c == ',' || c == '=') value += '\\';
    value += c;
  }
  return requirement.field + (requirement.equal ? "=" : "!=") + value;
}

/// What was understood, written anew, is understood in the same way.
template <class Selector, class Parse>
void expectStable(const Selector& selector, const Parse& parse) {
  std::string text;
  for (const auto& requirement : selector.requirements())
    text += (text.empty() ? "" : ",") + writtenAs(requirement);
  if (text.size() > api::longestSelector) return;
  const auto again = parse(text);
  check(again && again->requirements() == selector.requirements(), "a selector survives writing");
}

const Target selector("selector", [](std::string_view input) {
  const api::Labels labels{{"app", "web"}, {"tier", ""}, {"rookery.dev/n", "7"}, {"a", "b"}};
  if (const auto parsed = LabelSelector::parse(input)) {
    check(parsed->requirements().size() <= api::mostRequirements, "requirements are limited");
    bool every = true;
    for (const auto& requirement : parsed->requirements()) every = every && requirement.matches(labels);
    check(parsed->matches(labels) == every, "all requirements count");
    expectStable(*parsed, [](const std::string& text) { return LabelSelector::parse(text); });
  }
  const std::set<std::string, std::less<>> supported{"metadata.name", "metadata.namespace", "type"};
  if (const auto parsed = FieldSelector::parse(input, supported)) {
    parsed->matches([](std::string_view field) { return std::string(field); });
    const auto required = parsed->requiredValue("metadata.name");
    const auto valueOf = [&](std::string_view field) {
      return field == "metadata.name" ? *required + "x" : "";
    };
    check(!required || !parsed->matches(valueOf), "what is required is required");
    expectStable(*parsed, [&](const std::string& text) { return FieldSelector::parse(text, supported); });
  }
});

}  // namespace
}  // namespace rookery::fuzz
