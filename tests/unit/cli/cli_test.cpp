#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Cli, HelpListsEveryVerb) {
  const Invocation help = invoke({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.err, IsEmpty());
  for (const std::string verb :
       {"run", "apply", "plan", "validate", "get", "describe", "deploy", "inspect", "version"}) {
    EXPECT_THAT(help.out, HasSubstr("\n  " + verb + " "));
  }
}

TEST(Cli, EveryVerbHasHelp) {
  for (const std::string verb :
       {"run", "apply", "plan", "validate", "get", "describe", "deploy", "inspect", "version"}) {
    SCOPED_TRACE(verb);
    const Invocation help = invoke({verb, "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, AllOf(HasSubstr("Usage: rookery " + verb), HasSubstr("--help")));
  }
}

TEST(Cli, WrongUseIsStatusOneAndSaysWhatIsWrong) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> uses = {
      {{"reticulate"}, "reticulate"},
      {{"deploy", "web"}, "IMAGE is required"},
      {{"describe", "uk"}, "NAME is required"},
      {{"validate"}, "--filename is required"},
      {{"validate", "-f", ".", "--lenient"}, "--lenient"},
      {{"inspect"}, "IMAGE is required"},
      {{"version", "-o", "xml"}, "xml"},
      {{}, "validate"},
  };
  for (const auto& [arguments, expected] : uses) {
    const Invocation wrong = invoke(arguments);
    EXPECT_EQ(wrong.status, 1) << expected;
    EXPECT_THAT(wrong.out, IsEmpty());
    EXPECT_THAT(wrong.err, HasSubstr(expected));
  }
}

TEST(Cli, OutputThatCannotBeWrittenIsAFailure) {
  std::ostringstream err;
  std::ostream full(nullptr);  // a stream without a buffer takes nothing
  const std::vector<std::string> arguments = {"version"};
  EXPECT_EQ(run(arguments, Console{.out = full, .err = err}), 1);
  EXPECT_THAT(err.str(), HasSubstr("Standard output cannot be written"));
}

}  // namespace
}  // namespace rookery::cli
