#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/description.h"
#include "unit/cli/invoke.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

const std::chrono::system_clock::time_point describedAt(1'700'000'000s);  // 2023-11-14T22:13:20Z

const json webObject = json::parse(R"({
  "apiVersion": "rookery.dev/v1alpha1", "kind": "Unikernel",
  "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "front"},
               "creationTimestamp": "2023-11-14T22:08:18Z", "generation": 3, "uid": "u"},
  "spec": {"image": {"path": "web.hvt"}, "cpuIDs": [0, 1]},
  "status": {"instance": "eu-1", "restarts": 2,
             "conditions": [{"type": "Ready", "status": "False", "reason": "ImageNotFound",
                             "message": "There is none.", "lastTransitionTime": "2023-11-14T22:13:00Z"}],
             "lastAction": {"verb": "create", "time": "2023-11-14T22:09:00Z", "bytes": 2097152,
                            "duration": "1.5s"},
             "history": ["aa11", "bb22"]}})");

const json webEvents = json::parse(R"([
  {"type": "Warning", "reason": "ImageNotFound", "message": "There is none.", "count": 3,
   "firstTimestamp": "2023-11-14T20:13:20Z", "lastTimestamp": "2023-11-14T22:13:00Z",
   "source": {"component": "rookery"}},
  {"type": "Normal", "reason": "Created", "message": "It runs.", "count": 1,
   "firstTimestamp": "2023-11-14T22:09:00Z", "lastTimestamp": "2023-11-14T22:09:00Z",
   "source": {"component": "rookery"}}])");

TEST(Description, OfAUnikernel) {
  EXPECT_EQ(description(webObject, webEvents, "", describedAt), R"(Name:          web
Namespace:     shop
Labels:        app=web
               tier=front
Annotations:   <none>
API Version:   rookery.dev/v1alpha1
Kind:          Unikernel
Created:       2023-11-14T22:08:18Z (5m2s ago)
Generation:    3
Spec:
  cpuIDs:
    - 0
    - 1
  image:
    path: web.hvt
Status:
  instance: eu-1
  restarts: 2
Conditions:
  Type    Status   Reason          Age   Message
  ----    ------   ------          ---   -------
  Ready   False    ImageNotFound   20s   There is none.
Last Action:   create, 2023-11-14T22:09:00Z (4m20s ago), took 1.5s, 2.0 MiB sent
History:
  aa11
  bb22
Events:
  Type      Reason          Age                  From      Message
  ----      ------          ---                  ----      -------
  Normal    Created         4m20s                rookery   It runs.
  Warning   ImageNotFound   20s (x3 over 120m)   rookery   There is none.
)");
}

TEST(Description, OfWhatHasNoStatusYet) {
  const json limits = {{"apiVersion", "rookery.dev/v1alpha1"},
                       {"kind", "UnikernelPolicy"},
                       {"metadata", {{"name", "limits"}, {"namespace", "shop"}}},
                       {"spec", {{"memory", "64Mi"}}}};
  const std::string text = description(limits, json::array(), "", describedAt);
  EXPECT_THAT(text, HasSubstr("Spec:\n  memory: 64Mi\nEvents:   <none>\n"));
  EXPECT_THAT(text, Not(HasSubstr("Status")));
}

TEST(Description, SaysWhyThereAreNoEvents) {
  EXPECT_THAT(
      description(webObject, fail(Reason::Refused, "Error from server (Forbidden): no"), "", describedAt),
      HasSubstr("Events:   Error from server (Forbidden): no\n"));
}

/// Objects and no events.
ScriptedServer::Answer answerDescribe(const httplib::Request& request) {
  if (request.path.ends_with("/events")) {
    return {200, {R"({"kind": "EventList", "metadata": {"resourceVersion": "1"}, "items": []})"}};
  }
  if (request.path.ends_with("/missing")) {
    return {404, {R"({"kind": "Status", "reason": "NotFound", "message": "missing not found"})"}};
  }
  return {200, {json{{"kind", "X"}, {"metadata", {{"name", "x"}}}}.dump()}};
}

Invocation describe(const ScriptedServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "describe");
  arguments.insert(arguments.end(), {"--server", server.url()});
  return invoke(arguments);
}

TEST(Describe, AsksForTheObjectAndItsEvents) {
  const std::string of = "involvedObject.kind%3D";
  const std::string named = "%2CinvolvedObject.name%3Dx";
  const std::tuple<std::vector<std::string>, std::string, std::string> cases[] = {
      {{"uk", "x", "-n", "shop"},
       "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/x",
       "/api/v1/namespaces/shop/events?fieldSelector=" + of + "Unikernel" + named +
           "%2CinvolvedObject.namespace%3Dshop&limit=500"},
      {{"alba", "x"},
       "/apis/rookery.dev/v1alpha1/albatrossinstances/x",
       "/api/v1/events?fieldSelector=" + of + "AlbatrossInstance" + named + "&limit=500"},
      {{"ukpol", "x"},
       "/apis/rookery.dev/v1alpha1/namespaces/default/unikernelpolicies/x",
       "/api/v1/namespaces/default/events?fieldSelector=" + of + "UnikernelPolicy" + named +
           "%2CinvolvedObject.namespace%3Ddefault&limit=500"}};
  for (const auto& [arguments, object, events] : cases) {
    const ScriptedServer server(answerDescribe);
    const Invocation outcome = describe(server, arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, testing::StartsWith("Name:          x\n"));
    EXPECT_THAT(server.targets(), ElementsAre(object, events));
  }
}

TEST(Describe, WhatIsNotThereIsAFailure) {
  const ScriptedServer server(answerDescribe);
  const Invocation outcome = describe(server, {"uk", "missing"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(
      outcome.err,
      "Error from server (NotFound): unikernel.rookery.dev \"missing\" not found in namespace default; -n "
      "names another\n");
  EXPECT_EQ(describe(server, {"alba", "missing"}).err,
            "Error from server (NotFound): albatrossinstance.rookery.dev \"missing\" not found\n");
}

}  // namespace
}  // namespace rookery::cli
