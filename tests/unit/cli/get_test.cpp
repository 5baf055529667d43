#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "reconcile/events.h"
#include "serve/metrics.h"
#include "serve/resource_api.h"
#include "serve/server.h"
#include "unit/cli/invoke.h"
#include "unit/serve/views.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) found.push_back(line);
  return found;
}

class GetTest : public testing::Test {
 protected:
  void SetUp() override {
    publish("shop", "web", true, Reason::Running, "It runs.");
    publish("shop", "api", false, Reason::ImageNotFound, "There is no image web.hvt.");
    publish("default", "main", true, Reason::Running, "It runs.");
    store_.setSynced();
    auto started = serve::Server::start({.listen = "127.0.0.1:0"}, store_, api_, metrics_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }

  void publish(const std::string& nameSpace, const std::string& name, bool ready, Reason reason,
               const std::string& message) {
    serve::publish(store_, serve::unikernelView(nameSpace, name, ready, reason, message));
  }

  Invocation get(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "get");
    arguments.insert(arguments.end(), {"--server", "http://127.0.0.1:" + std::to_string(server_->port())});
    return invoke(arguments);
  }

  reconcile::ObjectStore store_;
  reconcile::EventRecorder events_{store_};
  serve::ResourceApi api_{store_, events_.events(), nullptr};
  serve::Metrics metrics_{{"1", "r"}};
  std::unique_ptr<serve::Server> server_;
};

TEST_F(GetTest, ATableOfTheNamespace) {
  const Invocation outcome = get({"uk", "-n", "shop"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(lines(outcome.out), ElementsAre(testing::MatchesRegex("NAME +.*READY.*REASON.*"),
                                              testing::MatchesRegex("api +.*False +ImageNotFound.*"),
                                              testing::MatchesRegex("web +.*True +Running.*")));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(GetTest, TheNamespaceIsDefaultUnlessGiven) {
  EXPECT_THAT(lines(get({"unikernels"}).out), ElementsAre(HasSubstr("NAME"), testing::StartsWith("main ")));
}

TEST_F(GetTest, AllNamespacesComeFirstInEachRow) {
  EXPECT_THAT(lines(get({"Unikernel", "-A"}).out),
              ElementsAre(testing::StartsWith("NAMESPACE   NAME"), testing::StartsWith("default     main"),
                          testing::StartsWith("shop        api"), testing::StartsWith("shop        web")));
}

TEST_F(GetTest, WideHasTheMessage) {
  EXPECT_THAT(get({"uk", "api", "-n", "shop", "-o", "wide"}).out,
              AllOf(HasSubstr("MESSAGE"), HasSubstr("There is no image web.hvt.")));
}

TEST_F(GetTest, JsonOfOneAndOfSeveral) {
  const json one = json::parse(get({"uk", "web", "-n", "shop", "-o", "json"}).out);
  EXPECT_EQ(one["kind"], "Unikernel");
  EXPECT_EQ(one["status"]["conditions"][0]["reason"], "Running");
  const json several = json::parse(get({"uk", "-A", "-o", "json"}).out);
  EXPECT_EQ(several["kind"], "List");
  EXPECT_EQ(several["apiVersion"], "v1");
  EXPECT_EQ(several["items"].size(), 3);
  EXPECT_EQ(json::parse(get({"uk", "-n", "none", "-o", "json"}).out)["items"], json::array());
}

TEST_F(GetTest, YamlAndNames) {
  EXPECT_THAT(get({"uk", "web", "-n", "shop", "-o", "yaml"}).out,
              AllOf(HasSubstr("kind: Unikernel\n"), HasSubstr("  namespace: shop\n"),
                    HasSubstr("status: \"True\"\n")));
  EXPECT_EQ(get({"uk", "-n", "shop", "-o", "name"}).out,
            "unikernel.rookery.dev/api\nunikernel.rookery.dev/web\n");
}

TEST_F(GetTest, SeveralKinds) {
  serve::publish(store_, serve::instanceView("eu-1", "10.0.42.15:1025"));
  for (const char* kinds : {"alba,uk", "all"}) {
    const Invocation outcome = get({kinds, "-n", "shop"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(
        lines(outcome.out),
        ElementsAre(testing::StartsWith("NAME "), testing::StartsWith("albatrossinstance.rookery.dev/eu-1 "),
                    "", testing::StartsWith("NAME "), testing::StartsWith("unikernel.rookery.dev/api "),
                    testing::StartsWith("unikernel.rookery.dev/web ")));
  }
  EXPECT_EQ(get({"uk,alba", "-n", "shop", "-o", "name"}).out,
            "unikernel.rookery.dev/api\nunikernel.rookery.dev/web\nalbatrossinstance.rookery.dev/eu-1\n");
  const json list = json::parse(get({"uk,alba", "-A", "-o", "json"}).out);
  EXPECT_EQ(list["kind"], "List");
  EXPECT_EQ(list["items"].size(), 4);
  EXPECT_EQ(get({"ukpol,events", "-n", "none"}).err,
            "No resources found in none namespace; -A looks in all.\n");
}

TEST_F(GetTest, ObjectsByKindAndName) {
  serve::publish(store_, serve::instanceView("eu-1", "10.0.42.15:1025"));
  const json one = json::parse(get({"uk/web", "-n", "shop", "-o", "json"}).out);
  EXPECT_EQ(one["metadata"]["name"], "web");
  EXPECT_EQ(get({"uk/web", "alba/eu-1", "-n", "shop", "-o", "name"}).out,
            "unikernel.rookery.dev/web\nalbatrossinstance.rookery.dev/eu-1\n");
  EXPECT_EQ(get({"uk", "web", "api", "-n", "shop", "-o", "name"}).out,
            "unikernel.rookery.dev/web\nunikernel.rookery.dev/api\n");

  const Invocation partly = get({"uk", "web", "none", "-n", "shop", "-o", "name"});
  EXPECT_EQ(partly.status, 1);
  EXPECT_EQ(partly.out, "unikernel.rookery.dev/web\n");
  EXPECT_EQ(partly.err,
            "Error from server (NotFound): unikernel.rookery.dev \"none\" not found in namespace shop; -n "
            "names another\n");
}

TEST_F(GetTest, WatchesOneKindOrObjectOnly) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"uk,alba", "-w"}, {"all", "-w"}, {"uk/web", "uk/api", "-w"}}) {
    const Invocation outcome = get(arguments);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.err, testing::StartsWith("error: Only one kind, or one object, can be watched"));
  }
}

TEST_F(GetTest, NothingInACellActsOnTheTerminal) {
  publish("shop", "web", false, Reason::Refused, "a\x1b[2J\nb\u202e");
  for (const char* output : {"wide", "json", "yaml"}) {
    const Invocation outcome = get({"uk", "web", "-n", "shop", "-o", output});
    EXPECT_THAT(outcome.out, testing::Not(testing::AnyOf(HasSubstr("\x1b"), HasSubstr("\u202e")))) << output;
  }
  const json object = json::parse(get({"uk", "web", "-n", "shop", "-o", "json"}).out);
  EXPECT_EQ(object["status"]["conditions"][0]["message"], "a\\u001b[2J\\nb\\u202e");
}

TEST_F(GetTest, NothingThereIsSaidAndNoFailure) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"uk", "-n", "none"}, "No resources found in none namespace; -A looks in all.\n"},
      {{"ukpol", "-A"}, "No resources found\n"},
      {{"alba"}, "No resources found\n"},
      {{"uk", "-n", "none", "-o", "name"}, "No resources found in none namespace; -A looks in all.\n"},
  };
  for (const auto& [arguments, message] : cases) {
    const Invocation outcome = get(arguments);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, message);
  }
}

TEST_F(GetTest, MistakesAreNamed) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"uk", "x", "-n", "shop"},
       "Error from server (NotFound): unikernel.rookery.dev \"x\" not found in namespace shop; -n names "
       "another\n"},
      {{"uk", "../web", "-n", "shop"},
       "Error from server (NotFound): unikernel.rookery.dev \"../web\" not found in namespace shop; -n names "
       "another\n"},
      {{"pods"}, "error: \"pods\" is not a kind"},
      {{"uk", "web", "-A"}, "error: An object cannot be had by its name from all namespaces"},
  };
  for (const auto& [arguments, message] : cases) {
    const Invocation outcome = get(arguments);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::StartsWith(message));
  }
}

TEST_F(GetTest, TheServerCanComeFromTheEnvironment) {
  ::setenv("ROOKERY_SERVER", ("http://127.0.0.1:" + std::to_string(server_->port())).c_str(), 1);
  const Invocation outcome = invoke({"get", "uk", "-n", "shop", "-o", "name"});
  ::unsetenv("ROOKERY_SERVER");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("/web"));
}

TEST_F(GetTest, AControllerThatDoesNotRunIsSaid) {
  const std::string url = "http://127.0.0.1:" + std::to_string(server_->port());
  server_->stop();
  const Invocation outcome = invoke({"get", "uk", "--server", url});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("error: Cannot reach a controller at " + url),
                                 HasSubstr("rookery run --manifests")));
}

}  // namespace
}  // namespace rookery::cli
