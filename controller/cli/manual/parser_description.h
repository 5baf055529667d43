#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

/// What the program says of itself to people, made of what it is made of: its command line of the parser, its
/// kinds of the CRDs. So none of it can be out of date.
namespace rookery::cli {

/// An option, or an argument, of a verb.
struct OptionDescription {
  std::vector<std::string> names;  // "-f", "--filename"; of an argument without a name: none
  std::string argument;            // "NAME": how it stands as an argument; empty: it cannot
  std::string value;               // "PATH"; empty: a flag
  std::vector<std::string> words;  // the only values that it takes; empty: any
  std::string help;
  std::string standard;     // what it is where nobody gives it; empty: nothing, or the machine says
  std::string environment;  // the variable that gives it, too; empty: none
  bool required = false;
  bool several = false;  // as an argument
};

struct VerbDescription {
  std::string name;  // as it is written behind the program's: "rollout status"
  std::string summary;
  std::vector<OptionDescription> options;
  std::string notes;                     // paragraphs, then "Examples:" with a command in each line
  std::vector<VerbDescription> parts{};  // one of them has to be chosen; none: it is a verb by itself
};

/// All verbs that --help shows, in its order.
std::vector<VerbDescription> describeVerbs(const CLI::App& app);

}  // namespace rookery::cli
