#include "notify/request.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "fixtures/process.h"
#include "fixtures/temp_dir.h"

namespace rookery::notify {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Notification lost(const std::string& name = "web") {
  return {.id = "id-of-" + name,
          .time = SystemTime(1'700'000'000s),
          .type = Type::ReadyLost,
          .object = api::ObjectKey{api::Kind::Unikernel, "shop", name},
          .labels = {{"app", "web"}},
          .instance = "eu-1",
          .reason = "CrashLoopBackOff",
          .message = "It ended: <b> & \"c\".",
          .revision = "main@sha1:aaa"};
}

TEST(WebhookRequest, IsJsonThatIsSigned) {
  const Receiver receiver{.name = "ops",
                          .way = Webhook{.url = "https://x", .secret = "key", .bearer = "token"},
                          .title = "[$(severity)] $(object) $$(id)"};
  const Request request = requestFor(receiver, {lost(), lost("api")});
  const json body = json::parse(request.body);
  EXPECT_EQ(body["version"], "1");
  EXPECT_EQ(body["receiver"], "ops");
  ASSERT_EQ(body["notifications"].size(), 2U);
  EXPECT_EQ(
      body["notifications"][0],
      json({{"id", "id-of-web"},
            {"time", "2023-11-14T22:13:20Z"},
            {"type", "ReadyLost"},
            {"severity", "error"},
            {"summary", "Unikernel shop/web is not Ready on eu-1 (CrashLoopBackOff)"},
            {"message", "It ended: <b> & \"c\"."},
            {"object",
             {{"kind", "Unikernel"}, {"namespace", "shop"}, {"name", "web"}, {"labels", {{"app", "web"}}}}},
            {"instance", "eu-1"},
            {"reason", "CrashLoopBackOff"},
            {"revision", "main@sha1:aaa"},
            {"title", "[error] Unikernel shop/web $(id)"},
            {"text", "It ended: <b> & \"c\"."}}));
  EXPECT_THAT(request.headers, Contains("Authorization: Bearer token"));
  EXPECT_THAT(request.headers, Contains("X-Rookery-Signature-256: " + signatureOf(request.body, "key")));
}

TEST(WebhookRequest, HasTheSignatureThatOpensslComputes) {
  const fixtures::TempDir folder;
  const std::string body = R"({"notifications": []})";
  const std::string file = folder.write("body", body).string();
  fixtures::Process openssl({"/usr/bin/openssl", "dgst", "-sha256", "-hmac", "the key", file},
                            folder.path() / "log");
  ASSERT_EQ(openssl.wait(), 0) << openssl.err();
  EXPECT_THAT(openssl.out(), HasSubstr("= " + signatureOf(body, "the key").substr(7)));
}

TEST(SlackRequest, HasNoMarkupOfOthers) {
  const Request request = requestFor({.name = "chat", .way = Slack{.url = "https://x/s3cret"}}, {lost()});
  EXPECT_EQ(json::parse(request.body), json({{"text",
                                              "*Unikernel shop/web is not Ready on eu-1 (CrashLoopBackOff)*\n"
                                              "It ended: &lt;b&gt; &amp; \"c\"."}}));
}

TEST(SlackRequest, TellsOfManyTogether) {
  std::vector<Notification> many;
  for (int i = 0; i < 500; ++i) {
    many.push_back(lost("web-" + std::to_string(i)));
    many.back().message = std::string(300, 'x');
  }
  const std::string text =
      json::parse(requestFor({.name = "chat", .way = Slack{.url = "https://x"}}, many).body)["text"];
  EXPECT_THAT(text, StartsWith("*500 notifications: 500 ReadyLost*\n- Unikernel shop/web-0 is not Ready"));
  EXPECT_THAT(text, testing::ContainsRegex("- and [0-9]+ more\n$"));
  EXPECT_LE(text.size(), 14'000U);
}

TEST(MatrixRequest, IsTheSameTransactionEachTime) {
  const Receiver receiver{.name = "room",
                          .way = Matrix{.homeserver = "https://m.org", .room = "!a:m.org", .token = "token"}};
  const Request request = requestFor(receiver, {lost()});
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.url,
            "https://m.org/_matrix/client/v3/rooms/%21a%3Am.org/send/m.room.message/id-of-web-1");
  EXPECT_EQ(request.url, requestFor(receiver, {lost()}).url);
  EXPECT_EQ(json::parse(request.body)["msgtype"], "m.text");
  EXPECT_THAT(request.headers, Contains("Authorization: Bearer token"));
}

TEST(EmailRequest, IsOneMailWhateverIsInIt) {
  Notification odd = lost();
  odd.object->name = "wéb\r\nBcc: evil@example.org";
  const Request request =
      requestFor({.name = "mail",
                  .way = Email{.server = "smtps://m", .from = "r@x.org", .to = {"a@x.org", "b@x.org"}},
                  .title = "$(name)"},
                 {odd});
  ASSERT_TRUE(request.mail);
  EXPECT_THAT(request.mail->to, ElementsAre("a@x.org", "b@x.org"));
  const std::string header = request.body.substr(0, request.body.find("\r\n\r\n"));
  EXPECT_THAT(
      header,
      StartsWith("Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: r@x.org\r\nTo: a@x.org,\r\n b@x.org\r\n"
                 "Subject: =?utf-8?B?"));
  EXPECT_THAT(header, Not(HasSubstr("\r\nBcc")));
  EXPECT_THAT(header, HasSubstr("Message-ID: <id-of-web-1@x.org>"));
}

struct Forge {
  CommitStatusWay way;
  const char* url;
  const char* header;
  json body;
};

class CommitStatusRequest : public testing::TestWithParam<Forge> {};

TEST_P(CommitStatusRequest, IsAsTheForgeHasIt) {
  Notification status = lost();
  status.type = Type::CommitStatus;
  status.commit = "c0ffee";
  status.state = "failure";
  const Request request = requestFor({.name = "forge", .way = GetParam().way}, {status});
  EXPECT_EQ(request.url, GetParam().url);
  EXPECT_THAT(request.headers, Contains(GetParam().header));
  EXPECT_EQ(json::parse(request.body), GetParam().body);
}

INSTANTIATE_TEST_SUITE_P(
    Of, CommitStatusRequest,
    testing::Values(
        Forge{{.api = "https://api.github.com", .repository = "org/fleet", .token = "t", .root = {}},
              "https://api.github.com/repos/org/fleet/statuses/c0ffee",
              "Authorization: Bearer t",
              {{"state", "failure"}, {"context", "rookery"}, {"description", "It ended: <b> & \"c\"."}}},
        Forge{{.forge = CommitStatusWay::Forge::GitLab,
               .api = "https://gl/api/v4",
               .repository = "org/fleet",
               .token = "t",
               .root = {}},
              "https://gl/api/v4/projects/org%2Ffleet/statuses/c0ffee",
              "PRIVATE-TOKEN: t",
              {{"state", "failed"}, {"name", "rookery"}, {"description", "It ended: <b> & \"c\"."}}},
        Forge{{.forge = CommitStatusWay::Forge::Gitea,
               .api = "https://g/api/v1",
               .repository = "org/fleet",
               .token = "t",
               .root = {}},
              "https://g/api/v1/repos/org/fleet/statuses/c0ffee",
              "Authorization: token t",
              {{"state", "failure"}, {"context", "rookery"}, {"description", "It ended: <b> & \"c\"."}}}));

TEST(CommitStatusDescription, IsCutBetweenCharacters) {
  Notification status{.id = "1", .time = {}, .type = Type::CommitStatus, .commit = "c", .state = "success"};
  for (int i = 0; i < 100; ++i) status.message += "é";
  const json body = json::parse(requestFor({.name = "f", .way = CommitStatusWay{}}, {status}).body);
  const std::string description = body["description"];
  EXPECT_LE(description.size(), 142U);
  EXPECT_THAT(description, testing::EndsWith("é…"));
}

struct Answer {
  long status;
  const char* text;
  Outcome::End end;
};

class Answers : public testing::TestWithParam<Answer> {};

TEST_P(Answers, AreTakenForWhatTheyAre) {
  const Outcome outcome =
      outcomeOf({.name = "ops", .way = Webhook{}}, GetParam().status, 5s, GetParam().text);
  EXPECT_EQ(outcome.end, GetParam().end) << outcome.answer;
}

using End = Outcome::End;
INSTANTIATE_TEST_SUITE_P(Http, Answers,
                         testing::Values(Answer{200, "ok", End::Sent}, Answer{204, "", End::Sent},
                                         Answer{302, "", End::Refused}, Answer{400, "no", End::Refused},
                                         Answer{401, "", End::Refused}, Answer{404, "", End::Refused},
                                         Answer{408, "", End::Failed}, Answer{429, "", End::Failed},
                                         Answer{500, "", End::Failed}, Answer{503, "", End::Failed}));

TEST(Answers, OfMailServersAndGitLabAreOtherOnes) {
  const Receiver mail{.name = "mail", .way = Email{}};
  EXPECT_EQ(outcomeOf(mail, 250, 0s, "").end, End::Sent);
  EXPECT_EQ(outcomeOf(mail, 451, 0s, "").end, End::Failed);
  EXPECT_EQ(outcomeOf(mail, 550, 0s, "").end, End::Refused);
  CommitStatusWay gitLabWay;
  gitLabWay.forge = CommitStatusWay::Forge::GitLab;
  const Receiver gitLab{.name = "f", .way = gitLabWay};
  EXPECT_EQ(outcomeOf(gitLab, 400, 0s, "Cannot transition status via :run from :running").end, End::Sent);
  EXPECT_EQ(outcomeOf(gitLab, 400, 0s, "sha is missing").end, End::Refused);
  EXPECT_EQ(outcomeOf(gitLab, 400, 0s, "\x1b[2J" + std::string(1'000, 'x')).answer.find('\x1b'),
            std::string::npos);
}

TEST(Answers, DoNotShowASecretThatTheReceiverRepeats) {
  const Receiver receiver{.name = "ops", .way = Webhook{.url = "https://x", .bearer = "s3cret"}};
  EXPECT_EQ(outcomeOf(receiver, 400, 0s, "Authorization: Bearer s3cret").answer, "it answers 400");
  EXPECT_EQ(outcomeOf(receiver, 400, 0s, "no").answer, "it answers 400: no");
}

}  // namespace
}  // namespace rookery::notify
