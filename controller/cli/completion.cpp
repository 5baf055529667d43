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
  local words=() candidates line=$COMP_LINE word i
  # bash breaks words at = and : too; what stands together on the line is one.
  for ((i = 0; i <= COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if ((i == 0)) || [[ $line == [[:space:]]* ]]; then words+=("$word"); else words[-1]+=$word; fi
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#"$word"}
  done
  word=${words[-1]%"${COMP_WORDS[COMP_CWORD]#[=:]}"}
  mapfile -t candidates < <(rookery __complete "${words[@]:1}" 2>/dev/null)
  if [[ ${candidates[0]-} == :files ]]; then
    compopt -o default
    COMPREPLY=()
  else
    COMPREPLY=("${candidates[@]#"$word"}")
  fi
}
complete -F _rookery rookery
)";

constexpr const char* zshScript = R"zsh(#compdef rookery
_rookery() {
  local -a candidates
  candidates=(${(f)"$(rookery __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
  if [[ ${candidates[1]-} == :files ]]; then
    compset -P '--*='
    _files
  elif (($#candidates)); then
    compadd -a candidates
  fi
}
if [[ ${zsh_eval_context[-1]-} == loadautofunc ]]; then
  _rookery "$@" # a file of $fpath: its first call is to complete already
else
  compdef _rookery rookery
fi
)zsh";

constexpr const char* fishScript = R"(function __rookery_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l candidates (rookery __complete $words[2..-1] 2>/dev/null)
  if test "$candidates[1]" = :files
    set -l option (string match -r -- '^--[^=]*=' $words[-1]; or echo)
    printf '%s\n' $option(__fish_complete_path (string replace -- "$option" '' $words[-1]))
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
      const auto [option, value] = optionOf(words[i]);
      if (!words[i].starts_with('-')) {
        arguments_.push_back(words[i]);
      } else if (option == nullptr || option->value.empty()) {
        continue;
      } else if (value) {
        values_[option->names.back()] = *value;
      } else if (i + 1 == words.size()) {
        awaited_ = option;
      } else {
        values_[option->names.back()] = words[++i];
      }
    }
    const auto [option, value] = optionOf(last_);
    if (awaited_ != nullptr || !value || !last_.starts_with("--")) return;
    awaited_ = option;
    prefix_ = last_.substr(0, last_.size() - value->size());
  }

  const VerbDescription& verb() const { return verb_; }
  const std::string& last() const { return last_; }
  const std::vector<std::string>& arguments() const { return arguments_; }
  /// The option whose value the last word is to be; null: it is none.
  const OptionDescription* awaited() const { return awaited_; }
  /// What stands before that value in the last word: "--output=".
  const std::string& prefix() const { return prefix_; }
  /// What the option of that name has, here or in the environment.
  std::optional<std::string> valueOf(const std::string& name) const {
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
    const OptionDescription* option = optionNamed(name);
    const char* set =
        option == nullptr || option->environment.empty() ? nullptr : std::getenv(option->environment.c_str());
    return set == nullptr ? std::nullopt : std::optional<std::string>(set);
  }

 private:
  /// The option that a word names, and the value, where that stands in the same word: --output=json, -ojson.
  std::pair<const OptionDescription*, std::optional<std::string>> optionOf(const std::string& word) const {
    if (const OptionDescription* option = optionNamed(word); option != nullptr) return {option, std::nullopt};
    const bool isLong = word.starts_with("--");
    const std::size_t end =
        isLong ? std::min(word.find('='), word.size()) : std::min<std::size_t>(2, word.size());
    if (end == word.size()) return {nullptr, std::nullopt};
    const OptionDescription* option = optionNamed(word.substr(0, end));
    return {option, option == nullptr ? std::nullopt : std::optional(word.substr(isLong ? end + 1 : end))};
  }
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
  std::string prefix_;
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

bool isPath(const OptionDescription& option) {
  return option.value == "PATH" || option.value == "FILE" || option.value == "DIR" ||
         option.value == "CONFIG";
}

std::vector<std::string> valuesOf(const OptionDescription& option, const Line& line) {
  if (!option.words.empty()) return option.words;
  const std::string& name = option.names.back();
  if (name == "--namespace") return objectNames("namespaces", line);
  if (name == "--instance") return objectNames("albatrossinstances", line);
  return isPath(option) ? std::vector<std::string>{anyFiles} : std::vector<std::string>{};
}

void putBefore(std::vector<std::string>& candidates, const std::string& prefix) {
  for (std::string& candidate : candidates) {
    if (candidate != anyFiles) candidate.insert(0, prefix);
  }
}

/// KIND NAME…, KIND,KIND… or KIND/NAME…
std::vector<std::string> objectArguments(const Line& line) {
  const std::string& last = line.last();
  std::vector<std::string> candidates;
  if (const std::size_t slash = last.find('/'); slash != std::string::npos) {
    candidates = objectNames(last.substr(0, slash), line);
    putBefore(candidates, last.substr(0, slash + 1));
  } else if (!line.arguments().empty()) {
    const std::string& kind = line.arguments().front();
    candidates = kind.contains('/') ? kindNames() : objectNames(kind, line);
  } else {
    candidates = kindNames();
    if (const std::size_t comma = last.rfind(','); comma != std::string::npos)
      putBefore(candidates, last.substr(0, comma + 1));
  }
  return candidates;
}

/// The kind whose objects an argument of the verb names; empty: of none.
std::string kindNamedBy(const VerbDescription& verb, std::size_t argument) {
  if (verb.name == "restart") return "unikernels";
  if (argument > 0) return {};
  if (verb.name == "deploy" || verb.name == "logs" || verb.name.starts_with("rollout ")) return "unikernels";
  return verb.name.starts_with("volume ") ? "unikernelvolumes" : "";
}

std::vector<std::string> argumentsOf(const Line& line) {
  const std::string& verb = line.verb().name;
  if (verb == "get" || verb == "describe" || verb == "delete") return objectArguments(line);
  if (const std::string kind = kindNamedBy(line.verb(), line.arguments().size()); !kind.empty())
    return objectNames(kind, line);
  if (verb == "completion") return {"bash", "fish", "zsh"};
  const bool takesFiles = std::ranges::any_of(line.verb().options, [](const OptionDescription& option) {
    return isPath(option) && !option.argument.empty();
  });
  return takesFiles ? std::vector<std::string>{anyFiles} : std::vector<std::string>{};
}

std::vector<std::string> verbNames(const std::vector<VerbDescription>& known) {
  std::vector<std::string> names;
  names.reserve(known.size());
  for (const VerbDescription& verb : known) names.push_back(verb.name.substr(verb.name.rfind(' ') + 1));
  return names;
}

/// `words` begin with a verb of `known`.
std::vector<std::string> candidatesFor(const std::vector<VerbDescription>& known,
                                       std::vector<std::string> words) {
  if (words.size() == 1) return verbNames(known);
  const std::vector<std::string> names = verbNames(known);
  const auto found = std::ranges::find(names, words.front());
  if (found == names.end()) return {};
  const VerbDescription& verb = known[static_cast<std::size_t>(found - names.begin())];
  words.erase(words.begin());
  if (!verb.parts.empty()) return candidatesFor(verb.parts, std::move(words));
  const Line line(verb, std::move(words));
  if (line.awaited() == nullptr) return line.last().starts_with('-') ? optionNames(verb) : argumentsOf(line);
  std::vector<std::string> values = valuesOf(*line.awaited(), line);
  putBefore(values, line.prefix());
  return values;
}

std::vector<std::string> candidatesOnLine(const std::vector<VerbDescription>& known,
                                          std::vector<std::string> words) {
  if (words.empty()) words.emplace_back();
  if (words.size() > 1 && words.front() == "help") words.erase(words.begin());
  std::vector<std::string> candidates = candidatesFor(known, words);
  if (words.size() == 1) candidates.emplace_back("help");
  return candidates;
}

int complete(const CLI::App& app, const std::vector<std::string>& words, const Console& console) {
  const std::string last = words.empty() ? "" : words.back();
  std::vector<std::string> candidates = candidatesOnLine(describeVerbs(app), words);
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
      "  source <(rookery completion zsh)      # in ~/.zshrc, behind compinit\n"
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
