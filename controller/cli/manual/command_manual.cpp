#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "cli/manual/manual.h"
#include "cli/manual/markdown.h"
#include "sentence.h"

namespace rookery::cli {

namespace {

constexpr std::string_view examplesHeading = "Examples:\n";

/// Lines without the blanks that they begin with.
std::string unindented(std::string_view lines) {
  std::string plain;
  bool begins = true;
  for (const char c : lines) {
    if (!begins || c != ' ') plain += c;
    begins = c == '\n' || (begins && c == ' ');
  }
  return plain;
}

/// The prose of a verb's notes, and its examples.
std::pair<std::string_view, std::string> partsOf(std::string_view notes) {
  const std::size_t at = notes.find(examplesHeading);
  if (at == std::string_view::npos) return {notes, {}};
  const std::string examples = unindented(notes.substr(at + examplesHeading.size()));
  std::string_view prose = notes.substr(0, at);
  while (prose.ends_with('\n')) prose.remove_suffix(1);
  return {prose, examples};
}

/// A line; of a verb with parts one for each of them.
std::string usageOf(const VerbDescription& verb) {
  if (!verb.parts.empty()) {
    std::vector<std::string> lines;
    lines.reserve(verb.parts.size());
    for (const VerbDescription& part : verb.parts) lines.push_back(usageOf(part));
    return fmt::format("{}", fmt::join(lines, "\n"));
  }
  std::string usage = fmt::format("rookery {} [OPTIONS]", verb.name);
  for (const OptionDescription& option : verb.options) {
    if (option.argument.empty()) continue;
    const std::string argument = option.argument + (option.several ? "…" : "");
    usage += option.required ? " " + argument : fmt::format(" [{}]", argument);
  }
  return usage;
}

/// What stands behind the text of an option.
std::string limitsOf(const OptionDescription& option) {
  std::vector<std::string> limits;
  if (option.required) limits.emplace_back("required");
  if (!option.standard.empty()) limits.push_back("default: " + option.standard);
  if (!option.environment.empty()) limits.push_back("environment: " + option.environment);
  return limits.empty() ? "" : fmt::format(" ({})", fmt::join(limits, "; "));
}

std::string headOf(const OptionDescription& option) {
  if (option.names.empty()) return option.argument;
  const std::string value = option.value.empty() ? "" : " " + option.value;
  return fmt::format("{}{}", fmt::join(option.names, ", "), value);
}

/// Text for groff: nothing in it is a request or an escape.
std::string roff(std::string_view text) {
  std::string safe;
  bool lineBegins = true;
  for (const char c : text) {
    if (lineBegins && (c == '.' || c == '\'')) safe += "\\&";
    if (c == '\\') {
      safe += "\\e";
    } else if (c == '-') {
      safe += "\\-";
    } else {
      safe += c;
    }
    lineBegins = c == '\n';
  }
  return safe;
}

std::string inCapitals(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::string titleOf(const std::string& name, const std::string& version) {
  return fmt::format(".TH {} 1 \"\" \"rookery {}\" \"User Commands\"\n", roff(inCapitals(name)),
                     roff(version));
}

std::string roffOptions(const VerbDescription& verb) {
  std::string text;
  for (const OptionDescription& option : verb.options)
    text += fmt::format(".TP\n\\fB{}\\fR\n{}{}\n", roff(headOf(option)), roff(option.help),
                        roff(limitsOf(option)));
  return text;
}

std::string roffNotes(std::string_view notes, std::string_view section) {
  const auto [prose, examples] = partsOf(notes);
  std::string page;
  if (!prose.empty()) page += fmt::format(".SH {}\n{}\n", section, roff(prose));
  if (!examples.empty()) page += fmt::format(".SH EXAMPLES\n.nf\n{}\n.fi\n", roff(examples));
  return page;
}

std::string sectionOf(const VerbDescription& verb, std::string_view heading) {
  std::string text =
      fmt::format("\n{} {}\n\n{}.\n\n```\n{}\n```\n", heading, verb.name, verb.summary, usageOf(verb));
  if (!verb.options.empty()) text += "\n| option | meaning |\n| --- | --- |\n";
  for (const OptionDescription& option : verb.options)
    text += fmt::format("| `{}` | {}{} |\n", cell(headOf(option)), cell(option.help), cell(limitsOf(option)));
  const auto [prose, examples] = partsOf(verb.notes);
  if (!prose.empty()) text += fmt::format("\n{}\n", prose);
  if (!examples.empty()) text += fmt::format("\n```sh\n{}\n```\n", examples);
  for (const VerbDescription& part : verb.parts) text += sectionOf(part, "###");
  return text;
}

}  // namespace

std::string manPage(const VerbDescription& verb, const std::string& version) {
  std::string page = titleOf("rookery-" + verb.name, version);
  page += fmt::format(".SH NAME\nrookery\\-{} \\- {}\n.SH SYNOPSIS\n.nf\n{}\n.fi\n", roff(verb.name),
                      roff(verb.summary), roff(usageOf(verb)));
  if (!verb.options.empty()) page += ".SH OPTIONS\n" + roffOptions(verb);
  page += roffNotes(verb.notes, "NOTES");
  for (const VerbDescription& part : verb.parts) {
    const auto [prose, examples] = partsOf(part.notes);
    page +=
        fmt::format(".SH {}\n{}.\n{}", roff(inCapitals(part.name)), roff(part.summary), roffOptions(part));
    if (!prose.empty()) page += fmt::format(".PP\n{}\n", roff(prose));
    if (!examples.empty()) page += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(examples));
  }
  return page + ".SH SEE ALSO\n.BR rookery (1)\n";
}

std::string manPage(const std::vector<VerbDescription>& verbs, const std::string& summary,
                    const std::string& notes, const std::string& version) {
  std::string page = titleOf("rookery", version);
  page += fmt::format(".SH NAME\nrookery \\- {}\n.SH SYNOPSIS\nrookery VERB [OPTIONS]\n.SH VERBS\n",
                      roff(withoutFullStop(summary)));
  for (const VerbDescription& verb : verbs)
    page += fmt::format(".TP\n.BR rookery\\-{} (1)\n{}\n", roff(verb.name), roff(verb.summary));
  return page + roffNotes(notes, "NOTES");
}

std::string commandReference(const std::vector<VerbDescription>& verbs) {
  std::string text =
      "# Commands\n\nGenerated from the program's parser by `make reference`.\n\n| command | what it does "
      "|\n| --- | --- |\n";
  for (const VerbDescription& verb : verbs)
    text += fmt::format("| [`{0}`](#{0}) | {1} |\n", verb.name, cell(verb.summary));
  for (const VerbDescription& verb : verbs) text += sectionOf(verb, "##");
  return text;
}

}  // namespace rookery::cli
