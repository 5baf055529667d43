#include "serve/access.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "fixtures/temp_dir.h"

namespace rookery::serve {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// printf %s correct-horse | sha256sum
constexpr const char* tokens = R"(tokens:
- name: ci
  sha256: "DIGEST"
  verbs: [get, list, watch, create, deploy]
  namespaces: [shop]
certificates:
- commonName: alice
  verbs: ["*"]
  namespaces: ["*"]
)";
constexpr const char* token = "correct-horse";

std::string withDigest(const char* sha256) {
  std::string text = tokens;
  return text.replace(text.find("DIGEST"), 6, sha256);
}

const Peer loopback{.address = "127.0.0.1"};
const Peer remote{.address = "10.0.0.1", .tls = true};
const Peer alice{.address = "10.0.0.2", .tls = true, .commonName = "alice"};
const Peer mallory{.address = "10.0.0.3", .tls = true, .commonName = "mallory"};

class AccessTest : public testing::Test {
 protected:
  void SetUp() override {
    write(withDigest(tokenDigest));
    load();
  }
  void write(const std::string& text) {
    const auto path = folder_.replace("access.yaml", text);
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  void load() {
    auto access =
        Access::load({.tokenFile = folder_.path() / "access.yaml",
                      .requests = {.perSecond = 1, .burst = 3},
                      .failures = {.perSecond = 1, .burst = 2},
                      .now = [this] { return now_; },
                      .warn = [this](const std::string& message) { warnings_.push_back(message); }});
    ASSERT_TRUE(access) << access.error().message;
    access_ = *std::move(access);
  }
  /// The caller's name, or the status.
  std::string who(const std::string& authorization, const Peer& peer) {
    const auto caller = access_->authenticate(authorization, peer);
    return caller ? caller->name : std::to_string(caller.error().status);
  }

  static constexpr const char* tokenDigest =
      "9dca666eb54730714630d1519264a7bf1eeaad00b8f2edc90d3ecbfad928d163";
  fixtures::TempDir folder_;
  Access::Clock::time_point now_{};
  std::vector<std::string> warnings_;
  std::unique_ptr<Access> access_;
};

TEST_F(AccessTest, WhoSendsARequest) {
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
  EXPECT_EQ(who(std::string("bearer   ") + token + " ", loopback), "ci");
  EXPECT_EQ(who("", alice), "alice");
  EXPECT_EQ(who(std::string("Bearer ") + token, alice), "ci");
  EXPECT_EQ(who("", loopback), "system:anonymous");
  EXPECT_EQ(who("", remote), "401");
}

TEST_F(AccessTest, AWrongTokenIsNeverPassedOver) {
  for (const std::string& wrong :
       {std::string("Bearer wrong"), std::string("Bearer "), std::string("Basic Y2k6"), std::string(token),
        std::string("Bearer ") + token + "x"}) {
    now_ += 1h;
    for (const Peer& peer : {loopback, alice}) {
      const auto caller = access_->authenticate(wrong, peer);
      ASSERT_FALSE(caller) << wrong;
      EXPECT_EQ(caller.error().status, 401);
      EXPECT_THAT(caller.error().body, AllOf(HasSubstr("\"Unauthorized\""), Not(HasSubstr("wrong"))));
      EXPECT_THAT(caller.error().headers.at("WWW-Authenticate"), HasSubstr("Bearer"));
    }
  }
}

TEST_F(AccessTest, GuessingIsSlowedDown) {
  EXPECT_EQ(who("Bearer a", remote), "401");
  EXPECT_EQ(who("Bearer b", remote), "401");
  EXPECT_EQ(who("Bearer c", remote), "429");
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "429");
  EXPECT_EQ(who(std::string("Bearer ") + token, alice), "ci");  // another address
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
}

TEST_F(AccessTest, EachCallerHasARate) {
  const Caller ci{.name = "ci", .authenticated = true};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(access_->admit(ci, remote));
  const auto refused = access_->admit(ci, alice);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->headers.at("Retry-After"), "1");
  EXPECT_FALSE(access_->admit(Caller{}, remote));
  now_ += 1s;
  EXPECT_FALSE(access_->admit(ci, remote));
}

TEST_F(AccessTest, WhatACallerMayDo) {
  const Caller ci = *access_->authenticate(std::string("Bearer ") + token, remote);
  RequestInfo attempted{
      .verb = "create", .group = "rookery.dev", .resource = "unikernels", .nameSpace = "shop", .name = "web"};
  EXPECT_FALSE(authorize(ci, attempted));
  attempted.verb = "delete";
  const auto refused = authorize(ci, attempted);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 403);
  const auto status = nlohmann::json::parse(refused->body);
  EXPECT_EQ(
      status["message"],
      "unikernels.rookery.dev \"web\" is forbidden: User \"ci\" cannot delete resource \"unikernels\" in API "
      "group \"rookery.dev\" in the namespace \"shop\"");
  EXPECT_EQ(status["reason"], "Forbidden");
  EXPECT_EQ(status["details"]["kind"], "unikernels");
  EXPECT_TRUE(
      authorize(ci, {.verb = "get", .group = "rookery.dev", .resource = "unikernels", .nameSpace = "db"}));
  const auto cluster = authorize(ci, {.verb = "list", .group = "rookery.dev", .resource = "unikernels"});
  ASSERT_TRUE(cluster);
  EXPECT_THAT(cluster->body,
              HasSubstr("unikernels.rookery.dev is forbidden: User \\\"ci\\\" cannot list resource "
                        "\\\"unikernels\\\" in API group \\\"rookery.dev\\\" at the cluster scope"));
  EXPECT_FALSE(authorize(*access_->authenticate("", alice), attempted));
  EXPECT_TRUE(mayAnywhere(ci, "deploy"));
  EXPECT_FALSE(mayAnywhere(ci, "patch"));
}

TEST_F(AccessTest, NobodyUnknownWritesOrSeesSecrets) {
  const Caller nobody = *access_->authenticate("", loopback);
  EXPECT_FALSE(authorize(nobody, {.verb = "list", .group = "rookery.dev", .resource = "unikernels"}));
  EXPECT_TRUE(authorize(nobody, {.verb = "get", .resource = "secrets", .nameSpace = "shop", .name = "db"}));
  const auto refused =
      authorize(nobody, {.verb = "create", .group = "rookery.dev", .resource = "unikernels"});
  ASSERT_TRUE(refused);
  EXPECT_THAT(refused->body, AllOf(HasSubstr("--api-token-file"), HasSubstr("https://")));
  const Caller unlisted = *access_->authenticate("", mallory);
  EXPECT_TRUE(unlisted.authenticated);
  EXPECT_TRUE(authorize(unlisted, {.verb = "get", .group = "rookery.dev", .resource = "unikernels"}));
}

TEST_F(AccessTest, TheFileIsReadAgainWhenItChanges) {
  write("tokens: []\n");
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");  // not looked at again yet
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "401");
  write(withDigest(tokenDigest));
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
  EXPECT_THAT(warnings_, IsEmpty());

  write("tokens: [");
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], AllOf(HasSubstr("stays in force"), HasSubstr("access.yaml:")));
}

TEST_F(AccessTest, AFileThatEverybodyCanReadIsWarnedOf) {
  std::filesystem::permissions(folder_.path() / "access.yaml", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  load();
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], AllOf(HasSubstr("API token file"), HasSubstr("chmod 600")));
}

}  // namespace
}  // namespace rookery::serve
