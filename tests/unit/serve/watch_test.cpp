#include "serve/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/list.h"
#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto tableType = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// The unikernels of a store, listed and watched as a client would.
class Reading : public testing::Test {
 protected:
  void put(const std::string& name, const std::map<std::string, std::string>& labels = {},
           bool ready = true) {
    const auto view = unikernelView("shop", name, ready, Reason::Running, "It runs.");
    auto object = std::make_shared<api::Object>(*view->object);
    object->metadata.labels = labels;
    auto changed = std::make_shared<reconcile::ObjectView>(*view);
    changed->object = object;
    publish(store_, changed);
  }

  ListOptions options(const std::map<std::string, std::string>& query) const {
    auto parsed = parseListOptions(query, resource_->type());
    EXPECT_TRUE(parsed) << parsed.error().body;
    return parsed ? *parsed : ListOptions{};
  }
  Representation form(Content content, const std::string& accept = "") const {
    Request request;
    request.accept = accept;
    return *Representation::of(request, {}, content, resource_->type());
  }

  http::Response listed(const std::map<std::string, std::string>& query,
                        const std::string& accept = "") const {
    return list(*resource_, "shop", options(query), form(Content::List, accept));
  }
  json listing(const std::map<std::string, std::string>& query, const std::string& accept = "") const {
    const http::Response response = listed(query, accept);
    std::string text = response.body;
    if (response.next) {
      while (const auto piece = response.next()) text += *piece;
    }
    return json::parse(text);
  }
  static std::vector<std::string> names(const json& list) {
    std::vector<std::string> all;
    for (const json& item : list["items"]) all.push_back(item["metadata"]["name"]);
    return all;
  }

  void startWatch(std::map<std::string, std::string> query, const std::string& accept = "") {
    query.emplace("timeoutSeconds", "20");
    watch_ = watch(*resource_, "shop", options(query), form(Content::Watch, accept));
    EXPECT_TRUE(watch_.longRunning);
  }
  /// The next events, as they come in one piece.
  std::vector<json> events() {
    std::vector<json> all;
    const auto piece = watch_.next();
    std::istringstream lines(piece.value_or(""));
    for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
    return all;
  }
  static std::vector<std::string> told(const std::vector<json>& events) {
    std::vector<std::string> all;
    for (const json& event : events)
      all.push_back(event["type"].get<std::string>() + " " + event["object"]["metadata"].value("name", ""));
    return all;
  }
  std::string version() const { return std::to_string(store_.resourceVersion()); }

  reconcile::ObjectStore store_;
  std::unique_ptr<Resource> resource_ = objectResource(store_, api::Kind::Unikernel);
  http::Response watch_;
};

TEST_F(Reading, ListsWithSelectors) {
  put("web", {{"app", "web"}});
  put("api", {{"app", "api"}});
  const json all = listing({});
  EXPECT_EQ(all["kind"], "UnikernelList");
  EXPECT_EQ(all["metadata"]["resourceVersion"], version());
  EXPECT_THAT(names(all), ElementsAre("api", "web"));
  EXPECT_THAT(names(listing({{"labelSelector", "app in (web)"}})), ElementsAre("web"));
  EXPECT_THAT(names(listing({{"fieldSelector", "metadata.name=api"}})), ElementsAre("api"));
  EXPECT_THAT(names(listing({{"labelSelector", "none"}})), IsEmpty());
}

TEST_F(Reading, CutsListsAtTheirLimit) {
  for (const char* name : {"a", "b", "c", "d", "e"}) put(name);
  const json first = listing({{"limit", "2"}});
  EXPECT_THAT(names(first), ElementsAre("a", "b"));
  EXPECT_EQ(first["metadata"]["remainingItemCount"], 3);
  put("bb");  // later parts show it, and a watch from the first part's version tells of it, too
  const json second = listing({{"limit", "2"}, {"continue", first["metadata"]["continue"]}});
  EXPECT_THAT(names(second), ElementsAre("bb", "c"));
  EXPECT_EQ(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
  const json last = listing({{"limit", "9"}, {"continue", second["metadata"]["continue"]}});
  EXPECT_THAT(names(last), ElementsAre("d", "e"));
  EXPECT_FALSE(last["metadata"].contains("continue"));
}

TEST_F(Reading, MakesTables) {
  put("web");
  const json table = listing({}, tableType);
  EXPECT_EQ(table["kind"], "Table");
  EXPECT_EQ(table["columnDefinitions"][0]["name"], "Name");
  EXPECT_EQ(table["rows"][0]["cells"][0], "web");
  EXPECT_EQ(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

TEST_F(Reading, RefusesVersionsThatItDoesNotHave) {
  put("web");
  const auto later = std::to_string(store_.resourceVersion() + 1);
  EXPECT_EQ(listed({{"resourceVersion", later}}).status, 504);
  EXPECT_EQ(listed({{"resourceVersion", "1"}, {"resourceVersionMatch", "Exact"}}).status, 410);
  EXPECT_EQ(listed({{"resourceVersion", "1"}}).status, 200) << "not older than that";
  EXPECT_EQ(listed({{"continue", toToken({1, {"shop", "a"}})}}).status, 410);
}

TEST_F(Reading, RefusesParametersThatItCannotRead) {
  const std::map<std::string, std::string> bad[] = {{{"limit", "-1"}},
                                                    {{"resourceVersion", "abc"}},
                                                    {{"watch", "maybe"}},
                                                    {{"continue", "xyz"}},
                                                    {{"continue", "5b5d"}},
                                                    {{"labelSelector", "a b"}},
                                                    {{"fieldSelector", "spec.image=x"}},
                                                    {{"timeoutSeconds", "soon"}}};
  for (const auto& query : bad) {
    const auto parsed = parseListOptions(query, resource_->type());
    ASSERT_FALSE(parsed) << query.begin()->first;
    EXPECT_EQ(parsed.error().status, 400) << query.begin()->first;
  }
}

TEST_F(Reading, WatchesFromAVersionOn) {
  put("web");
  startWatch({{"resourceVersion", version()}});
  put("api");
  put("web", {}, false);
  store_.remove({api::Kind::Unikernel, "shop", "api"});
  const auto seen = events();
  EXPECT_EQ(told(seen).front(), "ADDED api");
  EXPECT_EQ(told(seen).back(), "DELETED api");
  EXPECT_EQ(seen.back()["object"]["metadata"]["resourceVersion"], version());
  EXPECT_THAT(told(seen), testing::Contains("MODIFIED web"));
}

TEST_F(Reading, TellsManyChangesPieceByPiece) {
  startWatch({{"resourceVersion", version()}});
  constexpr std::size_t count = 500;
  std::vector<std::string> wanted;
  for (std::size_t i = 0; i < count; ++i) {
    put("web-" + std::to_string(i));
    wanted.push_back("ADDED web-" + std::to_string(i));
    wanted.push_back("MODIFIED web-" + std::to_string(i));
  }
  std::vector<std::string> seen;
  std::size_t pieces = 0;
  while (seen.size() < wanted.size()) {
    const auto piece = told(events());
    ASSERT_FALSE(piece.empty());
    seen.insert(seen.end(), piece.begin(), piece.end());
    ++pieces;
  }
  EXPECT_EQ(seen, wanted);
  EXPECT_GT(pieces, 1u);
}

TEST_F(Reading, WatchesFromTheStateAsItIs) {
  put("web");
  startWatch({});
  EXPECT_THAT(told(events()), ElementsAre("ADDED web"));
  put("api");
  EXPECT_THAT(told(events()), ElementsAre("ADDED api", "MODIFIED api"));
}

TEST_F(Reading, SelectorsMakeThingsComeAndGo) {
  put("web", {{"app", "web"}});
  startWatch({{"resourceVersion", version()}, {"labelSelector", "app=web"}});
  put("web", {{"app", "other"}});
  put("api", {{"app", "api"}});
  put("web", {{"app", "web"}});
  const auto seen = events();
  ASSERT_THAT(told(seen), ElementsAre("DELETED web", "ADDED web"));
  EXPECT_EQ(seen[0]["object"]["metadata"]["name"], "web");
}

TEST_F(Reading, AVersionThatIsTooOldIsAnErrorEvent) {
  put("web");
  startWatch({{"resourceVersion", "1"}});
  const auto seen = events();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0]["type"], "ERROR");
  EXPECT_EQ(seen[0]["object"]["code"], 410);
  EXPECT_EQ(seen[0]["object"]["reason"], "Expired");
  EXPECT_FALSE(watch_.next());
}

TEST_F(Reading, OnlyTheFirstTableOfAWatchHasTheColumns) {
  put("web");
  startWatch({}, tableType);
  const auto first = events();
  EXPECT_FALSE(first[0]["object"]["columnDefinitions"].is_null());
  put("api");
  const auto second = events();
  EXPECT_TRUE(second[0]["object"]["columnDefinitions"].is_null());
  EXPECT_EQ(second[0]["object"]["rows"][0]["cells"][0], "api");
}

TEST_F(Reading, InitialEventsEndWithABookmark) {
  put("web");
  startWatch({{"sendInitialEvents", "true"}, {"resourceVersionMatch", "NotOlderThan"}});
  EXPECT_THAT(told(events()), ElementsAre("ADDED web"));
  const auto seen = events();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0]["type"], "BOOKMARK");
  EXPECT_EQ(seen[0]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

TEST_F(Reading, EndsInTimeWithABookmark) {
  put("web");
  startWatch({{"resourceVersion", version()}, {"allowWatchBookmarks", "true"}, {"timeoutSeconds", "1"}});
  std::vector<json> last;
  while (const auto piece = watch_.next()) {
    if (!piece->empty()) last.push_back(json::parse(*piece));
  }
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_EQ(last[0]["type"], "BOOKMARK");
  EXPECT_EQ(last[0]["object"]["metadata"]["resourceVersion"], version());
}

TEST_F(Reading, WaitsForChangesWhereNoBookmarksAreWanted) {
  put("web");
  ListOptions quiet = options({{"resourceVersion", version()}, {"timeoutSeconds", "1"}});
  quiet.bookmarkPeriod = std::chrono::milliseconds(1);
  watch_ = watch(*resource_, "shop", quiet, form(Content::Watch, ""));
  int pieces = 0;
  while (watch_.next()) ++pieces;
  EXPECT_LT(pieces, 20) << "it turns in circles";
}

}  // namespace
}  // namespace rookery::serve
