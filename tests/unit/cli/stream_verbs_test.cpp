// The verbs that show what servers say beside the objects, and restart: as get_test does, against a
// controller's API in this process.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "api/annotations.h"
#include "serve/metrics.h"
#include "serve/resource_api.h"
#include "serve/server.h"
#include "unit/cli/invoke.h"
#include "unit/cli/scripted_server.h"
#include "unit/reconcile/console_server.h"
#include "unit/serve/views.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::vector<std::string> linesIn(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) found.push_back(line);
  return found;
}

class StreamVerbs : public testing::Test {
 protected:
  void SetUp() override {
    serve::publish(store_, serve::unikernelView("shop", "web", true, Reason::Running, "It runs."));
    store_.setSynced();
    api_.emplace(store_, events_.events(), nullptr,
                 serve::Streams{.consoles = &console_.consoles(), .usages = &usages_});
    auto started = serve::Server::start({.listen = "127.0.0.1:0"}, store_, *api_, metrics_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  Invocation call(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--server", "http://127.0.0.1:" + std::to_string(server_->port())});
    return invoke(arguments);
  }
  void tell(const std::string& path, std::uint64_t mebibytes, std::chrono::microseconds used) {
    const api::SystemTime told{1'000'000s};
    for (const bool later : {false, true}) {
      reconcile::Usage usage{.time = later ? told + 10s : told};
      usage.userTime = later ? used : 0us;
      usage.residentBytes = mebibytes << 20U;
      usage.limitBytes = 64 << 20;
      usages_.tell("eu-1", plan::keyOf(path), usage);
    }
  }

  reconcile::ConsoleServer console_;
  reconcile::ObjectStore store_;
  reconcile::UsageStore usages_;
  reconcile::EventRecorder events_{store_};
  std::optional<serve::ResourceApi> api_;
  serve::Metrics metrics_{{"1", "r"}};
  std::unique_ptr<serve::Server> server_;
};

TEST_F(StreamVerbs, LogsAreOfTheInstanceThatIsNamed) {
  console_.print("one");
  EXPECT_EQ(call({"logs", "web", "-n", "shop", "--instance", "eu-1"}).out, "one\n");
  const Invocation elsewhere = call({"logs", "web", "-n", "shop", "--instance", "us-1"});
  EXPECT_EQ(elsewhere.status, 1);
  EXPECT_THAT(elsewhere.err, HasSubstr("is not on AlbatrossInstance us-1; it is on eu-1."));
}

TEST_F(StreamVerbs, LogsSayWhichOfSeveralInstancesTheyAreOf) {
  console_.print("one");
  const reconcile::ObjectViewPtr view = store_.find(plan::keyOf("shop/web"));
  reconcile::Listener nobody;
  const plan::Replicas replicas{.wanted = 2, .instances = {"eu-1", "us-1"}};
  store_.report(view->object->key(), view->status, replicas, {}, nobody);
  const Invocation logs = call({"logs", "web", "-n", "shop"});
  EXPECT_EQ(logs.out, "one\n");
  EXPECT_EQ(logs.err, "It is on eu-1,us-1; this is eu-1. --instance shows another.\n");
}

TEST_F(StreamVerbs, LogsShowWhatWasPrinted) {
  for (const char* line : {"one", "two \x1b[2J", "three"}) console_.print(line);
  const Invocation all = call({"logs", "web", "-n", "shop"});
  EXPECT_EQ(all.status, 0) << all.err;
  EXPECT_EQ(all.out, "one\ntwo \\u001b[2J\nthree\n");
  EXPECT_EQ(all.err, "");
  EXPECT_EQ(call({"logs", "web", "-n", "shop", "--tail", "1"}).out, "three\n");
  EXPECT_EQ(call({"logs", "web", "-n", "shop", "--tail=1", "--timestamps"}).out,
            "1970-01-01T00:00:01.000Z three\n");
  EXPECT_EQ(call({"logs", "web", "-n", "shop", "--since", "1h30m"}).out, "");
  EXPECT_EQ(call({"logs", "web", "-n", "shop", "-p"}).out, "one\ntwo \\u001b[2J\nthree\n");
}

TEST_F(StreamVerbs, LogsFollowUntilTheServerEndsThem) {
  console_.print("one");
  std::thread ending([&] {
    console_.until([&] { return console_.server.openStreams() == 1; });
    console_.print("two");
    // Only once the answer has begun; the object was asked for before.
    while (!metrics_.text().contains("rookery_http_requests_total{code=\"200\",method=\"GET\"} 2"))
      std::this_thread::yield();
    console_.ask([&] { console_.server.endStreams(); });
  });
  const Invocation followed = call({"logs", "web", "-n", "shop", "-f"});
  ending.join();
  EXPECT_NE(followed.status, 0);
  EXPECT_EQ(followed.out, "one\ntwo\n");
  EXPECT_THAT(followed.err, HasSubstr("broke off its answer: this is not the end"));
}

TEST_F(StreamVerbs, LogsSayWhatIsWrong) {
  EXPECT_THAT(call({"logs", "nobody", "-n", "shop"}).err, HasSubstr("\"nobody\" not found"));
  EXPECT_THAT(call({"logs", "web", "-n", "shop", "--since", "soon"}).err, HasSubstr("soon"));
  EXPECT_NE(call({"logs", "web", "-n", "shop", "-f", "-p"}).status, 0);
  EXPECT_NE(call({"logs"}).status, 0);
  console_.ask([&] { console_.server.down = true; });
  const Invocation down = call({"logs", "web", "-n", "shop"});
  EXPECT_NE(down.status, 0);
  EXPECT_EQ(down.out, "");
  EXPECT_NE(down.err, "");
}

TEST_F(StreamVerbs, TopIsATable) {
  tell("shop/web", 8, 250ms);
  tell("shop/busy", 4, 10s);
  tell("db/main", 32, 0us);
  const Invocation shop = call({"top", "-n", "shop"});
  EXPECT_EQ(shop.status, 0) << shop.err;
  EXPECT_THAT(linesIn(shop.out), ElementsAre(MatchesRegex("NAME +INSTANCE +CPU +MEMORY +LIMIT *"),
                                             MatchesRegex("busy +eu-1 +1000m +4Mi +64Mi *"),
                                             MatchesRegex("web +eu-1 +25m +8Mi +64Mi *")));
  const auto order = [&](const std::string& by) {
    std::vector<std::string> names;
    for (const std::string& line : linesIn(call({"top", "-A", "--sort-by", by}).out)) {
      std::istringstream words(line);
      std::string nameSpace, name;
      words >> nameSpace >> name;
      names.push_back(name);
    }
    return names;
  };
  EXPECT_THAT(order("cpu"), ElementsAre("NAME", "busy", "web", "main"));
  EXPECT_THAT(order("memory"), ElementsAre("NAME", "main", "web", "busy"));
  EXPECT_NE(call({"top", "--sort-by", "age"}).status, 0);
  EXPECT_THAT(call({"get", "unikernelusages", "web", "-n", "shop", "-o", "yaml"}).out, HasSubstr("cpu: 25m"));
}

TEST_F(StreamVerbs, TopSaysThatNothingWasTold) {
  const Invocation nothing = call({"top", "-n", "shop"});
  EXPECT_EQ(nothing.status, 0);
  EXPECT_EQ(nothing.out, "");
  EXPECT_THAT(nothing.err, HasSubstr("No unikernel has told yet what it uses"));
}

// -- restart
// -----------------------------------------------------------------------------------------------------

/// A controller that answers each PATCH with `status`.
class RestartVerb : public testing::Test {
 protected:
  Invocation restart(std::vector<std::string> names, std::vector<int> statuses) {
    ScriptedServer server([&](const httplib::Request& request) -> ScriptedServer::Answer {
      if (request.method != "PATCH")
        return {200, {R"({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"}})"}};
      bodies_.push_back(json::parse(request.body));
      targets_.push_back(request.path);
      const int status = statuses.empty() ? 200 : statuses.front();
      if (!statuses.empty()) statuses.erase(statuses.begin());
      const json answer = {{"kind", "Status"}, {"message", "It is declared in a file."}, {"code", status}};
      return {status, {status == 200 ? "{}" : answer.dump()}};
    });
    names.insert(names.begin(), "restart");
    names.insert(names.end(), {"-n", "shop", "--server", server.url()});
    return invoke(names);
  }
  std::vector<json> bodies_;
  std::vector<std::string> targets_;
};

TEST_F(RestartVerb, WritesTheAnnotation) {
  const Invocation done = restart({"web", "cart"}, {});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, "Unikernel shop/web is to be restarted.\nUnikernel shop/cart is to be restarted.\n");
  const std::string base = "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/";
  EXPECT_THAT(targets_, ElementsAre(base + "web", base + "cart"));
  ASSERT_EQ(bodies_.size(), 2);
  const json& annotations = bodies_[0].at("metadata").at("annotations");
  EXPECT_EQ(annotations.size(), 1);
  EXPECT_THAT(annotations.at(std::string(api::restartedAtAnnotation)).get<std::string>(),
              MatchesRegex("20..-..-..T..:..:..Z"));
}

TEST_F(RestartVerb, SaysWhatElseCanBeDoneWhereItIsRefused) {
  for (const int status : {403, 405}) {
    const Invocation refused = restart({"web"}, {status});
    EXPECT_NE(refused.status, 0);
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err,
                AllOf(HasSubstr("It is declared in a file."), HasSubstr("rookery.dev/restartedAt")))
        << status;
  }
}

TEST_F(RestartVerb, TriesAgainWhereSomebodyElseWroteAndGoesOnWithTheOthers) {
  const Invocation conflicts = restart({"web"}, {409, 409});
  EXPECT_EQ(conflicts.status, 0) << conflicts.err;
  const Invocation one = restart({"gone", "web"}, {404});
  EXPECT_NE(one.status, 0);
  EXPECT_EQ(one.out, "Unikernel shop/web is to be restarted.\n");
  EXPECT_NE(one.err, "");
}

// -- delete
// ------------------------------------------------------------------------------------------------------

/// A controller that answers a DELETE with `status`, and then each GET with the next of `states`: what keeps
/// the object, or nothing where it is gone.
class DeleteVerb : public testing::Test {
 protected:
  Invocation remove(std::vector<std::string> words, int status, std::vector<std::string> states = {}) {
    ScriptedServer server([&](const httplib::Request& request) -> ScriptedServer::Answer {
      if (request.method == "DELETE") {
        targets_.push_back(request.path);
        const json answer = {{"kind", "Status"}, {"message", "It is declared in a file."}, {"code", status}};
        return {status, {answer.dump()}};
      }
      const std::string state = states.empty() ? "" : states.front();
      if (!states.empty()) states.erase(states.begin());
      if (state.empty()) return {404, {R"({"kind": "Status", "message": "not found", "code": 404})"}};
      const json ready = {{"type", "Ready"}, {"status", "False"}, {"message", state}};
      return {
          200,
          {json{{"metadata", {{"name", "web"}, {"uid", "1"}, {"deletionTimestamp", "2026-01-01T00:00:00Z"}}},
                {"status", {{"conditions", {ready}}}}}
               .dump()}};
    });
    words.insert(words.begin(), "delete");
    words.insert(words.end(), {"--server", server.url()});
    return invoke(words);
  }
  std::vector<std::string> targets_;
};

TEST_F(DeleteVerb, WaitsUntilTheObjectIsGoneAndTellsWhatIsInTheWay) {
  const Invocation done = remove({"uk", "web", "-n", "shop"}, 200,
                                 {"It waits for the second look.", "It waits for the second look."});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, "Unikernel shop/web is gone.\n");
  EXPECT_THAT(linesIn(done.err), ElementsAre("Unikernel shop/web: It waits for the second look."));
  EXPECT_THAT(targets_, ElementsAre("/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/web"));
}

TEST_F(DeleteVerb, DoesNotWaitWhereItIsNotAsked) {
  const Invocation done = remove({"alba", "eu-1", "--no-wait"}, 200, {"It waits."});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, "AlbatrossInstance eu-1 is to be deleted.\n");
}

TEST_F(DeleteVerb, SaysWhatIsLeftInTheEnd) {
  const Invocation late =
      remove({"uk", "web", "--timeout", "1ms"}, 200, {"The prune guard holds it.", "The same."});
  EXPECT_NE(late.status, 0);
  EXPECT_THAT(late.err, AllOf(HasSubstr("is not gone yet"), HasSubstr("The prune guard holds it.")));
}

TEST_F(DeleteVerb, SaysWhyItIsRefused) {
  for (const int status : {403, 405, 409}) {
    const Invocation refused = remove({"uk", "web", "-n", "shop"}, status);
    EXPECT_NE(refused.status, 0);
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr("It is declared in a file."));
  }
  EXPECT_NE(remove({"uk", "web"}, 404).status, 0);
}

}  // namespace
}  // namespace rookery::cli
