#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "fixtures/temp_dir.h"
#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Cli, HelpListsEveryVerb) {
  const Invocation help = invoke({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.err, IsEmpty());
  for (const std::string verb :
       {"run", "apply", "plan", "validate", "get", "describe", "deploy", "export", "inspect", "version"}) {
    EXPECT_THAT(help.out, HasSubstr("\n  " + verb + " "));
  }
}

TEST(Cli, EveryVerbHasHelp) {
  for (const std::string verb :
       {"run", "apply", "plan", "validate", "get", "describe", "deploy", "export", "inspect", "version"}) {
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
      {{"version", "-o", "xml"}, "\"xml\" is none of text, json"},
      {{"run", "--log-format", "xml"}, "\"xml\" is none of text, json"},
      {{"validate", "-f", ".", "--lenient"}, "--lenient"},
      {{"inspect"}, "IMAGE is required"},
      {{}, "validate"},
  };
  for (const auto& [arguments, expected] : uses) {
    const Invocation wrong = invoke(arguments);
    EXPECT_EQ(wrong.status, 1) << expected;
    EXPECT_THAT(wrong.out, IsEmpty());
    EXPECT_THAT(wrong.err, HasSubstr(expected));
  }
}

TEST(Cli, RefusesAPathThatIsEmpty) {
  const std::vector<std::vector<std::string>> uses = {{"run", "--manifests", ""},
                                                      {"plan", ""},
                                                      {"validate", "-f", ""},
                                                      {"apply", "-f", ".", "--state-dir", ""},
                                                      {"plan", "-f", ".", "--image-root", ""},
                                                      {"get", "uk", "--token-file", ""},
                                                      {"inspect", ""},
                                                      {"notify", "test", "--notifications", ""}};
  for (const auto& arguments : uses) {
    const Invocation wrong = invoke(arguments);
    EXPECT_EQ(wrong.status, 1);
    EXPECT_THAT(wrong.err, HasSubstr("the path is empty")) << arguments.front();
  }
}

TEST(Cli, UnderstandsWhatOtherProgramsAreAsked) {
  for (const char* habit : {"--version", "-v", "-V"}) EXPECT_EQ(invoke({habit}).out, invoke({"version"}).out);
  for (const std::vector<std::string>& asked : {std::vector<std::string>{"help"}, {"help", "help"}})
    EXPECT_EQ(invoke(asked).out, invoke({"--help"}).out);
  const Invocation help = invoke({"help", "plan"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.out, invoke({"plan", "--help"}).out);
}

TEST(Cli, SaysWhatToDoInsteadOfAVerbThatThereIsNot) {
  const std::vector<std::pair<std::string, std::string>> verbs = {
      {"plann", "Did you mean plan?"},  {"decribe", "Did you mean describe?"}, {"destroy", "apply --prune"},
      {"console", "rookery logs NAME"}, {"list", "rookery get uk -A"},         {"diff", "rookery plan"},
  };
  for (const auto& [verb, advice] : verbs) {
    const Invocation unknown = invoke({verb});
    EXPECT_EQ(unknown.status, 1);
    EXPECT_THAT(unknown.err, AllOf(HasSubstr("There is no verb " + verb), HasSubstr(advice)));
  }
  EXPECT_THAT(invoke({"reticulate"}).err, Not(HasSubstr("Did you mean")));
  EXPECT_EQ(invoke({std::string(100'000, 'a')}).status, 1);
}

TEST(Cli, SaysWhatMayBeMeantByWhatItDoesNotKnow) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> uses = {
      {{"plan", "--prun"}, "Did you mean --prune? `rookery plan --help` says more."},
      {{"get", "uk", "--namspace=shop"}, "Did you mean --namespace?"},
      {{"apply", "--dry-run"}, "`rookery plan` shows what `apply` would do"},
      {{"rollout", "statsu", "web"}, "There is no verb rollout statsu"},
      {{"rollout", "statsu", "web"}, "Did you mean rollout status?"},
      {{"rollout", "restart", "web"}, "`rookery restart NAME`"},
      {{"volume"}, "`rookery volume --help` says more."},
      {{"help", "volum"}, "Did you mean volume?"},
  };
  for (const auto& [arguments, expected] : uses) {
    const Invocation wrong = invoke(arguments);
    EXPECT_EQ(wrong.status, 1) << expected;
    EXPECT_THAT(wrong.err, HasSubstr(expected));
  }
  EXPECT_THAT(invoke({"plan", "--reticulate"}).err, Not(HasSubstr("Did you mean")));
}

TEST(Cli, TakesManifestsAsArgumentsAndThoseOfTheCurrentFolder) {
  const fixtures::TempDir folder;
  const fixtures::CurrentFolder here(folder.path());
  for (const char* verb : {"validate", "plan", "apply"}) {
    const Invocation none = invoke({verb});
    EXPECT_EQ(none.status, 1);
    EXPECT_THAT(none.err, HasSubstr("there are none in the current folder"));
  }
  folder.write("shop.yaml",
               "apiVersion: rookery.dev/v1alpha1\nkind: UnikernelPolicy\n"
               "metadata: {name: limits, namespace: shop}\n"
               "spec: {unikernels: 1, memory: 32Mi}\n");
  const Invocation current = invoke({"validate"});
  EXPECT_THAT(current.err, HasSubstr("those of the current folder"));
  EXPECT_EQ(invoke({"validate", "shop.yaml"}).out, current.out);
  EXPECT_EQ(invoke({"validate", folder.path().string()}).out, current.out);
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
