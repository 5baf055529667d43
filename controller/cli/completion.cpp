#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json_path.h"
#include "api/schema.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/choice.h"
#include "cli/list_watch.h"
#include "cli/manual/parser_description.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace {

/// Stands for whatever files there are: the shell knows how to complete those.
constexpr const char* anyFiles = ":files";

// The shells' parts: they ask the program, which knows its own verbs and options, and the controller its
// objects.
constexpr const char* bashScript = R"(_rookery() {
  local candidates
  mapfile -t candidates < <(rookery __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ ${candidates[0]-} == :files ]]; then
    compopt -o default
    COMPREPLY=()
  else
    COMPREPLY=("${candidates[@]}")
  fi
}
complete -F _rookery rookery
)";

constexpr const char* zshScript = R"(#compdef rookery
_rookery() {
  local -a candidates
  candidates=("${(@f)$(rookery __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ ${candidates[1]-} == :files ]]; then
    _files
  else
    compadd -a candidates
  fi
}
compdef _rookery rookery
)";

constexpr const char* fishScript = R"(function __rookery_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l candidates (rookery __complete $words[2..-1] 2>/dev/null)
  if test "$candidates[1]" = :files
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $candidates
  end
end
complete -c rookery -f -a '(__rookery_complete)'
)";

/// A command line as far as it is written; the last of `words` is the one to be completed.
class Line {
 public:
  Line(const VerbDescription& verb, std::vector<std::string> words) : verb_(verb), last_(words.back()) {
    words.pop_back();
    for (std::size_t i = 0; i < words.size(); ++i) {
      const OptionDescription* option = optionNamed(words[i]);
      if (option == nullptr) {
        arguments_.push_back(words[i]);
      } else if (!option->value.empty() && i + 1 == words.size()) {
        awaited_ = option;
      } else if (!option->value.empty()) {
        values_[option->names.back()] = words[++i];
      }
    }
  }

  const VerbDescription& verb() const { return verb_; }
  const std::string& last() const { return last_; }
  const std::vector<std::string>& arguments() const { return arguments_; }
  /// The option whose value the last word is to be; null: it is none.
  const OptionDescription* awaited() const { return awaited_; }
  /// What the option of that name has, here or in the environment.
  std::optional<std::string> valueOf(const std::string& name) const {
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
    const OptionDescription* option = optionNamed(name);
    const char* set =
        option == nullptr || option->environment.empty() ? nullptr : std::getenv(option->environment.c_str());
    return set == nullptr ? std::nullopt : std::optional<std::string>(set);
  }

 private:
  const OptionDescription* optionNamed(const std::string& name) const {
    const auto found = std::ranges::find_if(verb_.options, [&](const OptionDescription& option) {
      return std::ranges::find(option.names, name) != option.names.end();
    });
    return found == verb_.options.end() ? nullptr : &*found;
  }

  const VerbDescription& verb_;
  std::string last_;
  std::vector<std::string> arguments_;
  std::map<std::string, std::string> values_;  // by the last name of each option
  const OptionDescription* awaited_ = nullptr;
};

std::vector<std::string> optionNames(const VerbDescription& verb) {
  std::vector<std::string> names = {"--help"};
  for (const OptionDescription& option : verb.options)
    names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

std::vector<std::string> kindNames() {
  std::vector<std::string> names = {"all", "events", "namespaces", "secrets"};
  for (const api::Kind kind : api::customKinds()) {
    const api::Definition& definition = api::definitionOf(kind);
    names.push_back(definition.plural);
    names.insert(names.end(), definition.shortNames.begin(), definition.shortNames.end());
  }
  return names;
}

/// The names of objects, from the controller that the line names. Empty: it cannot be asked.
std::vector<std::string> objectNames(const std::string& kind, const Line& line) {
  const auto resource = ApiResource::named(kind);
  if (!resource) return {};
  ClientOptions options;
  options.server = line.valueOf("--server").value_or(options.server);
  options.tokenFile = line.valueOf("--token-file").value_or("");
  options.certificateAuthority = line.valueOf("--certificate-authority").value_or("");
  const auto client = ApiClient::to(options);
  if (!client) return {};
  const auto listing =
      list(*client, {resource->path(line.valueOf("--namespace").value_or("default")), "", ""});
  if (!listing) return {};
  std::vector<std::string> names;
  for (const auto& object : listing->items) names.push_back(api::textByPath(object, ".metadata.name"));
  return names;
}

std::vector<std::string> valuesOf(const OptionDescription& option, const Line& line) {
  if (!option.words.empty()) return option.words;
  const std::string& name = option.names.back();
  if (name == "--namespace") return objectNames("namespaces", line);
  if (name == "--instance") return objectNames("albatrossinstances", line);
  const bool isPath =
      option.value == "PATH" || option.value == "FILE" || option.value == "DIR" || option.value == "CONFIG";
  return isPath ? std::vector<std::string>{anyFiles} : std::vector<std::string>{};
}

/// KIND NAME… or KIND/NAME…
std::vector<std::string> objectArguments(const Line& line) {
  if (const std::size_t slash = line.last().find('/'); slash != std::string::npos) {
    const std::string kind = line.last().substr(0, slash);
    std::vector<std::string> names = objectNames(kind, line);
    for (std::string& name : names) name.insert(0, kind + "/");
    return names;
  }
  return line.arguments().empty() ? kindNames() : objectNames(line.arguments().front(), line);
}

std::vector<std::string> argumentsOf(const Line& line) {
  const std::string& verb = line.verb().name;
  if (verb == "get" || verb == "describe") return objectArguments(line);
  const bool namesOne = verb == "deploy" || verb == "logs";
  if (verb == "restart" || (namesOne && line.arguments().empty())) return objectNames("unikernels", line);
  if (verb == "completion") return {"bash", "fish", "zsh"};
  const bool takesAny = std::ranges::any_of(line.verb().options, [](const OptionDescription& option) {
    return option.value == "PATH" && !option.argument.empty();
  });
  return takesAny ? std::vector<std::string>{anyFiles} : std::vector<std::string>{};
}

std::vector<std::string> candidatesFor(const std::vector<VerbDescription>& known,
                                       std::vector<std::string> words) {
  if (words.empty()) words.emplace_back();
  if (words.size() == 1) {
    std::vector<std::string> names = {"help"};
    for (const VerbDescription& verb : known) names.push_back(verb.name);
    return names;
  }
  if (words.front() == "help") return candidatesFor(known, {words.back()});
  const auto verb = std::ranges::find(known, words.front(), &VerbDescription::name);
  if (verb == known.end()) return {};
  const Line line(*verb, {words.begin() + 1, words.end()});
  if (line.awaited() != nullptr) return valuesOf(*line.awaited(), line);
  return line.last().starts_with('-') ? optionNames(*verb) : argumentsOf(line);
}

int complete(const CLI::App& app, const std::vector<std::string>& words, const Console& console) {
  const std::string last = words.empty() ? "" : words.back();
  std::vector<std::string> candidates = candidatesFor(describeVerbs(app), words);
  std::ranges::sort(candidates);
  for (const std::string& candidate : candidates) {
    if (candidate == anyFiles || candidate.starts_with(last)) console.out << candidate << '\n';
  }
  return 0;
}

}  // namespace

void addCompletion(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("completion", "Print what lets a shell complete rookery's command lines");
  verb->footer(
      "The names of namespaces and objects come from the controller that --server or ROOKERY_SERVER "
      "names.\n\n"
      "Examples:\n"
      "  source <(rookery completion bash)     # in ~/.bashrc, for good\n"
      "  source <(rookery completion zsh)      # in ~/.zshrc\n"
      "  rookery completion fish | source      # in ~/.config/fish/config.fish");
  const auto shell = std::make_shared<std::string>();
  verb->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(oneOf({"bash", "zsh", "fish"}));
  verb->callback([shell, console, &status] {
    console.out << (*shell == "bash" ? bashScript : *shell == "zsh" ? zshScript : fishScript);
    status = 0;
  });
}

void addComplete(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("__complete", "For the shells: what could stand there")->group("");
  verb->prefix_command();
  verb->callback([&app, verb, console, &status] { status = complete(app, verb->remaining(), console); });
}

}  // namespace rookery::cli
