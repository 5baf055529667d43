#include "serve/router.h"

#include <gmock/gmock.h>

#include <functional>
#include <list>
#include <nlohmann/json.hpp>

#include "fixtures/temp_dir.h"
#include "unit/http/bodies.h"
#include "unit/serve/views.h"
#include "web/assets.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string base = "/apis/rookery.dev/v1alpha1";

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    publish(store_, instanceView("eu-1", "10.0.42.15:1025"));
    publish(store_, unikernelView("shop", "web", true, Reason::Running, "It runs."));
    publish(store_, unikernelView("shop", "api", false, Reason::ImageNotFound, "There is no image."));
    publish(store_, unikernelView("db", "main", true, Reason::Running, "It runs."));
    publish(store_, secretView("shop", "token"));
    store_.setSynced();
  }

  http::Response send(const std::string& target, const std::string& method = "GET",
                      const std::string& accept = "") const {
    http::Response response =
        router_.handle({.method = method, .target = target, .accept = accept, .host = "localhost:8080"});
    // A watch goes on for long: its first piece will do.
    while (response.next) {
      const auto piece = response.next();
      if (!piece) break;
      response.body += *piece;
      if (response.longRunning) break;
    }
    return response;
  }

  fixtures::TempDir dir_;
  reconcile::ObjectStore store_;
  Metrics metrics_{BuildInfo{"1", "r"}};
  std::unique_ptr<Access> access_ = *Access::load({.requests = {.perSecond = 1e6, .burst = 1e6}});
  reconcile::EventRecorder events_{store_};
  ResourceApi api_{store_, events_.events(), nullptr};
  Router router_{store_, api_, metrics_, *access_};
};

TEST_F(RouterTest, HealthAndReadiness) {
  EXPECT_EQ(send("/healthz").status, 200);
  EXPECT_EQ(send("/healthz").body, "ok\n");
  EXPECT_EQ(send("/readyz").status, 503);
  EXPECT_THAT(send("/readyz").body, HasSubstr("first complete observation"));
  store_.setReady();
  EXPECT_EQ(send("/readyz").status, 200);
}

TEST_F(RouterTest, AuditsWhatWouldChangeSomething) {
  std::vector<AuditRecord> records;
  const Router router(store_, api_, metrics_, *access_, nullptr,
                      [&](const AuditRecord& record) { records.push_back(record); });
  const auto ask = [&](const std::string& method, const std::string& target) {
    router.handle(
        {.method = method, .target = target, .host = "localhost", .peer = {.address = "127.0.0.1"}});
  };
  ask("GET", base + "/unikernels");
  ask("DELETE", base + "/namespaces/shop/unikernels/web?propagationPolicy=Background");
  ask("POST", "/" + std::string(100'000, 'a'));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].user, "system:anonymous");
  EXPECT_EQ(records[0].address, "127.0.0.1");
  EXPECT_EQ(records[0].method, "DELETE");
  EXPECT_EQ(records[0].path, base + "/namespaces/shop/unikernels/web");
  EXPECT_EQ(records[0].code, 403);
  EXPECT_LT(records[1].path.size(), 1'000u) << "nobody can fill the log";
}

TEST_F(RouterTest, MetricsAreInPrometheusFormat) {
  const http::Response response = send("/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.contentType, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("rookery_build_info"));
}

TEST_F(RouterTest, DiscoveryNamesGroupVersionAndKinds) {
  const json groups = json::parse(send("/apis").body);
  EXPECT_EQ(groups["kind"], "APIGroupList");
  EXPECT_EQ(groups["groups"][0]["name"], "rookery.dev");
  const json group = json::parse(send("/apis/rookery.dev").body);
  EXPECT_EQ(group["kind"], "APIGroup");
  EXPECT_EQ(group["preferredVersion"]["groupVersion"], "rookery.dev/v1alpha1");

  const json resources = json::parse(send(base).body);
  EXPECT_EQ(resources["kind"], "APIResourceList");
  EXPECT_EQ(resources["groupVersion"], "rookery.dev/v1alpha1");
  std::map<std::string, json> byName;
  for (const json& resource : resources["resources"]) byName[resource["name"]] = resource;
  EXPECT_EQ(byName["unikernels/usage"]["kind"], "Unikernel");
  EXPECT_EQ(byName["unikernels"],
            json::parse(R"({"name": "unikernels", "singularName": "unikernel", "namespaced": true,
                            "kind": "Unikernel", "shortNames": ["uk"], "categories": ["rookery"],
                            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]})"));
  EXPECT_EQ(byName["albatrossinstances"]["namespaced"], false);
}

TEST_F(RouterTest, ListsAreOfTheClusterOrOfANamespace) {
  const auto names = [&](const std::string& path) {
    const json list = json::parse(send(base + path).body);
    std::vector<std::string> found;
    for (const json& item : list["items"]) found.push_back(item["metadata"]["name"]);
    return found;
  };
  EXPECT_THAT(names("/unikernels"), testing::ElementsAre("main", "api", "web"));
  EXPECT_THAT(names("/namespaces/shop/unikernels"), testing::ElementsAre("api", "web"));
  EXPECT_THAT(names("/namespaces/none/unikernels"), testing::IsEmpty());
  EXPECT_THAT(names("/unikernelpolicies"), testing::IsEmpty());
  EXPECT_THAT(names("/albatrossinstances"), testing::ElementsAre("eu-1"));
}

TEST_F(RouterTest, AListIsShapedAsKubernetesShapesIt) {
  const http::Response response = send(base + "/namespaces/db/unikernels");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.contentType, "application/json");
  const json list = json::parse(response.body);
  EXPECT_EQ(list["apiVersion"], "rookery.dev/v1alpha1");
  EXPECT_EQ(list["kind"], "UnikernelList");
  EXPECT_EQ(list["metadata"], json({{"resourceVersion", std::to_string(store_.resourceVersion())}}));
  const json& item = list["items"][0];
  EXPECT_EQ(item["kind"], "Unikernel");
  EXPECT_EQ(item["metadata"]["generation"], 3);
  EXPECT_EQ(item["status"]["conditions"][0]["reason"], "Running");
}

TEST_F(RouterTest, OneObjectByName) {
  const json object = json::parse(send(base + "/namespaces/shop/unikernels/web").body);
  EXPECT_EQ(object["metadata"]["name"], "web");
  EXPECT_EQ(object["spec"]["instance"], "eu-1");
  EXPECT_EQ(object["status"]["instance"], "eu-1");
  EXPECT_EQ(send(base + "/albatrossinstances/eu-1").status, 200);
}

TEST_F(RouterTest, AMissingObjectIsAStatus) {
  const http::Response response = send(base + "/namespaces/shop/unikernels/x");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(json::parse(response.body), json::parse(R"({
    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
    "message": "unikernels.rookery.dev \"x\" not found", "reason": "NotFound",
    "details": {"name": "x", "group": "rookery.dev", "kind": "unikernels"}, "code": 404})"));
}

TEST_F(RouterTest, WhatIsNotServedIsNotFound) {
  const std::string paths[] = {"/x",
                               "/healthz/x",
                               "/healthz%2Fx",
                               "//healthz/x",
                               "/apis/../metrics",
                               "/apis/%2e%2e/metrics",
                               "/apis/apps",
                               "/apis/rookery.dev/v1",
                               "/apis/rookery.dev/v1alpha2/unikernels",
                               base + "/secrets",
                               base + "/namespaces/shop/secrets/token",
                               base + "/namespaces/shop",
                               base + "/namespaces",
                               base + "/uk",
                               base + "/Unikernels",
                               base + "/unikernels/web",
                               base + "/namespaces/shop/albatrossinstances",
                               base + "/namespaces/shop/albatrossinstances/eu-1",
                               base + "/namespaces/shop/unikernels/web/scale",
                               base + "/namespaces//unikernels/web",
                               base + "/namespaces/shop%2Funikernels/web"};
  for (const std::string& path : paths) {
    const http::Response response = send(path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(json::parse(response.body)["reason"], "NotFound") << path;
    EXPECT_THAT(response.body, Not(HasSubstr("hunter2")));
  }
}

TEST_F(RouterTest, NothingCanBeWritten) {
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}) {
    for (const std::string& path : {std::string("/metrics"), std::string("/"), std::string("/apis"), base}) {
      const http::Response response = send(path, method);
      EXPECT_EQ(response.status, 405) << method << " " << path;
      EXPECT_EQ(json::parse(response.body)["reason"], "MethodNotAllowed");
      EXPECT_EQ(response.headers.at("Allow"), "GET, HEAD");
    }
    for (const char* path : {"/namespaces/shop/unikernels", "/namespaces/shop/unikernels/web"}) {
      const http::Response response = send(base + path, method);
      EXPECT_EQ(response.status, 403) << method << " " << path;
      EXPECT_EQ(json::parse(response.body)["reason"], "Forbidden");
      EXPECT_THAT(response.body, HasSubstr("--api-token-file"));
    }
  }
}

TEST_F(RouterTest, NobodyUnknownLearnsAnythingOfSecrets) {
  for (const char* path : {"/api/v1/namespaces/shop/secrets/token", "/api/v1/secrets",
                           "/api/v1/namespaces/shop/secrets?watch=1"}) {
    const http::Response response = send(path);
    EXPECT_EQ(response.status, 403) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("hunter2")));
  }
}

TEST_F(RouterTest, UnderTlsOnlyProbesAndThePageAreOpen) {
  const auto status = [&](const std::string& target) {
    return router_
        .handle({.method = "GET",
                 .target = target,
                 .host = "rookery.example",
                 .peer = {.address = "10.0.0.1", .tls = true}})
        .status;
  };
  EXPECT_EQ(status("/healthz"), 200);
  EXPECT_EQ(status("/readyz"), 503);
  EXPECT_EQ(status("/"), web::files().empty() ? 404 : 200) << "it shows nothing by itself";
  EXPECT_EQ(status("/web/other/app.js"), 404);
  for (const std::string& path :
       {std::string("/metrics"), std::string("/apis"), std::string("/api/v1"), std::string("/openapi/v3"),
        std::string("/deploy"), std::string("/nothing"), base + "/unikernels"}) {
    EXPECT_EQ(status(path), 401) << path;
  }
}

TEST_F(RouterTest, AClientCertificateWithoutATokenFileMayRead) {
  const auto send = [&](const std::string& target, const std::string& method) {
    return router_.handle({.method = method,
                           .target = target,
                           .peer = {.address = "10.0.0.1", .tls = true, .commonName = "alice"}});
  };
  EXPECT_EQ(send(base + "/unikernels", "GET").status, 200);
  EXPECT_EQ(send("/metrics", "GET").status, 200);
  EXPECT_EQ(send("/deploy", "POST").status, 403);
  EXPECT_THAT(
      send(base + "/namespaces/shop/unikernels/web", "DELETE").body,
      HasSubstr(R"(unikernels.rookery.dev \"web\" is forbidden: User \"alice\" cannot delete resource )"
                R"(\"unikernels\" in API group \"rookery.dev\" in the namespace \"shop\")"));
}

TEST_F(RouterTest, TheMetricsAreForThoseWhoMayReadAllNamespaces) {
  const std::filesystem::path readers = dir_.write("tokens.yaml", R"(tokens:
- {name: shop, sha256: 4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce, verbs: [get, list], namespaces: [shop]}
- {name: all, sha256: 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a, verbs: [get, list], namespaces: ["*"], resources: ["*"]}
- {name: some, sha256: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d, verbs: [get, list], namespaces: ["*"]}
)");
  const auto access = *Access::load({.tokenFile = readers});
  const Router router(store_, api_, metrics_, *access);
  const auto status = [&](const std::string& target, const std::string& token) {
    return router
        .handle({.method = "GET",
                 .target = target,
                 .authorization = "Bearer " + token,
                 .peer = {.address = "10.0.0.1", .tls = true}})
        .status;
  };
  EXPECT_EQ(status("/metrics", "3"), 403) << "they name what runs in all namespaces";
  EXPECT_EQ(status("/metrics", "5"), 200);
  EXPECT_EQ(status(base + "/namespaces/shop/unikernels", "3"), 200);
}

/// A server under TLS whose token file changes.
class RevokingTest : public RouterTest {
 protected:
  static std::string entry(const std::string& rest = "namespaces: [shop]",
                           const std::string& verbs = "list, watch") {
    return "tokens:\n- {name: ci, sha256: 948b8c2427cd29047839b8e4a27a08763f8befbafa86be5cce8e46217d75e58a, "
           "verbs: [" +
           verbs + "], " + rest + "}\n";
  }
  void SetUp() override {
    write(entry());
    access_ = *Access::load({.tokenFile = dir_.path() / "tokens.yaml",
                             .requests = {.perSecond = 1e6, .burst = 1e6},
                             .now = [this] { return now_; },
                             .today = [this] { return today_; }});
  }
  void write(const std::string& text) {
    dir_.replace("tokens.yaml", text);
    now_ += std::chrono::seconds(1);
  }
  http::Response ask(const Router& router, const std::string& target) const {
    return router.handle({.method = "GET",
                          .target = target,
                          .authorization = "Bearer ci-token",
                          .peer = {.address = "10.0.0.1", .tls = true}});
  }

  Access::Clock::time_point now_{};
  std::chrono::system_clock::time_point today_{};
};

TEST_F(RevokingTest, AWatchEndsWithWhatAllowedIt) {
  using std::chrono::sys_days;
  using namespace std::chrono_literals;
  const std::string expiring = "namespaces: [shop], expires: \"2026-07-01T00:00:00Z\"";
  const std::pair<const char*, std::function<void()>> ways[] = {
      {"revoked", [&] { write("tokens: []\n"); }},
      {"removed", [&] { std::filesystem::remove(dir_.path() / "tokens.yaml"), now_ += 1s; }},
      {"narrowed", [&] { write(entry("namespaces: [db]")); }},
      {"without the resource", [&] { write(entry("namespaces: [shop], resources: [secrets]")); }},
      {"expired", [&] { today_ = sys_days(2026y / 7 / 1); }},
  };
  const Router router(store_, api_, metrics_, *access_);
  for (const auto& [way, happen] : ways) {
    today_ = sys_days(2026y / 6 / 1);
    write(entry(expiring));
    const http::Response watch = ask(router, base + "/namespaces/shop/unikernels?watch=1");
    ASSERT_EQ(watch.status, 200) << way;
    EXPECT_THAT(watch.next().value_or("over"), HasSubstr("ADDED")) << way;
    happen();
    publish(store_, unikernelView("shop", "web", true, Reason::Running, std::string("It is ") + way));
    EXPECT_FALSE(watch.next()) << way;
  }
}

/// A body in whose midst something happens.
class EventfulBody : public http::Body {
 public:
  explicit EventfulBody(std::function<void()> event) : event_(std::move(event)) {}

  Result<std::string_view> next() override {
    if (++pieces_ == 2) event_();
    return pieces_ == 1 ? std::string_view("{") : pieces_ == 2 ? std::string_view("}") : std::string_view();
  }
  std::optional<std::uint64_t> announcedSize() const override { return std::nullopt; }
  int pieces() const { return pieces_; }

 private:
  const std::function<void()> event_;
  int pieces_ = 0;
};

TEST_F(RevokingTest, ABodyIsReadNoFurtherOnceItsSenderMayNotSendIt) {
  // Nothing is written here: the API refuses a body that it could read by 400.
  source::ManifestStore store = *source::ManifestStore::open(dir_.path() / "api");
  const auto state = *state::StateDir::open(dir_.path() / "state");
  ObjectWriter writer(store_, *state, store, [](const auto&) {});
  const ResourceApi api(store_, events_.events(), &writer);
  const Router router(store_, api, metrics_, *access_);
  for (const bool revoked : {false, true}) {
    write(entry("namespaces: [shop]", "create"));
    EventfulBody body([&] { write(revoked ? "tokens: []\n" : entry("namespaces: [shop]", "create")); });
    const http::Response response = router.handle({.method = "POST",
                                                   .target = base + "/namespaces/shop/unikernels",
                                                   .authorization = "Bearer ci-token",
                                                   .body = &body,
                                                   .peer = {.address = "10.0.0.1", .tls = true}});
    EXPECT_EQ(response.status, revoked ? 401 : 400) << response.body;
    EXPECT_EQ(body.pieces(), revoked ? 2 : 3);
  }
}

TEST_F(RevokingTest, AWatchGoesOnWhileTheFileChangesForOthers) {
  const Router router(store_, api_, metrics_, *access_);
  const http::Response watch = ask(router, base + "/namespaces/shop/unikernels?watch=1");
  ASSERT_TRUE(watch.next());
  write(entry("namespaces: [db, shop]"));
  publish(store_, unikernelView("shop", "web", false, Reason::Refused, "It changed."));
  EXPECT_THAT(watch.next().value_or("over"), HasSubstr("It changed."));
  write("tokens: [");
  publish(store_, unikernelView("shop", "web", false, Reason::Refused, "It changed again."));
  EXPECT_THAT(watch.next().value_or("over"), HasSubstr("It changed again."));
}

TEST_F(RevokingTest, ANamespaceIsNoWayToOthers) {
  const Router router(store_, api_, metrics_, *access_);
  EXPECT_EQ(ask(router, base + "/namespaces/shop/unikernels").status, 200);
  for (const char* path :
       {"/unikernels", "/unikernels?watch=1", "/unikernels?fieldSelector=metadata.namespace%3Dshop",
        "/unikernels?watch=1&fieldSelector=metadata.namespace%3Dshop", "/namespaces/db/unikernels",
        "/namespaces//unikernels", "/namespaces/%2a/unikernels?watch=1", "/namespaces/*/unikernels",
        "/namespaces/shop/albatrossinstances", "/namespaces/shop/albatrossinstances/eu-1",
        "/watch/unikernels", "/watch/namespaces/db/unikernels", "/namespaces/shop/unikernels/..%2f"}) {
    for (const char* method : {"GET", "HEAD", "OPTIONS"}) {
      const http::Response answer = router.handle({.method = method,
                                                   .target = base + path,
                                                   .authorization = "Bearer ci-token",
                                                   .peer = {.address = "10.0.0.1", .tls = true}});
      EXPECT_THAT(answer.status, testing::AnyOf(403, 404, 405)) << method << path;
      EXPECT_THAT(answer.body, Not(HasSubstr("\"main\""))) << method << path;
    }
  }
}

TEST_F(RouterTest, OneCallerHasHalfOfTheWatches) {
  const Router router(store_, api_, metrics_, *access_, nullptr, nullptr, 4);
  const auto watchAs = [&](const std::string& commonName) {
    return router.handle({.method = "GET",
                          .target = base + "/unikernels?watch=1",
                          .peer = {.address = "10.0.0.1", .tls = true, .commonName = commonName}});
  };
  std::list<http::Response> open;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(open.emplace_back(watchAs("greedy")).status, 200);
  const http::Response refused = watchAs("greedy");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("Retry-After"), "10");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(open.emplace_back(watchAs("alice")).status, 200);
  EXPECT_EQ(watchAs("bob").status, 429) << "there are four places";
  open.pop_front();
  EXPECT_EQ(watchAs("greedy").status, 200);
}

TEST_F(RouterTest, ABodyThatIsEncodedIsRefused) {
  http::TextBody body("{}");
  const std::pair<const char*, int> cases[] = {
      {"gzip", 415}, {"x-unknown", 415}, {"identity, gzip", 415}, {"Identity", 200}, {"", 200}};
  for (const auto& [encoding, status] : cases) {
    const http::Response response = router_.handle({.method = "GET",
                                                    .target = base + "/unikernels",
                                                    .host = "localhost",
                                                    .contentEncoding = encoding,
                                                    .body = &body});
    EXPECT_EQ(response.status, status) << encoding;
    EXPECT_EQ(response.headers.contains("Accept-Encoding"), status == 415) << encoding;
  }
}

TEST_F(RouterTest, PagesOfOtherSitesChangeNothing) {
  const auto status = [&](const std::string& method, const std::string& origin) {
    return router_
        .handle({.method = method,
                 .target = base + "/namespaces/shop/unikernels/web",
                 .host = "rookery.example",
                 .origin = origin,
                 .peer = {.address = "10.0.0.1", .tls = true, .commonName = "alice"}})
        .body;
  };
  for (const char* origin : {"https://evil.example", "null", "https://rookery.example.evil.example"}) {
    for (const char* method : {"POST", "PUT", "PATCH", "DELETE"})
      EXPECT_THAT(status(method, origin), HasSubstr("may not change anything here")) << method << origin;
    EXPECT_THAT(status("GET", origin), HasSubstr(R"("kind":"Unikernel")"));
  }
  EXPECT_THAT(status("DELETE", "https://rookery.example"), HasSubstr("cannot delete resource"));
}

TEST_F(RouterTest, NobodyIsToldThatThereIsNothingBeforeTheManifestsAreRead) {
  const reconcile::ObjectStore empty;
  const ResourceApi api(empty, events_.events(), nullptr);
  const Router router(empty, api, metrics_, *access_);
  for (const std::string& target : {base + "/unikernels", base + "/namespaces/shop/unikernels/web"}) {
    const http::Response response = router.handle({.method = "GET", .target = target, .host = "localhost"});
    EXPECT_EQ(response.status, 503) << target;
    EXPECT_EQ(response.headers.at("Retry-After"), "1");
  }
  EXPECT_EQ(router.handle({.method = "GET", .target = "/apis", .host = "localhost"}).status, 200);
}

TEST_F(RouterTest, OnlyJsonCanBeHad) {
  const std::string path = base + "/unikernels";
  for (const char* accept :
       {"", "*/*", "application/json", "application/*;q=0.5", "text/html, */*;q=0.1",
        "APPLICATION/JSON ; charset=utf-8", "application/json;as=Table;v=v1;g=meta.k8s.io"}) {
    EXPECT_EQ(send(path, "GET", accept).status, 200) << accept;
  }
  for (const char* accept : {"text/html", "application/yaml", "application/vnd.kubernetes.protobuf",
                             "application/json;as=Tables;v=v1;g=meta.k8s.io", ",", "application/jsonx"}) {
    const http::Response response = send(path, "GET", accept);
    EXPECT_EQ(response.status, 406) << accept;
    EXPECT_EQ(json::parse(response.body)["reason"], "NotAcceptable");
  }
}

TEST_F(RouterTest, ParametersSelectAndWatch) {
  const std::string path = base + "/unikernels";
  EXPECT_EQ(send(path + "?limit=500&resourceVersion=0&watch=false&labelSelector=").status, 200);
  EXPECT_THAT(send(path + "?labelSelector=app%3Dweb").body, HasSubstr(R"("items":[])"));
  const std::string one = send(path + "?fieldSelector=metadata.name%3Dweb").body;
  EXPECT_THAT(one, AllOf(HasSubstr(R"("name":"web")"), Not(HasSubstr(R"("name":"api")"))));
  EXPECT_EQ(send(path + "?continue=token").status, 400);
  EXPECT_THAT(send(path + "?watch=true").body, HasSubstr(R"("type":"ADDED")"));
}

TEST_F(RouterTest, TheDocumentsAreServed) {
  EXPECT_THAT(send("/version").body, HasSubstr("gitVersion"));
  EXPECT_THAT(send("/api").body, HasSubstr("APIVersions"));
  EXPECT_THAT(send("/api/v1").body, AllOf(HasSubstr("secrets"), HasSubstr("events")));
  EXPECT_THAT(send("/api/v1/namespaces").body,
              AllOf(HasSubstr(R"("name":"shop")"), HasSubstr(R"("name":"db")")));
  EXPECT_EQ(send("/api/v1/namespaces/other").status, 200);
  EXPECT_EQ(send("/api/v1/namespaces?watch=1").status, 405);
  EXPECT_THAT(send("/openapi/v2").body, HasSubstr("dev.rookery.v1alpha1.Unikernel"));
  EXPECT_THAT(send("/openapi/v3").body, HasSubstr("apis/rookery.dev/v1alpha1"));
  EXPECT_THAT(send("/openapi/v3/apis/rookery.dev/v1alpha1").body, HasSubstr("networkInterfaces"));
  EXPECT_EQ(send("/openapi/v4").status, 404);
}

TEST_F(RouterTest, MalformedTargetsAreBadRequests) {
  for (const char* target :
       {"", "apis", "*", "/%", "/%zz", "/apis?x=%", "/%ff", "/apis/\xc3\xa9", "/healthz%00", "/a\x01"}) {
    const http::Response response = send(target);
    EXPECT_EQ(response.status, 400) << target;
    EXPECT_EQ(json::parse(response.body)["reason"], "BadRequest");
  }
}

TEST_F(RouterTest, AForeignHostIsRefused) {
  const auto status = [&](const std::string& host) {
    return router_.handle({.method = "GET", .target = "/metrics", .accept = "", .host = host}).status;
  };
  EXPECT_EQ(status("attacker.example:8080"), 403);
  EXPECT_EQ(status("127.0.0.1:8080"), 200);
  EXPECT_EQ(status(""), 200);
}

TEST_F(RouterTest, TextThatIsNotUtf8DoesNotBreakTheAnswer) {
  publish(store_, unikernelView("shop", "odd", false, Reason::Refused, "\xff\xfe"));
  EXPECT_EQ(json::parse(send(base + "/unikernels").body)["items"].size(), 4);
}

}  // namespace
}  // namespace rookery::serve
