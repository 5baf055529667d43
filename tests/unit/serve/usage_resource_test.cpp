#include "serve/usage_resource.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "fixtures/temp_dir.h"
#include "serve/metrics.h"
#include "serve/openapi/openapi.h"
#include "serve/resource_api.h"
#include "unit/plan/scene.h"
#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const api::SystemTime toldAt{std::chrono::sys_days(std::chrono::year(2027) / 1 / 31) + 12h};
const std::string usageBase = "/apis/rookery.dev/v1alpha1";

class UsageTest : public testing::Test {
 protected:
  UsageTest() {
    auto view = std::make_shared<reconcile::ObjectView>(
        *unikernelView("shop", "web", true, Reason::Running, "It runs."));
    auto object = std::make_shared<api::Object>(*view->object);
    object->metadata.labels = {{"app", "web"}};
    view->object = object;
    view->status.startedAt = toldAt - 1h;
    view->status.digest = "abc";
    publish(store_, view);
    publish(store_, unikernelView("db", "main", false, Reason::Absent, "It does not run."));
    store_.setSynced();
    tell(10s, 5'000ms);
    tell(20s, 5'250ms);
    usages_.tell("us-1", plan::keyOf("db/main"), {.time = toldAt});
  }
  void tell(std::chrono::seconds at, std::chrono::microseconds used) {
    reconcile::Usage usage{.time = toldAt + at};
    usage.userTime = used - 1s;
    usage.systemTime = 1s;
    usage.residentBytes = 8 << 20;
    usage.limitBytes = 32 << 20;
    usage.minorFaults = 7;
    usage.interfaces = {{.name = "service", .receivedBytes = 3'000, .sentBytes = 1'000}};
    usages_.tell("eu-1", plan::keyOf("shop/web"), usage);
  }
  static http::Response ask(const ResourceApi& api, const std::string& path, const std::string& accept = "",
                            const std::string& method = "GET") {
    Request request;
    request.method = method;
    request.target = usageBase + path;
    request.accept = accept;
    request.host = "localhost";
    return api.handle(request, *http::parseTarget(request.target));
  }
  http::Response send(const std::string& path, const std::string& accept = "",
                      const std::string& method = "GET") {
    http::Response response = ask(api_, path, accept, method);
    while (response.next && !response.longRunning) {
      const auto piece = response.next();
      if (!piece) break;
      response.body += *piece;
    }
    return response;
  }
  json get(const std::string& path, const std::string& accept = "") {
    return json::parse(send(path, accept).body);
  }

  reconcile::ObjectStore store_;
  reconcile::EventRecorder events_{store_};
  reconcile::UsageStore usages_;
  ResourceApi api_{store_, events_.events(), nullptr, {.usages = &usages_}};
};

// A generated client knows no more than that.
TEST_F(UsageTest, HasWhatOpenApiDescribes) {
  const json schemas =
      json::parse(findOpenApiV3("apis/rookery.dev/v1alpha1")->body).at("components").at("schemas");
  const auto members = [](const json& object) {
    std::set<std::string> found;
    for (const auto& [name, value] : object.items()) found.insert(name);
    return found;
  };
  const json& described = schemas.at("dev.rookery.v1alpha1.UnikernelUsage").at("properties");
  const json usage = get("/namespaces/shop/unikernels/web/usage");
  EXPECT_EQ(members(usage), members(described));
  for (const char* part : {"usage", "cpuSeconds", "pageFaults"})
    EXPECT_EQ(members(usage.at(part)), members(described.at(part).at("properties"))) << part;
  EXPECT_EQ(members(usage.at("networkInterfaces").at(0)),
            members(schemas.at("dev.rookery.v1alpha1.InterfaceUsage").at("properties")));
}

TEST_F(UsageTest, IsShapedAsTheMetricsOfPodsAre) {
  const json expected = json::parse(R"({
    "apiVersion": "rookery.dev/v1alpha1", "kind": "UnikernelUsage",
    "metadata": {"name": "web", "namespace": "shop"},
    "timestamp": "2027-01-31T12:00:20Z", "window": "10.0s", "instance": "eu-1",
    "usage": {"cpu": "25m", "memory": "8388608"}, "memoryLimit": "33554432",
    "cpuSeconds": {"user": 4.25, "system": 1.0},
    "pageFaults": {"minor": 7, "major": 0},
    "networkInterfaces": [{"name": "service", "receivedBytes": 3000, "receivedPackets": 0, "receiveErrors": 0,
                           "receiveDrops": 0, "sentBytes": 1000, "sentPackets": 0, "sendErrors": 0,
                           "sendDrops": 0}]})");
  EXPECT_EQ(get("/namespaces/shop/unikernels/web/usage"), expected);
  EXPECT_EQ(get("/namespaces/shop/unikernelusages/web"), expected);
  const json first = get("/namespaces/db/unikernelusages/main");
  EXPECT_FALSE(first.contains("window")) << "it was told for the first time";
  EXPECT_FALSE(first["usage"].contains("cpu"));
}

TEST_F(UsageTest, IsListed) {
  const auto names = [&](const std::string& path) {
    std::vector<std::string> all;
    for (const json& item : get(path)["items"]) all.push_back(item["metadata"]["name"]);
    return all;
  };
  EXPECT_EQ(get("/unikernelusages")["kind"], "UnikernelUsageList");
  EXPECT_THAT(names("/unikernelusages"), testing::ElementsAre("main", "web"));
  EXPECT_THAT(names("/namespaces/shop/unikernelusages"), testing::ElementsAre("web"));
  EXPECT_THAT(names("/unikernelusages?labelSelector=app%3Dweb"), testing::ElementsAre("web"));
  EXPECT_THAT(names("/unikernelusages?fieldSelector=metadata.name%3Dmain"), testing::ElementsAre("main"));
  EXPECT_THAT(names("/unikernelusages?limit=1"), testing::ElementsAre("main"));
}

TEST_F(UsageTest, IsATable) {
  const json table = get("/unikernelusages", "application/json;as=Table;v=v1;g=meta.k8s.io");
  EXPECT_EQ(table["kind"], "Table");
  ASSERT_EQ(table["rows"].size(), 2);
  json cells = table["rows"][1]["cells"];
  cells.erase(cells.size() - 1);  // how long ago it was told
  EXPECT_EQ(cells, json({"web", "eu-1", "25m", "8Mi", "32Mi", "10.0s"}));
}

TEST_F(UsageTest, IsNotThereWhereNothingWasTold) {
  EXPECT_EQ(send("/namespaces/shop/unikernelusages/other").status, 404);
  EXPECT_EQ(send("/namespaces/shop/unikernels/other/usage").status, 404);
  EXPECT_EQ(send("/namespaces/shop/unikernels/web/nothing").status, 404);
  EXPECT_EQ(send("/namespaces/shop/unikernelpolicies/web/usage").status, 404);
  EXPECT_EQ(send("/namespaces/shop/unikernelpolicies/web/log").status, 404);
  const ResourceApi without(store_, events_.events(), nullptr);
  EXPECT_EQ(ask(without, "/namespaces/shop/unikernels/web/usage").status, 404);
}

TEST_F(UsageTest, IsOnlyRead) {
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(send("/namespaces/shop/unikernels/web/usage", "", method).status, 405) << method;
    EXPECT_EQ(send("/namespaces/shop/unikernelusages/web", "", method).status, 405) << method;
  }
  EXPECT_GE(send("/unikernelusages?watch=true").status, 400) << "nobody tells of a change";
}

// -- Metrics
// -----------------------------------------------------------------------------------------------------

TEST_F(UsageTest, IsInTheMetrics) {
  Metrics metrics(BuildInfo{"1", "r"});
  metrics.setUsages(usages_);
  metrics.setObjects(store_);
  const std::string text = metrics.text();
  const std::string labels = R"(instance="eu-1",name="web",namespace="shop")";
  for (const std::string& line : {
           "rookery_unikernel_cpu_seconds_total{" + labels + R"(,mode="user"} 4.25)",
           "rookery_unikernel_cpu_seconds_total{" + labels + R"(,mode="system"} 1)",
           "rookery_unikernel_memory_resident_bytes{" + labels + "} 8388608",
           "rookery_unikernel_memory_limit_bytes{" + labels + "} 33554432",
           "rookery_unikernel_page_faults_total{" + labels + R"(,type="minor"} 7)",
           "rookery_unikernel_network_receive_bytes_total{" + labels + R"(,interface="service"} 3000)",
           "rookery_unikernel_network_transmit_bytes_total{" + labels + R"(,interface="service"} 1000)",
           "rookery_unikernel_start_time_seconds{" + labels + "} 1801393200",
           "rookery_unikernel_info{" + labels + R"(,digest="abc"} 1)",
       })
    EXPECT_THAT(text, HasSubstr(line + "\n"));
  EXPECT_THAT(text, Not(HasSubstr(R"(start_time_seconds{instance="eu-1",name="main")"))) << "it does not run";
  usages_.keepOnly("eu-1", [](const api::ObjectKey&) { return false; });
  EXPECT_THAT(metrics.text(), Not(HasSubstr("rookery_unikernel_cpu_seconds_total{" + labels)));
}

TEST_F(UsageTest, LetsPromtoolHaveNothingToSay) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "promtool is not installed";
  Metrics metrics(BuildInfo{"1", "r"});
  metrics.setUsages(usages_);
  metrics.setObjects(store_);
  const fixtures::TempDir folder;
  const std::string scrape = folder.write("scrape.txt", metrics.text());
  const std::string complaints = (folder.path() / "complaints").string();
  EXPECT_EQ(std::system(("promtool check metrics <" + scrape + " >" + complaints + " 2>&1").c_str()), 0);
  EXPECT_EQ(fixtures::readFile(complaints), "");
}

}  // namespace
}  // namespace rookery::serve
