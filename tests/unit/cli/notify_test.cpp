#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "fixtures/temp_dir.h"
#include "unit/cli/invoke.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using testing::HasSubstr;

/// Two receivers, of which one does not take what it is sent.
class NotifyVerb : public testing::Test {
 protected:
  Invocation test(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"notify", "test", "--notifications",
                                          (folder_.path() / "notify.yaml").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return invoke(arguments);
  }

  std::string body_;
  ScriptedServer server_{[this](const httplib::Request& request) -> ScriptedServer::Answer {
    if (request.path == "/bad") return {403, {"invalid_token\x1b[2J"}};
    body_ = request.body;
    return {200, {"ok"}};
  }};
  const fixtures::TempDir folder_;
  const std::filesystem::path file_ = folder_.write(
      "notify.yaml", "receivers:\n- {name: good, webhook: {url: \"" + server_.url() +
                         "/good\"}}\n- {name: bad, webhook: {url: \"" + server_.url() +
                         "/bad\"}}\n- {name: forge, commitStatus: {forge: github, api: \"" + server_.url() +
                         "\", repository: org/fleet, tokenFile: token, root: tree}}\n");
  const std::filesystem::path token_ = folder_.write("token", "s3cret\n");
};

TEST_F(NotifyVerb, SaysWhatEachReceiverAnswers) {
  const Invocation all = test();
  EXPECT_EQ(all.status, 1);
  EXPECT_THAT(all.out, HasSubstr("good: it answers 200: ok\n"));
  EXPECT_THAT(all.out, HasSubstr("bad: it answers 403: invalid_token\\u001b[2J\n"));
  EXPECT_THAT(all.out, HasSubstr("forge: " + (folder_.path() / "tree").string() + " is no checkout"));
  const Invocation one = test({"--receiver", "good"});
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(one.out, "good: it answers 200: ok\n");
  EXPECT_EQ(nlohmann::json::parse(body_)["notifications"][0]["type"], "Test");
}

TEST_F(NotifyVerb, TriesTheCommitThatTheRootHas) {
  folder_.write("tree/.git/HEAD", std::string(40, 'a'));
  EXPECT_EQ(test({"--receiver", "forge"}).status, 0);
  EXPECT_EQ(server_.targets().back(), "/repos/org/fleet/statuses/" + std::string(40, 'a'));
  EXPECT_EQ(nlohmann::json::parse(body_)["context"], "rookery/test");
}

TEST_F(NotifyVerb, KnowsItsReceivers) {
  const Invocation unknown = test({"--receiver", "pos"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("names no receiver pos"));
}

}  // namespace
}  // namespace rookery::cli
