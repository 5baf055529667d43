#include "cli/manual/parser_description.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <string_view>

namespace rookery::cli {

namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

/// CLI11 puts what a validator says of itself behind the type: "TEXT:text|json".
void describeValue(const CLI::Option& option, OptionDescription& description) {
  const std::string type = option.get_type_name();
  const std::size_t colon = type.find(':');
  description.value = type.substr(0, colon);
  if (colon == std::string::npos || type.find('|', colon) == std::string::npos) return;
  description.words = split(type.substr(colon + 1), '|');
  description.value = type.substr(colon + 1);
}

OptionDescription describe(const CLI::Option& option) {
  OptionDescription description;
  for (const std::string& name : option.get_snames()) description.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) description.names.push_back("--" + name);
  if (option.get_positional()) description.argument = option.get_name(true, false);
  if (option.get_expected_max() > 0) describeValue(option, description);
  description.help = option.get_description();
  description.standard = option.get_default_str();
  description.environment = option.get_envname();
  description.required = option.get_required();
  description.several = option.get_items_expected_max() > 1;
  return description;
}

/// The verbs that stand directly below `above`, whose own names begin with `prefix`.
std::vector<VerbDescription> describeBelow(const CLI::App& above, const std::string& prefix) {
  std::vector<VerbDescription> verbs;
  for (const CLI::App* verb :
       above.get_subcommands([](const CLI::App* each) { return !each->get_group().empty(); })) {
    VerbDescription description{.name = prefix + verb->get_name(),
                                .summary = verb->get_description(),
                                .options = {},
                                .notes = verb->get_footer()};
    if (description.notes == above.get_footer()) description.notes.clear();  // CLI11 hands them down
    for (const CLI::Option* option : verb->get_options()) {
      if (!option->check_name("--help")) description.options.push_back(describe(*option));
    }
    description.parts = describeBelow(*verb, description.name + " ");
    verbs.push_back(std::move(description));
  }
  return verbs;
}

}  // namespace

std::vector<VerbDescription> describeVerbs(const CLI::App& app) { return describeBelow(app, ""); }

}  // namespace rookery::cli
