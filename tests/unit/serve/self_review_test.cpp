#include "serve/self_review.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "serve/router.h"
#include "unit/http/bodies.h"
#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// What an answer says of a caller, without tokens and files: those are Access's.
class SelfReviewTest : public testing::Test {
 protected:
  static Caller shopKeeper() {
    return {.name = "keeper",
            .authenticated = true,
            .verbs = {"get", "list", "delete", "deploy"},
            .namespaces = {"shop"},
            .resources = {"unikernels"}};
  }

  static json review(const Caller& caller, const json& spec, bool writable = true) {
    Request request;
    request.caller = caller;
    const http::Response answer = reviewSelf(
        request, {.verb = "create", .group = "authorization.k8s.io", .resource = "selfsubjectaccessreviews"},
        {{"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SelfSubjectAccessReview"}, {"spec", spec}},
        writable);
    return {{"code", answer.status}, {"body", json::parse(answer.body)}};
  }

  static json statusFor(const Caller& caller, const json& attributes, bool writable = true) {
    const json answer = review(caller, {{"resourceAttributes", attributes}}, writable);
    EXPECT_EQ(answer["code"], 201);
    EXPECT_EQ(answer["body"]["kind"], "SelfSubjectAccessReview");
    EXPECT_EQ(answer["body"]["spec"]["resourceAttributes"], attributes);
    return answer["body"]["status"];
  }

  static json unikernels(const std::string& verb, const std::string& nameSpace,
                         const std::string& subresource = "") {
    json attributes = {{"verb", verb}, {"group", "rookery.dev"}, {"resource", "unikernels"}};
    if (!nameSpace.empty()) attributes["namespace"] = nameSpace;
    if (!subresource.empty()) attributes["subresource"] = subresource;
    return attributes;
  }
};

TEST_F(SelfReviewTest, SaysWhatARequestWouldBeAnswered) {
  struct Case {
    json attributes;
    bool allowed;
  };
  const Case cases[] = {
      {unikernels("get", "shop"), true},
      {unikernels("delete", "shop"), true},
      {unikernels("deploy", "shop"), true},
      {unikernels("patch", "shop"), false},
      {unikernels("get", "db"), false},
      {unikernels("list", ""), false},
      {unikernels("get", "shop", "log"), false},
      {unikernels("get", "shop", "usage"), true},
      {unikernels("*", "shop"), false},
      {{{"verb", "get"}, {"resource", "secrets"}, {"namespace", "shop"}}, false},
      {{{"verb", "list"}, {"resource", "events"}, {"namespace", "shop"}}, true},
      {{{"verb", "create"}, {"group", "authorization.k8s.io"}, {"resource", "selfsubjectaccessreviews"}},
       true},
      {json::object(), false},
  };
  for (const Case& each : cases) {
    const json status = statusFor(shopKeeper(), each.attributes);
    EXPECT_EQ(status["allowed"], each.allowed) << each.attributes;
    EXPECT_EQ(status.contains("reason"), !each.allowed) << each.attributes;
  }
  EXPECT_THAT(std::string(statusFor(shopKeeper(), unikernels("patch", "shop"))["reason"]),
              HasSubstr("do not name patch"));
}

TEST_F(SelfReviewTest, WhereNothingIsWrittenNobodyMay) {
  Caller all = shopKeeper();
  all.verbs = all.namespaces = all.resources = {"*"};
  for (const char* verb : {"create", "update", "patch", "delete", "deploy"}) {
    EXPECT_EQ(statusFor(all, unikernels(verb, "shop"), true)["allowed"], true) << verb;
    const json status = statusFor(all, unikernels(verb, "shop"), false);
    EXPECT_EQ(status["allowed"], false) << verb;
    EXPECT_THAT(std::string(status["reason"]), HasSubstr("--api-store")) << verb;
  }
  EXPECT_EQ(statusFor(all, unikernels("get", "shop"), false)["allowed"], true);
}

TEST_F(SelfReviewTest, RefusesWhatIsNoQuestion) {
  for (const json& spec :
       {json(), json::object(), json("x"), json::array(),
        json{{"resourceAttributes", json::object()}, {"nonResourceAttributes", json::object()}},
        json{{"resourceAttributes", "x"}}})
    EXPECT_EQ(review(shopKeeper(), spec)["code"], 400) << spec;
  // Attributes of other types than text are as if they were not there.
  EXPECT_EQ(statusFor(shopKeeper(), {{"verb", 1}, {"resource", json::array()}})["allowed"], false);
  const json metrics =
      review(shopKeeper(), {{"nonResourceAttributes", {{"path", "/metrics"}, {"verb", "get"}}}});
  EXPECT_EQ(metrics["body"]["status"]["allowed"], false);
}

class SelfReviewRouterTest : public testing::Test {
 protected:
  SelfReviewRouterTest() { store_.setSynced(); }

  http::Response post(const std::string& target, const std::string& text, const http::Peer& peer,
                      const std::string& authorization = "") {
    http::TextBody body(text);
    return router_.handle({.method = "POST",
                           .target = target,
                           .host = "localhost",
                           .contentType = "application/json",
                           .authorization = authorization,
                           .body = &body,
                           .peer = peer});
  }

  reconcile::ObjectStore store_;
  Metrics metrics_{BuildInfo{"1", "r"}};
  std::unique_ptr<Access> access_ = *Access::load({});
  reconcile::EventRecorder events_{store_};
  ResourceApi api_{store_, events_.events(), nullptr};
  std::vector<AuditRecord> audited_;
  Router router_{store_,   api_,    metrics_,
                 *access_, nullptr, [this](const AuditRecord& record) { audited_.push_back(record); }};
};

constexpr auto accessReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
constexpr auto subjectReviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

TEST_F(SelfReviewRouterTest, WhoeverIsLetInMayAsk) {
  const http::Peer here{.address = "127.0.0.1"};
  const http::Response answer = post(
      accessReviews,
      R"({"spec":{"resourceAttributes":{"verb":"delete","group":"rookery.dev","resource":"unikernels"}}})",
      here);
  ASSERT_EQ(answer.status, 201) << answer.body;
  const json status = json::parse(answer.body)["status"];
  EXPECT_EQ(status["allowed"], false);
  EXPECT_THAT(std::string(status["reason"]), HasSubstr("without a token this server only reads"));

  const json who = json::parse(post(subjectReviews, "{}", here).body)["status"]["userInfo"];
  EXPECT_EQ(who["username"], "system:anonymous");
  EXPECT_EQ(who["extra"]["rookery.dev/namespaces"], json({"*"}));
  EXPECT_TRUE(audited_.empty()) << "nothing was changed";

  const http::Peer alice{.address = "10.0.0.1", .tls = true, .commonName = "alice"};
  EXPECT_EQ(json::parse(post(subjectReviews, "{}", alice).body)["status"]["userInfo"]["username"], "alice");
}

TEST_F(SelfReviewRouterTest, WhoIsNotLetInMayNot) {
  const http::Peer nobody{.address = "10.0.0.1", .tls = true};
  EXPECT_EQ(post(subjectReviews, "{}", nobody).status, 401);
  EXPECT_EQ(post(accessReviews, "{}", nobody).status, 401);
}

TEST_F(SelfReviewRouterTest, OnlyPostingIsAsking) {
  const http::Peer here{.address = "127.0.0.1"};
  for (const char* method : {"GET", "PUT", "PATCH", "DELETE"}) {
    const http::Response answer =
        router_.handle({.method = method, .target = accessReviews, .host = "localhost", .peer = here});
    EXPECT_THAT(answer.status, testing::AnyOf(403, 405)) << method;
  }
  for (const char* path : {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x",
                           "/apis/authorization.k8s.io/v1/namespaces/shop/selfsubjectaccessreviews",
                           "/apis/authorization.k8s.io/v2/selfsubjectaccessreviews",
                           "/apis/rookery.dev/v1alpha1/selfsubjectaccessreviews"})
    EXPECT_THAT(post(path, "{}", here).status, testing::AnyOf(403, 404)) << path;
  EXPECT_EQ(post(accessReviews, "[", here).status, 400);
  EXPECT_EQ(post(accessReviews, "", here).status, 400);
}

}  // namespace
}  // namespace rookery::serve
