#include "serve/access.h"

#include <gmock/gmock.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "fixtures/temp_dir.h"

namespace rookery::serve {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
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

const http::Peer loopback{.address = "127.0.0.1"};
const http::Peer remote{.address = "10.0.0.1", .tls = true};
const http::Peer alice{.address = "10.0.0.2", .tls = true, .commonName = "alice"};
const http::Peer mallory{.address = "10.0.0.3", .tls = true, .commonName = "mallory"};

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
                      .today = [this] { return today_; },
                      .warn = [this](const std::string& message) { warnings_.push_back(message); }});
    ASSERT_TRUE(access) << access.error().message;
    access_ = *std::move(access);
  }
  /// The caller's name, or the status.
  std::string who(const std::string& authorization, const http::Peer& peer) {
    const auto caller = access_->authenticate(authorization, peer);
    return caller ? caller->name : std::to_string(caller.error().status);
  }

  static constexpr const char* tokenDigest =
      "9dca666eb54730714630d1519264a7bf1eeaad00b8f2edc90d3ecbfad928d163";
  fixtures::TempDir folder_;
  Access::Clock::time_point now_{};
  std::chrono::system_clock::time_point today_ = std::chrono::sys_days(2026y / 6 / 1);
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
    for (const http::Peer& peer : {loopback, alice}) {
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
  EXPECT_EQ(who("Bearer c", alice), "401");  // another address
  now_ += 1s;
  EXPECT_EQ(who("Bearer c", remote), "401");
}

TEST_F(AccessTest, WhoGuessesLocksNobodyOut) {
  for (int i = 0; i < 100; ++i) {
    who("Bearer " + std::to_string(i), remote);
    EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci") << "after " << i << " wrong ones";
  }
  EXPECT_EQ(who("Bearer wrong", remote), "429");
}

TEST_F(AccessTest, GuessesFromOneNetworkCountTogether) {
  const auto from = [&](const std::string& address) {
    return who("Bearer wrong", {.address = address, .tls = true});
  };
  EXPECT_EQ(from("2001:db8::1"), "401");
  EXPECT_EQ(from("2001:db8::2"), "401");
  EXPECT_EQ(from("2001:db8::3"), "429");
  EXPECT_EQ(from("2001:db8:0:1::1"), "401");
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
      "group \"rookery.dev\" in the namespace \"shop\": the verbs of \"ci\" in the API token file do not "
      "name "
      "delete");
  EXPECT_EQ(status["reason"], "Forbidden");
  EXPECT_EQ(status["details"]["kind"], "unikernels");
  EXPECT_TRUE(
      authorize(ci, {.verb = "get", .group = "rookery.dev", .resource = "unikernels", .nameSpace = "db"}));
  const auto cluster = authorize(ci, {.verb = "list", .group = "rookery.dev", .resource = "unikernels"});
  ASSERT_TRUE(cluster);
  EXPECT_THAT(
      cluster->body,
      HasSubstr("unikernels.rookery.dev is forbidden: User \\\"ci\\\" cannot list resource "
                "\\\"unikernels\\\" in API group \\\"rookery.dev\\\" at the cluster scope: the namespaces "
                "of \\\"ci\\\" in the API token file do not name \\\"*\\\", but shop: ask for one"));
  EXPECT_THAT(
      authorize(ci, {.verb = "get", .group = "rookery.dev", .resource = "unikernels", .nameSpace = "db"})
          ->body,
      HasSubstr("the namespaces of \\\"ci\\\" in the API token file do not name db"));
  EXPECT_FALSE(authorize(*access_->authenticate("", alice), attempted));
  EXPECT_TRUE(mayAnywhere(ci, "deploy"));
  EXPECT_FALSE(mayAnywhere(ci, "patch"));
}

/// "unikernels create", …: "yes", or how it is refused.
std::string may(const Caller& caller, const std::string& resource, const std::string& verb,
                const std::string& nameSpace = "shop") {
  const bool core = resource == "secrets" || resource == "events" || resource == "namespaces";
  const auto refused = authorize(
      caller,
      {.verb = verb, .group = core ? "" : "rookery.dev", .resource = resource, .nameSpace = nameSpace});
  return refused ? nlohmann::json::parse(refused->body)["message"].get<std::string>() : "yes";
}

TEST_F(AccessTest, ACallerHasToDoWithTheResourcesThatAreNamedOnly) {
  const auto callerWith = [&](const std::string& rest) {
    std::string entry = tokens;
    entry = entry.substr(0, entry.find("  verbs"));
    write(entry.replace(entry.find("DIGEST"), 6, tokenDigest) + rest);
    now_ += 1s;
    return *access_->authenticate(std::string("Bearer ") + token, remote);
  };
  const Caller plain = callerWith("  verbs: [\"*\"]\n  namespaces: [shop]\n");
  EXPECT_EQ(may(plain, "unikernels", "create"), "yes");
  for (const char* resource : {"unikernelpolicies", "secrets", "albatrossinstances"}) {
    for (const char* verb : {"create", "update", "patch", "delete", "get", "list", "watch"}) {
      EXPECT_THAT(may(plain, resource, verb),
                  AllOf(HasSubstr("is forbidden"), HasSubstr("do not name " + std::string(resource))))
          << verb;
    }
  }
  // kubectl describe shows Events, and some clients look whether there is such a Namespace.
  for (const char* resource : {"events", "namespaces"}) {
    EXPECT_EQ(may(plain, resource, "get"), "yes");
    EXPECT_EQ(may(plain, resource, "list"), "yes");
    EXPECT_NE(may(plain, resource, "list", ""), "yes") << "of other namespaces";
    EXPECT_NE(may(plain, resource, "create"), "yes");
  }
  const Caller named =
      callerWith("  verbs: [create]\n  namespaces: [shop]\n  resources: [unikernelpolicies, secrets]\n");
  EXPECT_EQ(may(named, "unikernelpolicies", "create"), "yes");
  EXPECT_EQ(may(named, "secrets", "create"), "yes");
  EXPECT_NE(may(named, "unikernels", "create"), "yes");
  const Caller none = callerWith("  verbs: [get]\n  namespaces: [shop]\n  resources: []\n");
  EXPECT_NE(may(none, "unikernels", "get"), "yes");
  EXPECT_NE(may(none, "events", "get"), "yes");
  EXPECT_TRUE(mayAnywhere(none, "get"));
  EXPECT_FALSE(mayScrape(none)) << "which names what runs in other namespaces";
  EXPECT_TRUE(mayScrape(callerWith("  verbs: [get]\n  namespaces: [\"*\"]\n  resources: []\n")));
  const Caller reader = callerWith("  verbs: [list]\n  namespaces: [\"*\"]\n");
  EXPECT_NE(may(reader, "albatrossinstances", "list", ""), "yes");
  const Caller all = callerWith("  verbs: [\"*\"]\n  namespaces: [\"*\"]\n");
  EXPECT_EQ(may(all, "unikernelpolicies", "create"), "yes");
}

TEST_F(AccessTest, WhatIsGrantedExpires) {
  const std::string expires = "  expires: 2026-07-01T00:00:00Z\n";
  std::string text = withDigest(tokenDigest);
  text.insert(text.find("certificates:"), expires);
  write(text + expires);
  load();
  const Caller ci = *access_->authenticate(std::string("Bearer ") + token, remote);
  EXPECT_EQ(who("", alice), "alice");
  EXPECT_TRUE(access_->renewed(ci, remote));
  today_ = std::chrono::sys_days(2026y / 7 / 1);
  for (const auto& caller : {access_->authenticate(std::string("Bearer ") + token, remote),
                             access_->authenticate("", alice), access_->renewed(ci, remote)}) {
    ASSERT_FALSE(caller);
    EXPECT_EQ(caller.error().status, 401);
    EXPECT_THAT(caller.error().body, HasSubstr("expired at 2026-07-01T00:00:00Z"));
  }
}

TEST_F(AccessTest, ATokenThatIsReplacedUnderItsNameIsRevoked) {
  const Caller ci = *access_->authenticate(std::string("Bearer ") + token, remote);
  const Caller owner = *access_->authenticate("", alice);
  write(withDigest("0000000000000000000000000000000000000000000000000000000000000000"));
  now_ += 1s;
  EXPECT_FALSE(access_->renewed(ci, remote));
  EXPECT_TRUE(access_->renewed(owner, alice));
  EXPECT_TRUE(access_->renewed(*access_->authenticate("", loopback), loopback));
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
  warnings_.clear();

  write("tokens: [");
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], AllOf(HasSubstr("stays in force"), HasSubstr("access.yaml:")));
}

TEST_F(AccessTest, AFileThatIsBeingWrittenIsNotBelieved) {
  {
    std::ofstream writer(folder_.path() / "access.yaml");
    for (const char* piece : {"tokens:\n", "- name: other\n", "  verbs: [get]\n"}) {
      writer << piece << std::flush;
      now_ += 1s;
      EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci") << piece;
    }
    ASSERT_THAT(warnings_, SizeIs(1)) << "however long it takes";
    EXPECT_THAT(warnings_[0], AllOf(HasSubstr("stays in force"), HasSubstr("access.yaml"),
                                    HasSubstr("somebody has it open for writing")));
    const auto first = Access::load({.tokenFile = folder_.path() / "access.yaml"});
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().reason, Reason::BeingWritten);
  }
  write("tokens: []\n");
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "401");
}

TEST_F(AccessTest, AnEmptiedOrRemovedFileLetsNobodyIn) {
  const auto removed = [&] { std::filesystem::remove(folder_.path() / "access.yaml"); };
  const std::pair<const char*, std::function<void()>> ways[] = {
      {"emptied", [&] { write(""); }},
      {"only comments", [&] { write("# nobody\n"); }},
      {"an empty document", [&] { write("---\n"); }},
      {"empty lists", [&] { write("tokens: []\ncertificates: []\n"); }},
      {"removed", removed},
  };
  for (const auto& [way, happen] : ways) {
    write(withDigest(tokenDigest));
    now_ += 1s;
    EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci") << way;
    warnings_.clear();
    happen();
    now_ += 1s;
    EXPECT_EQ(who(std::string("Bearer ") + token, remote), "401") << way;
    EXPECT_NE(may(*access_->authenticate("", alice), "unikernels", "list"), "yes") << way;
    now_ += 1s;
    EXPECT_EQ(who("", loopback), "system:anonymous") << way;
    ASSERT_THAT(warnings_, SizeIs(1)) << way;
    EXPECT_THAT(warnings_[0], AllOf(HasSubstr("access.yaml lists nobody"))) << way;
  }
  write("");
  load();  // whoever emptied it must not stop the controller with it
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "401");
}

TEST_F(AccessTest, WhatCannotBeReadForAMomentIsTriedAgain) {
  const auto path = folder_.path() / "access.yaml";
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  for (int i = 0; i < 3; ++i) {
    now_ += 1s;
    EXPECT_EQ(who(std::string("Bearer ") + token, remote), "ci");
  }
  EXPECT_THAT(warnings_, SizeIs(1));
  std::filesystem::remove(path);
  write("tokens: []\n");
  now_ += 1s;
  EXPECT_EQ(who(std::string("Bearer ") + token, remote), "401");
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
