#include "cli/api_client.h"

#include <gmock/gmock.h>

#include <fstream>

#include "cli/list_watch.h"
#include "fixtures/pki.h"
#include "fixtures/process.h"
#include "fixtures/temp_dir.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A server that answers every request alike.
ScriptedServer::Script always(int status, std::string body) {
  return [status, body = std::move(body)](const auto&) { return ScriptedServer::Answer{status, {body}}; };
}

Result<nlohmann::json> getFrom(const ClientOptions& options) {
  const auto client = ApiClient::to(options);
  if (!client) return std::unexpected(client.error());
  return client->get("/apis");
}

Result<nlohmann::json> getFrom(const std::string& url) {
  ClientOptions options;
  options.server = url;
  return getFrom(options);
}

TEST(ApiClient, OnlyHttpAddressesAreTaken) {
  const auto to = [](const char* url) {
    return ApiClient::to({.server = url, .tokenFile = {}, .certificateAuthority = {}});
  };
  for (const char* url : {"http://127.0.0.1:8080", "http://localhost", "http://[::1]:80/",
                          "http://example.com:8080", "https://127.0.0.1:8443", "https://example.com/"}) {
    EXPECT_TRUE(to(url)) << url;
  }
  for (const char* url :
       {"", "127.0.0.1:8080", "ftp://h", "http://", "https://", "http://:80", "http://h:0", "http://h:65536",
        "http://h:x", "http://h/path", "http://user@h", "http://h:80/path"}) {
    const auto client = to(url);
    ASSERT_FALSE(client) << url;
    EXPECT_EQ(client.error().reason, Reason::UsageError);
    EXPECT_THAT(client.error().message, HasSubstr("http://host:port or https://host:port"));
  }
}

TEST(ApiClient, GetsJson) {
  const ScriptedServer server(always(200, R"({"kind": "APIGroupList"})"));
  const auto answer = getFrom(server.url());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->at("kind"), "APIGroupList");
}

TEST(ApiClient, FailuresAreWordedAsKubectlDoes) {
  const std::tuple<int, const char*, Reason, const char*> cases[] = {
      {404,
       R"({"kind": "Status", "reason": "NotFound", "message": "unikernels.rookery.dev \"x\" not found"})",
       Reason::Refused, R"(Error from server (NotFound): unikernels.rookery.dev "x" not found)"},
      {500, R"({"kind": "Status", "message": "It failed."})", Reason::Refused,
       "Error from server: It failed."},
      {500, R"({"kind": "Status", "message": 7})", Reason::Refused, "Error from server: "},
      {502, "<html>", Reason::Refused, "Error from server: HTTP status 502"},
      {302, "", Reason::Refused, "Error from server: HTTP status 302"},
      {404, "[]", Reason::Refused, "Error from server: HTTP status 404"},
  };
  for (const auto& [status, body, reason, message] : cases) {
    const ScriptedServer server(always(status, body));
    const auto answer = getFrom(server.url());
    ASSERT_FALSE(answer) << body;
    EXPECT_EQ(answer.error(), (Error{reason, message}));
  }
}

TEST(ApiClient, WhatIsNoJsonIsNoController) {
  const ScriptedServer server(always(200, "hello"));
  const auto answer = getFrom(server.url());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::ProtocolError);
  EXPECT_THAT(answer.error().message, AllOf(HasSubstr(server.url()), HasSubstr("no rookery controller")));
}

TEST(ApiClient, WhatNestsDeeperThanAnyObjectIsNoController) {
  const auto nested = [](std::size_t depth) {
    return R"({"kind": "Unikernel", "spec": )" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  for (const std::size_t depth : {std::size_t{97}, std::size_t{100'000}}) {
    const ScriptedServer server(always(200, nested(depth)));
    const auto answer = getFrom(server.url());
    ASSERT_FALSE(answer) << depth;
    EXPECT_THAT(answer.error().message, HasSubstr("nested deeper than any object"));
  }
  const ScriptedServer refusing(always(500, nested(100'000)));
  EXPECT_EQ(getFrom(refusing.url()).error().message, "Error from server: HTTP status 500");
  const ScriptedServer server(always(200, nested(64)));
  EXPECT_TRUE(getFrom(server.url()));
}

/// So many bytes of white space, which JSON takes between two others.
std::vector<std::string> paddedJson(std::size_t size) {
  std::vector<std::string> pieces = {"{"};
  const std::string piece(std::size_t{1} << 20, ' ');
  for (std::size_t sent = 0; sent < size; sent += piece.size()) pieces.push_back(piece);
  pieces.emplace_back("}");
  return pieces;
}

TEST(ApiClient, NoMoreOfAnAnswerIsTakenThanMayBe) {
  struct Case {
    const char* what;
    std::size_t size;
    std::size_t left;
    int status;
    const char* refused;  // empty: it is taken
  };
  const Case cases[] = {
      {"as much as is left", 3u << 20, 4u << 20, 200, ""},
      {"more than is left", 3u << 20, 2u << 20, 200, "has more bytes than are taken of it (2097152)"},
      {"a refusal", ApiClient::longestRefusal + 1, ApiClient::longestList, 500,
       "has more bytes than are taken of it (1048576)"},
  };
  for (const Case& given : cases) {
    SCOPED_TRACE(given.what);
    const ScriptedServer server(
        [&](const auto&) { return ScriptedServer::Answer{given.status, paddedJson(given.size)}; });
    const auto client = ApiClient::to({.server = server.url(), .tokenFile = {}, .certificateAuthority = {}});
    ASSERT_TRUE(client);
    std::size_t left = given.left;
    const auto answer = client->getUnlessGone("/apis", left);
    if (*given.refused == '\0') {
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(left, given.left - given.size - 2) << "what came is taken off";
      continue;
    }
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, Reason::ProtocolError);
    EXPECT_THAT(answer.error().message, AllOf(HasSubstr(server.url()), HasSubstr(given.refused)));
  }
}

TEST(ApiClient, AnEventOfAWatchHasABoundToo) {
  const ScriptedServer server(
      [](const auto&) { return ScriptedServer::Answer{200, paddedJson(ApiClient::longestEvent + 1)}; });
  const auto client = ApiClient::to({.server = server.url(), .tokenFile = {}, .certificateAuthority = {}});
  ASSERT_TRUE(client);
  const auto end = client->watch("/apis?watch=true", [](const auto&) { return true; });
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().reason, Reason::ProtocolError);
  EXPECT_THAT(end.error().message, HasSubstr("more than 64 MiB"));
}

TEST(ApiClient, AListThatGoesOnWithoutAnythingEnds) {
  const ScriptedServer server(always(200, R"({"items": [], "metadata": {"continue": "more"}})"));
  const auto client = ApiClient::to({.server = server.url(), .tokenFile = {}, .certificateAuthority = {}});
  ASSERT_TRUE(client);
  const auto listing = list(*client, {"/apis", "", ""});
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().reason, Reason::ProtocolError);
  EXPECT_EQ(server.targets().size(), 1);
}

TEST(ApiClient, WhatTakesItsTimeBeforeItAnswersDoesNotCrawl) {
  const ScriptedServer server([](const auto&) {
    fixtures::pause(std::chrono::milliseconds(1'100));  // more than a second, and then a few bytes
    return ScriptedServer::Answer{200, {"{}"}};
  });
  ClientOptions options;
  options.server = server.url();
  options.crawlGrace = std::chrono::seconds(0);
  const auto answer = getFrom(options);
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST(ApiClient, AServerThatIsNotThereIsNamed) {
  std::string url;
  {
    url = ScriptedServer(always(200, "")).url();
  }
  const auto answer = getFrom(url);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::ConnectionFailed);
  EXPECT_THAT(answer.error().message,
              AllOf(HasSubstr(url), HasSubstr("nothing answers there"),
                    HasSubstr("rookery run --manifests DIR"), HasSubstr("ROOKERY_SERVER")));
}

/// A server for "localhost" with a certificate of a CA of its own.
class ApiClientTls : public testing::Test {
 protected:
  ApiClientTls() {
    const fixtures::Identity ca =
        fixtures::makeIdentity({.commonName = "ca", .keyType = fixtures::KeyType::P256});
    const fixtures::Identity own = fixtures::makeIdentity(
        {.commonName = "localhost", .keyType = fixtures::KeyType::P256, .ca = false, .dnsName = "localhost"},
        &ca);
    options_.certificateAuthority = dir_.write("ca.pem", ca.certificate);
    options_.tokenFile = dir_.write("token", "s3cret\n");
    server_ = std::make_unique<ScriptedServer>(
        [this](const httplib::Request& request) {
          authorization_ = request.get_header_value("Authorization");
          return ScriptedServer::Answer{200, {"{}"}};
        },
        ScriptedServer::Identity{dir_.write("server.pem", own.certificate),
                                 dir_.write("server.key", own.privateKey)});
    options_.server = server_->url("localhost");
  }

  fixtures::TempDir dir_;
  ClientOptions options_;
  std::string authorization_;
  std::unique_ptr<ScriptedServer> server_;
};

TEST_F(ApiClientTls, SendsTheTokenToAServerThatIsVerified) {
  const auto answer = getFrom(options_);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(authorization_, "Bearer s3cret");
}

TEST_F(ApiClientTls, SendsNothingToAServerThatIsNot) {
  const auto expectRefusal = [&](const char* message) {
    const auto answer = getFrom(options_);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().message, HasSubstr(message));
    EXPECT_EQ(authorization_, "");
  };
  const auto right = options_;
  options_.server = server_->url("127.0.0.1");
  expectRefusal("did not pass: it is not one of 127.0.0.1");
  options_ = right;
  options_.certificateAuthority = dir_.write(
      "other.pem",
      fixtures::makeIdentity({.commonName = "ca", .keyType = fixtures::KeyType::P256}).certificate);
  expectRefusal("--certificate-authority names the CA");
  options_.certificateAuthority = dir_.write("none.pem", "no certificate");
  expectRefusal("none.pem does not hold the certificate of an authority");
}

TEST_F(ApiClientTls, ATokenIsNotSentInTheClear) {
  const ScriptedServer plain(always(200, "{}"));
  options_.server = plain.url();
  const auto answer = getFrom(options_);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::UsageError);
  EXPECT_THAT(answer.error().message, HasSubstr("over https only"));
  EXPECT_THAT(plain.targets(), testing::IsEmpty());
}

TEST_F(ApiClientTls, ATokenFileThatIsBeingWrittenIsNotBelieved) {
  std::ofstream writer(options_.tokenFile);
  writer << "s3c" << std::flush;
  const auto answer = getFrom(options_);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::BeingWritten);
  EXPECT_THAT(answer.error().message, AllOf(HasSubstr("token"), HasSubstr("open for writing")));
}

TEST_F(ApiClientTls, ATokenFileThatHoldsNoneIsNamedAndNotQuoted) {
  for (const char* content : {"", "\n", "s3cret word", "s3cret\nline\n"}) {
    options_.tokenFile = dir_.write("bad", content);
    const auto answer = getFrom(options_);
    ASSERT_FALSE(answer) << content;
    EXPECT_EQ(answer.error().reason, Reason::CredentialInvalid);
    EXPECT_THAT(answer.error().message, AllOf(HasSubstr("bad"), testing::Not(HasSubstr("s3cret"))));
  }
  options_.tokenFile = dir_.path() / "missing";
  EXPECT_THAT(getFrom(options_).error().message, HasSubstr("missing"));
}

}  // namespace
}  // namespace rookery::cli
