#include <gmock/gmock.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "unit/cli/invoke.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Answer = ScriptedServer::Answer;

constexpr const char* forbidden = R"({"kind": "Status", "reason": "Forbidden", "message": "enough"})";
constexpr const char* unikernels = "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels";

json unikernel(const std::string& name, int version, const std::string& ready) {
  return {{"apiVersion", "rookery.dev/v1alpha1"},
          {"kind", "Unikernel"},
          {"metadata", {{"name", name}, {"namespace", "shop"}, {"resourceVersion", std::to_string(version)}}},
          {"status", {{"conditions", {{{"type", "Ready"}, {"status", ready}, {"reason", "Running"}}}}}}};
}

std::string listing(const std::vector<json>& items, int version, const std::string& next = "") {
  return json{{"kind", "UnikernelList"},
              {"metadata", {{"resourceVersion", std::to_string(version)}, {"continue", next}}},
              {"items", items}}
      .dump();
}

std::string event(const char* type, const json& object) {
  return json{{"type", type}, {"object", object}}.dump() + "\n";
}

/// Answers the requests in their order, and then that it is enough: a watch has no other end.
ScriptedServer::Script inTurn(std::vector<Answer> answers) {
  return [answers = std::move(answers), next = std::size_t{0}](const auto&) mutable {
    return next < answers.size() ? answers[next++] : Answer{403, {forbidden}};
  };
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

Invocation get(const ScriptedServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "get");
  arguments.insert(arguments.end(), {"--server", server.url()});
  return invoke(arguments);
}

TEST(Get, FetchesAListInParts) {
  const ScriptedServer server(inTurn({{200, {listing({unikernel("a", 1, "True")}, 5, "more=")}},
                                      {200, {listing({unikernel("b", 2, "True")}, 5)}}}));
  const Invocation outcome = get(server, {"uk", "-n", "shop", "-o", "name", "-l", "app in (a,b)"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "unikernel.rookery.dev/a\nunikernel.rookery.dev/b\n");
  const std::string base = std::string(unikernels) + "?labelSelector=app%20in%20%28a%2Cb%29&limit=500";
  EXPECT_THAT(server.targets(), ElementsAre(base, base + "&continue=more%3D"));
}

TEST(Get, AListThatExpiresIsFetchedAtOnce) {
  const ScriptedServer server(inTurn({{200, {listing({unikernel("a", 1, "True")}, 5, "more")}},
                                      {410, {"{}"}},
                                      {200, {listing({unikernel("b", 2, "True")}, 9)}}}));
  EXPECT_EQ(get(server, {"uk", "-n", "shop", "-o", "name"}).out, "unikernel.rookery.dev/b\n");
  EXPECT_THAT(server.targets(), ElementsAre(HasSubstr("limit=500"), HasSubstr("continue=more"), unikernels));
}

TEST(Get, WatchGoesOnWhereItEnded) {
  const std::string changed = event("MODIFIED", unikernel("web", 7, "False"));
  const ScriptedServer server(
      inTurn({{200, {listing({unikernel("web", 3, "True")}, 5)}},
              {200, {changed.substr(0, 20), changed.substr(20) + event("ADDED", unikernel("a", 8, "True"))}},
              {200, {event("BOOKMARK", {{"metadata", {{"resourceVersion", "12"}}}})}}}));
  const Invocation outcome = get(server, {"uk", "-n", "shop", "-w"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "Error from server (Forbidden): enough\n");
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) rows.push_back(words(line));
  EXPECT_THAT(rows, ElementsAre(ElementsAre("NAME", "INSTANCE", "READY", "REASON", "RESTARTS", "AGE"),
                                ElementsAre("web", "<none>", "True", "Running", "<none>", "<none>"),
                                ElementsAre("web", "<none>", "False", "Running", "<none>", "<none>"),
                                ElementsAre("a", "<none>", "True", "Running", "<none>", "<none>")));
  const std::string watch = std::string(unikernels) + "?watch=true&allowWatchBookmarks=true&resourceVersion=";
  EXPECT_THAT(server.targets(),
              ElementsAre(std::string(unikernels) + "?limit=500", watch + "5", watch + "8", watch + "12"));
}

TEST(Get, WatchListsAgainWhenItsVersionIsGone) {
  const std::string gone = event("ERROR", {{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}});
  const json same = unikernel("same", 1, "True");
  const ScriptedServer server(
      inTurn({{200, {listing({same, unikernel("web", 2, "True")}, 5)}},
              {200, {gone}},
              {200, {listing({same, unikernel("web", 20, "False"), unikernel("new", 21, "True")}, 30)}},
              {200, {event("DELETED", unikernel("new", 31, "True"))}},
              {410, {"{}"}},
              {200, {listing({same}, 40)}}}));
  const Invocation outcome = get(server, {"uk", "-n", "shop", "-w", "-o", "name"});
  EXPECT_EQ(outcome.out,
            "unikernel.rookery.dev/same\nunikernel.rookery.dev/web\n"
            "unikernel.rookery.dev/web\nunikernel.rookery.dev/new\n"
            "unikernel.rookery.dev/new\n");
  EXPECT_THAT(server.targets().at(3), HasSubstr("resourceVersion=30"));
  EXPECT_THAT(server.targets().at(6), HasSubstr("resourceVersion=40"));
}

TEST(Get, WatchOfOneObjectPrintsEachVersion) {
  const auto script = inTurn({{200, {unikernel("web", 3, "True").dump()}},
                              {200, {event("MODIFIED", unikernel("web", 4, "False"))}}});
  const ScriptedServer yaml(script);
  const Invocation outcome = get(yaml, {"uk", "web", "-n", "shop", "-w", "-o", "yaml"});
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("resourceVersion: \"3\""),
                                 HasSubstr("\n---\napiVersion: rookery.dev/v1alpha1\n"),
                                 HasSubstr("resourceVersion: \"4\"")));
  EXPECT_THAT(
      yaml.targets().at(1),
      HasSubstr("?fieldSelector=metadata.name%3Dweb&watch=true&allowWatchBookmarks=true&resourceVersion=3"));
  const ScriptedServer server(script);
  const std::string documents = get(server, {"uk", "web", "-n", "shop", "-w", "-o", "json"}).out;
  EXPECT_THAT(documents, HasSubstr("\n}\n{\n"));
}

TEST(Get, WatchErrorsAreTheServers) {
  const std::pair<std::string, std::string> cases[] = {
      {event("ERROR", {{"kind", "Status"}, {"code", 500}, {"message", "It broke."}}),
       "Error from server: It broke.\n"},
      {"no json\n", "error: What answers at"},
      {"{}\n", "error: What answers at"}};
  for (const auto& [answer, message] : cases) {
    const ScriptedServer server(inTurn({{200, {listing({}, 5)}}, {200, {answer}}}));
    const Invocation outcome = get(server, {"uk", "-n", "shop", "-w"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::StartsWith(message));
  }
}

TEST(Get, EventsHaveTheColumnsOfKubectl) {
  const json happened = {{"kind", "Event"},
                         {"metadata", {{"name", "web.1"}, {"namespace", "shop"}}},
                         {"involvedObject", {{"kind", "Unikernel"}, {"name", "web"}}},
                         {"type", "Warning"},
                         {"reason", "ImageNotFound"},
                         {"message", "There is none."},
                         {"lastTimestamp", "2001-01-01T00:00:00Z"}};
  for (const char* kind : {"events", "ev", "Event"}) {
    const ScriptedServer server(inTurn({{200, {listing({happened}, 5)}}}));
    const Invocation outcome = get(server, {kind, "-n", "shop", "--field-selector", "type=Warning"});
    EXPECT_THAT(outcome.out,
                testing::MatchesRegex("LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n"
                                      "[0-9y]+d? +Warning +ImageNotFound +unikernel/web +There is none.\n"));
    EXPECT_THAT(server.targets(),
                ElementsAre("/api/v1/namespaces/shop/events?fieldSelector=type%3DWarning&limit=500"));
  }
}

TEST(Get, SecretsComeWithoutTheirValues) {
  const json secret = {
      {"kind", "Secret"},
      {"type", "Opaque"},
      {"metadata",
       {{"name", "db"},
        {"namespace", "shop"},
        {"annotations", {{"kubectl.kubernetes.io/last-applied-configuration", "aHVudGVy"}}}}},
      {"data", {{"password", "aHVudGVy"}}},
      {"stringData", {{"other", "aHVudGVy"}}}};
  for (const char* output : {"table", "wide", "json", "yaml", "name"}) {
    const ScriptedServer server(inTurn({{200, {listing({secret}, 5)}}}));
    const Invocation outcome = get(server, {"secrets", "-n", "shop", "-o", output});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("db"), Not(HasSubstr("aHVudGVy")))) << output;
  }
}

TEST(Get, ANameAndASelectorExcludeEachOther) {
  for (const char* option : {"-l", "--field-selector"}) {
    const Invocation outcome = invoke({"get", "uk", "web", option, "a=b"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.err, HasSubstr("by its name or by a selector"));
  }
}

}  // namespace
}  // namespace rookery::cli
