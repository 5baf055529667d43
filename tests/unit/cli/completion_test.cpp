#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "unit/cli/invoke.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> complete(std::vector<std::string> words) {
  words.insert(words.begin(), "__complete");
  const Invocation outcome = invoke(words);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  std::vector<std::string> candidates;
  std::istringstream stream(outcome.out);
  for (std::string line; std::getline(stream, line);) candidates.push_back(line);
  return candidates;
}

TEST(Completion, KnowsVerbsOptionsAndTheValuesOfOptions) {
  EXPECT_THAT(complete({"pl"}), ElementsAre("plan"));
  EXPECT_THAT(complete({""}), AllOf(Contains("apply"), Contains("help"), Not(Contains("__complete"))));
  EXPECT_THAT(complete({"help", "val"}), ElementsAre("validate"));
  EXPECT_THAT(complete({"plan", "--pr"}), ElementsAre("--prune"));
  EXPECT_THAT(complete({"get", "uk", "-o", "j"}), ElementsAre("json"));
  EXPECT_THAT(complete({"get", "alb"}), ElementsAre("alba", "albatrossinstances"));
  EXPECT_THAT(complete({"completion", ""}), ElementsAre("bash", "fish", "zsh"));
  EXPECT_THAT(complete({"reticulate", ""}), IsEmpty());
}

TEST(Completion, KnowsWhatStandsBelowAVerb) {
  EXPECT_THAT(complete({"rollout", ""}), ElementsAre("pause", "resume", "status", "undo"));
  EXPECT_THAT(complete({"volume", "lo"}), ElementsAre("load"));
  EXPECT_THAT(complete({"rollout", "status", "--wa"}), ElementsAre("--watch"));
  EXPECT_THAT(complete({"notify", "test", "--notifications", ""}), ElementsAre(":files"));
  EXPECT_THAT(complete({"help", "rollout", "st"}), ElementsAre("status"));
}

TEST(Completion, KnowsValuesThatStandInTheWordOfTheirOption) {
  EXPECT_THAT(complete({"get", "uk", "--output=j"}), ElementsAre("--output=json"));
  EXPECT_THAT(complete({"plan", "--filename=ma"}), ElementsAre(":files"));
  EXPECT_THAT(complete({"get", "uk,alb"}), ElementsAre("uk,alba", "uk,albatrossinstances"));
}

TEST(Completion, LeavesFilesToTheShell) {
  EXPECT_THAT(complete({"plan", "man"}), ElementsAre(":files"));
  EXPECT_THAT(complete({"plan", "-f", ""}), ElementsAre(":files"));
  EXPECT_THAT(complete({"plan", "--out", ""}), ElementsAre(":files"));
  EXPECT_THAT(complete({"apply", "--plan", ""}), ElementsAre(":files"));
  EXPECT_THAT(complete({"get", "uk", "--token-file", ""}), ElementsAre(":files"));
}

TEST(Completion, AsksTheControllerForNames) {
  const ScriptedServer server([](const httplib::Request& request) -> ScriptedServer::Answer {
    if (request.path.starts_with("/apis/rookery.dev/v1alpha1/namespaces/shop/unikernel"))
      return {
          .pieces = {R"({"metadata":{},"items":[{"metadata":{"name":"web"}},{"metadata":{"name":"api"}}]})"}};
    if (request.path == "/api/v1/namespaces")
      return {.pieces = {R"({"metadata":{},"items":[{"metadata":{"name":"shop"}}]})"}};
    return {.status = 404, .pieces = {"{}"}};
  });
  const std::string url = server.url();
  EXPECT_THAT(complete({"describe", "--server", url, "-n", "shop", "uk", ""}), ElementsAre("api", "web"));
  EXPECT_THAT(complete({"get", "--server", url, "-n", "shop", "uk/w"}), ElementsAre("uk/web"));
  EXPECT_THAT(complete({"get", "uk", "--server", url, "-n", ""}), ElementsAre("shop"));
  EXPECT_THAT(complete({"get", "--server=" + url, "-A", "-nshop", "uk", "w"}), ElementsAre("web"));
  EXPECT_THAT(complete({"get", "uk/web", "--server", url, "-n", "shop", "uk/"}),
              ElementsAre("uk/api", "uk/web"));
  for (const char* verb : {"delete uk", "restart", "logs", "rollout undo", "volume dump"}) {
    std::vector<std::string> words;
    std::istringstream stream(verb);
    for (std::string word; stream >> word;) words.push_back(word);
    words.insert(words.end(), {"-n", "shop", "--server", url, ""});
    EXPECT_THAT(complete(words), Not(IsEmpty())) << verb;
  }
  EXPECT_THAT(complete({"describe", "--server", "http://127.0.0.1:1", "uk", ""}), IsEmpty());
}

TEST(Completion, IsWrittenForEachShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Invocation script = invoke({"completion", shell});
    EXPECT_EQ(script.status, 0);
    EXPECT_THAT(script.out, HasSubstr("rookery __complete"));
  }
  EXPECT_THAT(invoke({"completion", "tcsh"}).err, HasSubstr("bash, zsh, fish"));
}

}  // namespace
}  // namespace rookery::cli
