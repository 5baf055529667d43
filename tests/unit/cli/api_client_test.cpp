#include "cli/api_client.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <thread>

namespace rookery::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A server that answers every request alike.
class FakeServer {
 public:
  FakeServer(int status, std::string body) {
    server_.set_pre_routing_handler(
        [status, body = std::move(body)](const auto&, httplib::Response& response) {
          response.status = status;
          response.body = body;
          return httplib::Server::HandlerResponse::Handled;
        });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
    while (!server_.is_running())
      std::this_thread::yield();  // stop() is lost on a server that does not run yet
  }
  ~FakeServer() { server_.stop(); }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::jthread thread_;
};

Result<nlohmann::json> getFrom(const std::string& url) { return ApiClient::to(url)->get("/apis"); }

TEST(ApiClient, OnlyHttpAddressesAreTaken) {
  for (const char* url :
       {"http://127.0.0.1:8080", "http://localhost", "http://[::1]:80/", "http://example.com:8080"}) {
    EXPECT_TRUE(ApiClient::to(url)) << url;
  }
  for (const char* url :
       {"", "127.0.0.1:8080", "https://127.0.0.1:8080", "http://", "http://:80", "http://h:0",
        "http://h:65536", "http://h:x", "http://h/path", "http://user@h", "http://h:80/path"}) {
    const auto client = ApiClient::to(url);
    ASSERT_FALSE(client) << url;
    EXPECT_EQ(client.error().reason, Reason::UsageError);
    EXPECT_THAT(client.error().message, HasSubstr("http://host:port"));
  }
}

TEST(ApiClient, GetsJson) {
  const FakeServer server(200, R"({"kind": "APIGroupList"})");
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
    const FakeServer server(status, body);
    const auto answer = getFrom(server.url());
    ASSERT_FALSE(answer) << body;
    EXPECT_EQ(answer.error(), (Error{reason, message}));
  }
}

TEST(ApiClient, WhatIsNoJsonIsNoController) {
  const FakeServer server(200, "hello");
  const auto answer = getFrom(server.url());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::ProtocolError);
  EXPECT_THAT(answer.error().message, AllOf(HasSubstr(server.url()), HasSubstr("no rookery controller")));
}

TEST(ApiClient, AServerThatIsNotThereIsNamed) {
  std::string url;
  {
    url = FakeServer(200, "").url();
  }
  const auto answer = getFrom(url);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::ConnectionFailed);
  EXPECT_THAT(answer.error().message,
              AllOf(HasSubstr(url), HasSubstr("nothing answers there"),
                    HasSubstr("rookery run --manifests DIR"), HasSubstr("ROOKERY_SERVER")));
}

}  // namespace
}  // namespace rookery::cli
