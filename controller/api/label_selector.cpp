#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "api/selector.h"
#include "api/syntax.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::api {
namespace {

using LabelRequirement = LabelSelector::Requirement;
using Operator = LabelRequirement::Operator;
using LabelValues = std::set<std::string, std::less<>>;

/// In the words of Kubernetes' API server.
std::unexpected<Error> badSelector(std::string message) {
  return fail(Reason::UsageError, std::move(message));
}

/// A whole number. None has a sign: the value of a label cannot begin with one.
std::optional<std::int64_t> parseInteger(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

enum class SelectorSymbol {
  Unknown,
  End,
  ClosedParenthesis,
  Comma,
  Not,
  DoubleEquals,
  Equals,
  GreaterThan,
  Identifier,
  In,
  LessThan,
  NotEquals,
  NotIn,
  OpenParenthesis
};

struct SelectorToken {
  SelectorSymbol symbol = SelectorSymbol::End;
  std::string text;
};

SelectorSymbol symbolOf(std::string_view text) {
  static constexpr std::pair<std::string_view, SelectorSymbol> keywords[] = {
      {")", SelectorSymbol::ClosedParenthesis},
      {",", SelectorSymbol::Comma},
      {"!", SelectorSymbol::Not},
      {"==", SelectorSymbol::DoubleEquals},
      {"=", SelectorSymbol::Equals},
      {">", SelectorSymbol::GreaterThan},
      {"in", SelectorSymbol::In},
      {"<", SelectorSymbol::LessThan},
      {"!=", SelectorSymbol::NotEquals},
      {"notin", SelectorSymbol::NotIn},
      {"(", SelectorSymbol::OpenParenthesis}};
  for (const auto& [word, symbol] : keywords) {
    if (word == text) return symbol;
  }
  return SelectorSymbol::Unknown;
}

constexpr std::string_view selectorSpace = " \t\r\n";
constexpr std::string_view selectorSpecial = "=!(),><";
constexpr std::string_view endsIdentifier = "=!(),>< \t\r\n";

/// Takes the longest run of symbols from the front of `text` that is a keyword.
SelectorToken takeSelectorSymbol(std::string_view& text) {
  const std::string_view two = text.substr(0, 2);
  const std::size_t length = symbolOf(two) != SelectorSymbol::Unknown ? two.size() : 1;
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(length);
  return {symbolOf(taken), std::string(taken)};
}

SelectorToken takeSelectorToken(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(selectorSpace), text.size()));
  if (text.empty()) return {};
  if (selectorSpecial.contains(text.front())) return takeSelectorSymbol(text);
  const std::size_t length = std::min(text.find_first_of(endsIdentifier), text.size());
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(length);
  const SelectorSymbol symbol = symbolOf(taken);
  return {symbol == SelectorSymbol::Unknown ? SelectorSymbol::Identifier : symbol, std::string(taken)};
}

Result<LabelRequirement> checkedRequirement(LabelRequirement requirement) {
  std::vector<std::string> errors;
  std::size_t index = 0;
  for (const std::string& value : requirement.values) {
    if (requirement.op == Operator::GreaterThan || requirement.op == Operator::LessThan) {
      if (const auto bound = parseInteger(value)) {
        requirement.bound = *bound;
      } else {
        errors.push_back(fmt::format(
            "values[{}]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer", index,
            quote(value)));
      }
    }
    if (const auto wrong = labelValueErrors(value); !wrong.empty()) {
      errors.push_back(fmt::format("values[{}][{}]: Invalid value: {}: {}", index, requirement.key,
                                   quote(value), fmt::join(wrong, "; ")));
    }
    ++index;
  }
  if (errors.size() == 1) return badSelector(errors.front());
  if (!errors.empty()) return badSelector(fmt::format("[{}]", fmt::join(errors, ", ")));
  return requirement;
}

/// The parser of Kubernetes, rule by rule, so that what it takes and says is the same.
class LabelSelectorParser {
 public:
  explicit LabelSelectorParser(std::string_view text) : rest_(text), next_(takeSelectorToken(rest_)) {}

  Result<std::vector<LabelRequirement>> parse();

 private:
  /// "in" and "notin" are operators only behind a key.
  SelectorSymbol ahead() const {
    return next_.symbol == SelectorSymbol::In || next_.symbol == SelectorSymbol::NotIn
               ? SelectorSymbol::Identifier
               : next_.symbol;
  }
  SelectorToken take() { return std::exchange(next_, takeSelectorToken(rest_)); }

  Result<LabelRequirement> parseRequirement();
  Result<Operator> parseOperator(bool& set);
  Result<LabelValues> parseValues();
  Result<LabelValues> parseList();
  Result<LabelValues> parseExactValue();

  std::string_view rest_;
  SelectorToken next_;
};

Result<std::vector<LabelRequirement>> LabelSelectorParser::parse() {
  std::vector<LabelRequirement> requirements;
  if (ahead() == SelectorSymbol::End) return requirements;
  if (ahead() != SelectorSymbol::Identifier && ahead() != SelectorSymbol::Not) {
    return badSelector(fmt::format("found '{}', expected: !, identifier, or 'end of string'", next_.text));
  }
  while (true) {
    auto requirement = parseRequirement();
    if (!requirement) return badSelector("unable to parse requirement: " + requirement.error().message);
    if (requirements.size() == mostRequirements) {
      return badSelector(fmt::format("a selector has no more than {} requirements", mostRequirements));
    }
    requirements.push_back(*std::move(requirement));
    const SelectorToken separator = take();
    if (separator.symbol == SelectorSymbol::End) return requirements;
    if (separator.symbol != SelectorSymbol::Comma) {
      return badSelector(fmt::format("found '{}', expected: ',' or 'end of string'", separator.text));
    }
    if (ahead() != SelectorSymbol::Identifier && ahead() != SelectorSymbol::Not) {
      return badSelector(fmt::format("found '{}', expected: identifier after ','", next_.text));
    }
  }
}

Result<LabelRequirement> LabelSelectorParser::parseRequirement() {
  const bool negated = next_.symbol == SelectorSymbol::Not;
  if (negated) take();
  if (ahead() != SelectorSymbol::Identifier)
    return badSelector(fmt::format("found '{}', expected: identifier", next_.text));
  LabelRequirement requirement;
  requirement.key = take().text;
  if (const auto wrong = labelKeyErrors(requirement.key); !wrong.empty()) {
    // "<nil>" is what the API server says where a field would have a path.
    return badSelector(
        fmt::format("<nil>: Invalid value: {}: {}", quote(requirement.key), fmt::join(wrong, "; ")));
  }
  if (negated) {
    requirement.op = Operator::DoesNotExist;
    return requirement;
  }
  if (ahead() == SelectorSymbol::End || ahead() == SelectorSymbol::Comma) return requirement;

  bool set = false;
  const auto op = parseOperator(set);
  if (!op) return std::unexpected(op.error());
  requirement.op = *op;
  auto values = set ? parseValues() : parseExactValue();
  if (!values) return std::unexpected(values.error());
  requirement.values = *std::move(values);
  return checkedRequirement(std::move(requirement));
}

/// `set`: whether a list of values follows rather than one.
Result<Operator> LabelSelectorParser::parseOperator(bool& set) {
  const SelectorToken token = take();
  set = token.symbol == SelectorSymbol::In || token.symbol == SelectorSymbol::NotIn;
  switch (token.symbol) {
    case SelectorSymbol::In:
    case SelectorSymbol::Equals:
    case SelectorSymbol::DoubleEquals:
      return Operator::In;
    case SelectorSymbol::NotIn:
    case SelectorSymbol::NotEquals:
      return Operator::NotIn;
    case SelectorSymbol::GreaterThan:
      return Operator::GreaterThan;
    case SelectorSymbol::LessThan:
      return Operator::LessThan;
    default:
      return badSelector(fmt::format("found '{}', expected: in, notin, =, ==, !=, gt, lt", token.text));
  }
}

Result<LabelValues> LabelSelectorParser::parseValues() {
  if (const SelectorToken open = take(); open.symbol != SelectorSymbol::OpenParenthesis) {
    return badSelector(fmt::format("found '{}' expected: '('", open.text));
  }
  const SelectorToken first = next_;
  if (ahead() == SelectorSymbol::ClosedParenthesis) {
    take();
    return LabelValues{""};
  }
  if (ahead() != SelectorSymbol::Identifier && ahead() != SelectorSymbol::Comma) {
    return badSelector(fmt::format("found '{}', expected: ',', ')' or identifier", first.text));
  }
  auto values = parseList();
  if (values) take();  // the parenthesis that ended the list
  return values;
}

/// Between two commas, or a comma and a parenthesis, stands an empty value.
Result<LabelValues> LabelSelectorParser::parseList() {
  LabelValues values;
  while (true) {
    if (ahead() == SelectorSymbol::Identifier) {
      values.insert(take().text);
      if (ahead() == SelectorSymbol::ClosedParenthesis) return values;
      if (ahead() != SelectorSymbol::Comma)
        return badSelector(fmt::format("found '{}', expected: ',' or ')'", next_.text));
    } else if (ahead() == SelectorSymbol::Comma) {
      take();
      if (values.empty() || ahead() == SelectorSymbol::Comma) values.insert("");
      if (ahead() == SelectorSymbol::ClosedParenthesis) {
        values.insert("");
        return values;
      }
    } else {
      return badSelector(fmt::format("found '{}', expected: ',', or identifier", next_.text));
    }
  }
}

Result<LabelValues> LabelSelectorParser::parseExactValue() {
  if (ahead() == SelectorSymbol::End || ahead() == SelectorSymbol::Comma) return LabelValues{""};
  if (ahead() != SelectorSymbol::Identifier)
    return badSelector(fmt::format("found '{}', expected: identifier", next_.text));
  return LabelValues{take().text};
}

std::string textOf(const LabelRequirement& requirement) {
  const std::string& key = requirement.key;
  const auto& values = requirement.values;
  switch (requirement.op) {
    case Operator::In:
      if (values.size() == 1) return fmt::format("{}={}", key, *values.begin());
      return fmt::format("{} in ({})", key, fmt::join(values, ","));
    case Operator::NotIn:
      if (values.size() == 1) return fmt::format("{}!={}", key, *values.begin());
      return fmt::format("{} notin ({})", key, fmt::join(values, ","));
    case Operator::Exists:
      return key;
    case Operator::DoesNotExist:
      return "!" + key;
    case Operator::GreaterThan:
      return fmt::format("{}>{}", key, requirement.bound);
    case Operator::LessThan:
      return fmt::format("{}<{}", key, requirement.bound);
  }
  check(false, "an operator is one of those");
  return {};
}

}  // namespace

bool LabelSelector::Requirement::matches(const Labels& labels) const {
  const auto label = labels.find(key);
  const bool present = label != labels.end();
  switch (op) {
    case Operator::In:
      return present && values.contains(label->second);
    case Operator::NotIn:
      return !present || !values.contains(label->second);
    case Operator::Exists:
      return present;
    case Operator::DoesNotExist:
      return !present;
    case Operator::GreaterThan:
    case Operator::LessThan: {
      const auto number = present ? parseInteger(label->second) : std::nullopt;
      return number && (op == Operator::GreaterThan ? *number > bound : *number < bound);
    }
  }
  check(false, "an operator is one of those");
  return false;
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  if (text.size() > longestSelector) {
    return badSelector(fmt::format("a selector has no more than {} bytes", longestSelector));
  }
  auto requirements = LabelSelectorParser(text).parse();
  if (!requirements) return std::unexpected(requirements.error());
  LabelSelector selector;
  selector.requirements_ = *std::move(requirements);
  return selector;
}

bool LabelSelector::matches(const Labels& labels) const {
  return std::ranges::all_of(
      requirements_, [&](const LabelRequirement& requirement) { return requirement.matches(labels); });
}

std::string LabelSelector::toString() const {
  std::vector<std::string> texts;
  texts.reserve(requirements_.size());
  for (const LabelRequirement& requirement : requirements_) texts.push_back(textOf(requirement));
  return fmt::format("{}", fmt::join(texts, ","));
}

std::string listLabels(const std::map<std::string, Labels>& objects) {
  constexpr std::size_t most = 20;
  std::vector<std::string> texts;
  for (const auto& [name, labels] : objects) {
    if (texts.size() == most) {
      texts.push_back(fmt::format("and {} more", objects.size() - most));
      break;
    }
    std::vector<std::string> pairs;
    pairs.reserve(labels.size());
    for (const auto& [key, value] : labels) pairs.push_back(fmt::format("{}={}", key, value));
    if (pairs.empty()) pairs.emplace_back("none");
    texts.push_back(fmt::format("{} ({})", name, fmt::join(pairs, ", ")));
  }
  return texts.empty() ? "there is none" : fmt::format("{}", fmt::join(texts, "; "));
}

}  // namespace rookery::api
