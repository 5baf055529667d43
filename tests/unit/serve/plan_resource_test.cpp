#include "serve/plan_resource.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixtures/temp_dir.h"
#include "serve/metrics.h"
#include "serve/resource_api.h"
#include "serve/router.h"
#include "unit/plan/scene.h"
#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;

const api::SystemTime lookedAt{std::chrono::sys_days(std::chrono::year(2027) / 1 / 31) + 12h};
const std::string planBase = "/apis/rookery.dev/v1alpha1";

plan::Change changeOf(const std::string& path, plan::Verb verb = plan::Verb::Restart) {
  return {.object = plan::keyOf(path),
          .instance = "eu-1",
          .verb = verb,
          .reason = Reason::MemoryDiffers,
          .message = "It has 32Mi.",
          .fields = {{"spec.memory", "32Mi", "64Mi"}}};
}

class PlanTest : public testing::Test {
 protected:
  PlanTest() {
    publish(store_, instanceView("eu-1", "10.0.0.1:1025"));
    publish(store_, instanceView("eu-2", "10.0.0.2:1025"));
    publish(store_, unikernelView("shop", "web", true, Reason::Running, "It runs."));
    auto stalled = std::make_shared<reconcile::ObjectView>(
        *unikernelView("db", "main", false, Reason::NoPolicy, "db has no policy."));
    stalled->status.conditions.push_back({.type = api::Condition::Type::Stalled,
                                          .status = api::Condition::Status::True,
                                          .reason = Reason::NoPolicy,
                                          .message = "db has no policy.",
                                          .lastTransitionTime = {}});
    publish(store_, stalled);
    store_.setSynced();
    scene_.declare("shop/web");
    scene_.declare("db/main");
  }

  void tell(std::vector<plan::Change> changes) {
    plans_.tell("eu-1",
                {.desired = std::make_shared<plan::Desired>(scene_.desired),
                 .era = albatross::Era::V26,
                 .changes = std::move(changes),
                 .unpruned = {},
                 .errors = {}},
                lookedAt);
  }
  http::Response send(const std::string& path, const std::string& accept = "",
                      const std::string& method = "GET") const {
    Request request;
    request.method = method;
    request.target = planBase + path;
    request.accept = accept;
    request.host = "localhost";
    http::Response response = api_.handle(request, *http::parseTarget(request.target));
    while (response.next && !response.longRunning) {
      const auto piece = response.next();
      if (!piece) break;
      response.body += *piece;
    }
    return response;
  }
  json get(const std::string& path, const std::string& accept = "") const {
    return json::parse(send(path, accept).body);
  }

  plan::Scene scene_;
  reconcile::ObjectStore store_;
  reconcile::EventRecorder events_{store_};
  reconcile::InstancePlans plans_;
  std::optional<std::string> holder_;
  ResourceApi api_{store_,
                   events_.events(),
                   nullptr,
                   {.plans = &plans_, .holderElsewhere = [this](const std::string&) { return holder_; }}};
};

TEST_F(PlanTest, IsShapedAsPlanTellsIt) {
  plan::Change later = changeOf("db/main", plan::Verb::Create);
  later.waits = true;
  plan::Change closed = changeOf("shop/web");
  closed.notBefore = lookedAt + 1h;
  scene_.desired.absences[plan::keyOf("shop/old")] = {
      .verdict = plan::Absence::Verdict::Keep, .message = "It is withheld.", .withheld = "0123456789ab"};
  tell({closed, later});
  const json change = json::parse(R"({
    "kind": "Unikernel", "namespace": "shop", "name": "web", "instance": "eu-1", "verb": "restart",
    "reason": "MemoryDiffers", "message": "It has 32Mi.", "notBefore": "2027-01-31T13:00:00Z",
    "fields": [{"path": "spec.memory", "old": "32Mi", "new": "64Mi"}]})");
  const json plan = get("/albatrossinstances/eu-1/plan");
  EXPECT_EQ(plan["kind"], "InstancePlan");
  EXPECT_EQ(plan["apiVersion"], "rookery.dev/v1alpha1");
  EXPECT_EQ(plan["metadata"], json({{"name", "eu-1"}, {"creationTimestamp", "2027-01-31T12:00:00Z"}}));
  EXPECT_EQ(plan["observedAt"], "2027-01-31T12:00:00Z");
  EXPECT_EQ(plan["server"], json({{"version", "2.6"}}));
  ASSERT_EQ(plan["changes"].size(), 2);
  EXPECT_EQ(plan["changes"][0], change);
  EXPECT_EQ(plan["changes"][1]["waits"], true);
  EXPECT_EQ(
      plan["withheld"],
      json::parse(R"([{"kind": "Unikernel", "namespace": "shop", "name": "old", "set": "0123456789ab"}])"));
  EXPECT_EQ(plan["errors"],
            json::parse(R"([{"object": "Unikernel db/main", "message": "db has no policy."}])"));
  EXPECT_EQ(get("/instanceplans/eu-1"), plan);

  const json web = get("/namespaces/shop/unikernels/web/plan");
  EXPECT_EQ(web["kind"], "UnikernelPlan");
  EXPECT_EQ(web["metadata"], json({{"name", "web"}, {"namespace", "shop"}}));
  EXPECT_EQ(web["observedAt"], "2027-01-31T12:00:00Z");
  EXPECT_EQ(web["changes"], json::array({change}));
  EXPECT_EQ(get("/namespaces/db/unikernels/main/plan")["errors"], plan["errors"]);
}

TEST_F(PlanTest, IsListedAndATable) {
  tell({changeOf("shop/web")});
  const json list = get("/instanceplans");
  EXPECT_EQ(list["kind"], "InstancePlanList");
  ASSERT_EQ(list["items"].size(), 2);
  EXPECT_THAT(list["items"][1]["errors"][0]["message"], HasSubstr("has not been looked at yet"));
  const json table = get("/instanceplans", "application/json;as=Table;v=v1;g=meta.k8s.io");
  ASSERT_EQ(table["rows"].size(), 2);
  json cells = table["rows"][0]["cells"];
  cells.erase(cells.size() - 1);  // how long ago
  EXPECT_EQ(cells, json({"eu-1", 1, 0, 1, "2.6"}));
  EXPECT_EQ(table["rows"][1]["cells"], json({"eu-2", 0, 0, 1, "", "<unknown>"}));
}

TEST_F(PlanTest, IsBounded) {
  std::vector<plan::Change> changes(PlanReader::mostShown + 5, changeOf("shop/web"));
  tell(changes);
  EXPECT_EQ(get("/albatrossinstances/eu-1/plan")["changes"].size(), PlanReader::mostShown);
  EXPECT_EQ(get("/albatrossinstances/eu-1/plan")["changesLeftOut"], 5);
  changes.resize(10);
  changes[3].fields[0].newValue = std::string(PlanReader::mostBytes, 'x');
  tell(changes);
  const http::Response response = send("/namespaces/shop/unikernels/web/plan");
  EXPECT_LT(response.body.size(), PlanReader::mostBytes);
  EXPECT_EQ(json::parse(response.body)["changesLeftOut"], 7);
}

TEST_F(PlanTest, SaysWhyThereIsNone) {
  EXPECT_EQ(send("/albatrossinstances/eu-9/plan").status, 404);
  EXPECT_EQ(send("/namespaces/shop/unikernels/none/plan").status, 404);
  EXPECT_EQ(send("/namespaces/shop/unikernelpolicies/web/plan").status, 404);
  EXPECT_EQ(send("/albatrossinstances/eu-1/plan").status, 503);
  EXPECT_EQ(send("/namespaces/shop/unikernels/web/plan").status, 503);
  holder_ = "rookery-1";
  for (const char* path : {"/albatrossinstances/eu-1/plan", "/namespaces/shop/unikernels/web/plan"})
    EXPECT_THAT(get(path)["message"], HasSubstr("is looked at by the controller rookery-1")) << path;
  EXPECT_THAT(get("/instanceplans")["items"][0]["errors"][0]["message"], HasSubstr("rookery-1"));

  tell({changeOf("shop/web")});
  plans_.failed("eu-1", {Reason::ConnectionFailed, "It refuses."});
  const json plan = get("/albatrossinstances/eu-1/plan");
  EXPECT_EQ(plan["changes"], json::array()) << "nobody knows";
  EXPECT_EQ(plan["observedAt"], "2027-01-31T12:00:00Z");
  EXPECT_EQ(plan["errors"],
            json::parse(R"([{"object": "AlbatrossInstance eu-1", "message": "It refuses."}])"));
  EXPECT_EQ(get("/namespaces/shop/unikernels/web/plan")["errors"], plan["errors"]);
  plans_.forget("eu-1");
  EXPECT_EQ(send("/albatrossinstances/eu-1/plan").status, 503);
}

TEST_F(PlanTest, IsOnlyRead) {
  tell({});
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(send("/albatrossinstances/eu-1/plan", "", method).status, 405) << method;
    EXPECT_EQ(send("/instanceplans/eu-1", "", method).status, 405) << method;
    EXPECT_EQ(send("/namespaces/shop/unikernels/web/plan", "", method).status, 405) << method;
  }
  EXPECT_GE(send("/instanceplans?watch=true").status, 400) << "nobody tells of a change";
}

struct PlanGrant {
  std::string resources, namespaces;
  bool instances, unikernel;
  friend std::ostream& operator<<(std::ostream& out, const PlanGrant& item) {
    return out << item.resources << item.namespaces;
  }
};

class PlanAccess : public PlanTest, public testing::WithParamInterface<PlanGrant> {};

TEST_P(PlanAccess, OfAnInstanceIsGrantedApart) {
  tell({changeOf("shop/web")});
  const fixtures::TempDir folder;
  const auto file = folder.write("access.yaml",
                                 "certificates:\n- commonName: alice\n  verbs: [get, list]\n  namespaces: " +
                                     GetParam().namespaces + "\n  resources: " + GetParam().resources + "\n");
  std::filesystem::permissions(file,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto access = Access::load({.tokenFile = file});
  ASSERT_TRUE(access) << access.error().message;
  Metrics metrics(BuildInfo{"1", "r"});
  const Router router(store_, api_, metrics, **access);
  const auto status = [&](const std::string& path) {
    return router
        .handle({.method = "GET",
                 .target = planBase + path,
                 .host = "localhost",
                 .peer = {.address = "10.0.0.2", .tls = true, .commonName = "alice"}})
        .status;
  };
  EXPECT_EQ(status("/albatrossinstances/eu-1/plan"), GetParam().instances ? 200 : 403);
  EXPECT_EQ(status("/instanceplans"), GetParam().instances ? 200 : 403);
  EXPECT_EQ(status("/instanceplans/eu-1"), GetParam().instances ? 200 : 403);
  EXPECT_EQ(status("/namespaces/shop/unikernels/web/plan"), GetParam().unikernel ? 200 : 403);
}

INSTANTIATE_TEST_SUITE_P(Table, PlanAccess,
                         testing::Values(PlanGrant{R"(["*"])", R"(["*"])", true, true},
                                         PlanGrant{R"(["*"])", "[shop]", false, true},
                                         PlanGrant{"[albatrossinstances, unikernels]", R"(["*"])", false,
                                                   true},
                                         PlanGrant{"[albatrossinstances/plan]", R"(["*"])", true, false},
                                         PlanGrant{"[unikernels]", "[shop]", false, true},
                                         PlanGrant{"[unikernels/log]", "[shop]", false, false}));

}  // namespace
}  // namespace rookery::serve
