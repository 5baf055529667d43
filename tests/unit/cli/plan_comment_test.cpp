// manifests/ci/plan-comment, which jobs of GitHub and GitLab run, against a server that answers as theirs do.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fixtures/process.h"
#include "fixtures/temp_dir.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A forge with comments under one change, which it shows 100 at a time.
class PlanComment : public testing::Test {
 protected:
  ScriptedServer::Answer answer(const httplib::Request& request) {
    seen_.push_back(request.method + " " + request.path);
    authorization_ = request.get_header_value("Authorization") + request.get_header_value("PRIVATE-TOKEN");
    if (status_ != 200) return {status_, {R"({"message": "No."})"}};
    if (request.path == "/user") return {200, {R"({"username": "planner"})"}};
    if (request.method == "GET") {
      const std::size_t page = std::stoul(request.get_param_value("page"));
      json shown = json::array();
      for (std::size_t i = (page - 1) * 100; i < std::min(page * 100, comments_.size()); ++i)
        shown.push_back(comments_[i]);
      return {200, {shown.dump()}};
    }
    bodies_.push_back(json::parse(request.body).at("body"));
    if (request.method == "POST")
      comments_.push_back(commentOf(static_cast<int>(comments_.size()), author_, bodies_.back()));
    return {200, {"{}"}};
  }
  static json commentOf(int id, const std::string& author, const std::string& body) {
    return {{"id", id}, {"body", body}, {"user", {{"login", author}}}, {"author", {{"username", author}}}};
  }

  int comment(const std::string& plan, std::map<std::string, std::string> environment) {
    environment["http_proxy"] = "";
    const std::string file = folder_.write("plan.md", plan).string();
    fixtures::Process script({PLAN_COMMENT, file}, folder_.path() / "log", environment);
    const int status = script.wait();
    err_ = script.err();
    return status;
  }
  std::map<std::string, std::string> gitHub() const {
    return {{"GITHUB_API_URL", server_.url()},
            {"GITHUB_REPOSITORY", "org/fleet"},
            {"GITHUB_TOKEN", "s3cret"},
            {"PULL_REQUEST", "7"}};
  }
  std::map<std::string, std::string> gitLab() const {
    return {{"GITHUB_REPOSITORY", ""},
            {"CI_API_V4_URL", server_.url()},
            {"CI_PROJECT_ID", "42"},
            {"GITLAB_TOKEN", "s3cret"},
            {"CI_MERGE_REQUEST_IID", "7"}};
  }

  const fixtures::TempDir folder_;
  int status_ = 200;
  std::string author_ = "github-actions[bot]", authorization_, err_;
  std::vector<json> comments_;
  std::vector<std::string> seen_, bodies_;
  ScriptedServer server_{[this](const httplib::Request& request) { return answer(request); }};
};

TEST_F(PlanComment, IsOneAndBroughtUpToDateAtGitHub) {
  for (int i = 0; i < 100; ++i)
    comments_.push_back(commentOf(i, "alice", "<!-- rookery plan -->\nI copied it."));
  EXPECT_EQ(comment("No changes.\n", gitHub()), 0) << err_;
  EXPECT_THAT(seen_,
              ElementsAre("GET /repos/org/fleet/issues/7/comments", "GET /repos/org/fleet/issues/7/comments",
                          "POST /repos/org/fleet/issues/7/comments"));
  EXPECT_EQ(authorization_, "Bearer s3cret");
  seen_.clear();
  EXPECT_EQ(comment("\"1\" create: $(x) `y`\n", gitHub()), 0) << err_;
  EXPECT_EQ(seen_.back(), "PATCH /repos/org/fleet/issues/comments/100");
  EXPECT_THAT(bodies_, ElementsAre("<!-- rookery plan -->\nNo changes.\n",
                                   "<!-- rookery plan -->\n\"1\" create: $(x) `y`\n"));
}

TEST_F(PlanComment, IsOneAndBroughtUpToDateAtGitLab) {
  author_ = "planner";
  EXPECT_EQ(comment("No changes.\n", gitLab()), 0) << err_;
  EXPECT_EQ(comment("1 create.\n", gitLab()), 0) << err_;
  EXPECT_THAT(seen_, ElementsAre("GET /user", "GET /projects/42/merge_requests/7/notes",
                                 "POST /projects/42/merge_requests/7/notes", "GET /user",
                                 "GET /projects/42/merge_requests/7/notes",
                                 "PUT /projects/42/merge_requests/7/notes/0"));
  EXPECT_EQ(authorization_, "s3cret");
}

TEST_F(PlanComment, FailsWithoutTellingTheToken) {
  status_ = 403;
  EXPECT_EQ(comment("No changes.\n", gitHub()), 1);
  EXPECT_THAT(err_, HasSubstr("GET " + server_.url() + "/repos/org/fleet/issues/7/comments"));
  EXPECT_THAT(err_, Not(HasSubstr("s3cret")));
}

TEST_F(PlanComment, SaysWhatIsMissing) {
  auto environment = gitHub();
  environment["PULL_REQUEST"] = "";
  EXPECT_EQ(comment("No changes.\n", environment), 1);
  EXPECT_THAT(err_, HasSubstr("PULL_REQUEST is not set"));
  EXPECT_EQ(comment("", gitHub()), 1);
  EXPECT_THAT(err_, HasSubstr("plan-comment plan.md"));
  EXPECT_THAT(seen_, IsEmpty());
}

}  // namespace
}  // namespace rookery::cli
