#include "kubernetes/cluster_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/annotations.h"
#include "api/status.h"
#include "fixtures/temp_dir.h"
#include "state/state_dir.h"
#include "unit/kubernetes/scripted_api.h"

namespace rookery::kubernetes {
namespace {

using nlohmann::json;
using plan::Entry;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Ne;
using testing::Pair;
using testing::ResultOf;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// Keeps objects by path and changes them as an API server does: by merge patches of the version that they
/// have, and an object that is being deleted goes with its last finalizer.
class ObjectServer {
 public:
  explicit ObjectServer(asio::io_context& context)
      : api_(context, [this](const ScriptedApi::Request& request) -> asio::awaitable<ScriptedApi::Answer> {
          co_return answer(request);
        }) {}

  Config config() const { return api_.config(); }
  void touch(json& object) { object["metadata"]["resourceVersion"] = std::to_string(++version_); }

  std::map<std::string, json> objects;                // by path
  std::function<void(json& object)> patching = {};    // before each patch is looked at
  std::function<ScriptedApi::Answer()> listing = {};  // in place of a list of all Unikernels
  int patches = 0;

 private:
  ScriptedApi::Answer answer(const ScriptedApi::Request& request) {
    if (request.target.starts_with("/apis/rookery.dev/v1alpha1/unikernels?")) return list();
    const auto found = objects.find(request.target);
    if (found == objects.end()) return {404, {}};
    json& object = found->second;
    if (request.method == "GET") return {200, object};
    ++patches;
    if (patching) patching(object);
    if (request.body["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"])
      return {409, {}};
    object.merge_patch(request.body);
    touch(object);
    const json now = object;
    const bool held = !now["metadata"].value("finalizers", json::array()).empty();
    if (now["metadata"].contains("deletionTimestamp") && !held) objects.erase(found);
    return {200, now};
  }

  ScriptedApi::Answer list() const {
    if (listing) return listing();
    json items = json::array();
    for (const auto& [path, object] : objects) {
      if (path.find("/unikernels/") != std::string::npos) items.push_back(object);
    }
    return {200, {{"metadata", {{"resourceVersion", "1"}}}, {"items", items}}};
  }

  ScriptedApi api_;
  int version_ = 0;
};

const api::ObjectKey webKey{api::Kind::Unikernel, "shop", "web"};
const std::string webPath = "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/web";
const std::string instancePath = "/apis/rookery.dev/v1alpha1/albatrossinstances/eu-1";

/// A cluster with instance eu-1 and Unikernel shop/web, and a state folder for what is not the cluster's.
class ClusterStateTest : public testing::Test {
 protected:
  ClusterStateTest() {
    add(api::Kind::AlbatrossInstance, instancePath, {{"name", "eu-1"}, {"uid", "u-1"}});
    add(api::Kind::Unikernel, webPath, {{"name", "web"}, {"namespace", "shop"}, {"uid", "u-2"}});
  }
  ~ClusterStateTest() override { client_.close(); }

  void add(api::Kind kind, const std::string& path, const json& metadata) {
    server_.objects[path] = {{"metadata", metadata}};
    change(kind, path, [](json&) {});
  }
  /// Somebody else changes an object, and the watch tells of it.
  void change(api::Kind kind, const std::string& path, const std::function<void(json& metadata)>& edit) {
    json& object = server_.objects.at(path);
    edit(object["metadata"]);
    server_.touch(object);
    cache_.apply(kind, object);
  }
  static void beDeleted(json& metadata) { metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"; }
  static void beReleased(json& metadata) {
    metadata["annotations"][std::string(api::releaseAnnotation)] = "true";
  }

  static Entry entry(const std::string& root = std::string(clusterRoot)) {
    Entry entry;
    entry.serverKey = "key";
    entry.name = *albatross::Name::parse("shop:web");
    entry.instance = "eu-1";
    entry.object = webKey;
    entry.root = root;
    return entry;
  }

  Result<void> run(asio::awaitable<Result<void>> work) {
    std::optional<Result<void>> result;
    asio::co_spawn(context_, std::move(work), [&](const std::exception_ptr& failure, Result<void> value) {
      EXPECT_FALSE(failure);
      result = std::move(value);
    });
    EXPECT_TRUE(runUntil(context_, [&] { return result.has_value(); }));
    return result.value_or(Result<void>{});
  }
  bool letGoUntil(const std::function<bool()>& done) { return workUntil(state_.letGo(), done); }
  bool recordDeferredUntil(const std::function<bool()>& done) {
    return workUntil(state_.recordDeferred(), done);
  }
  /// Lets a coroutine that does not end by itself work until `done`.
  bool workUntil(asio::awaitable<void> work, const std::function<bool()>& done) {
    asio::cancellation_signal cancel;
    bool ended = false;
    asio::co_spawn(context_, std::move(work),
                   asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& failure) {
                     EXPECT_FALSE(failure);
                     ended = true;
                   }));
    const bool happened = runUntil(context_, done);
    cancel.emit(asio::cancellation_type::terminal);
    EXPECT_TRUE(runUntil(context_, [&] { return ended; }));
    return happened;
  }
  json finalizers(const std::string& path) const {
    const auto found = server_.objects.find(path);
    return found == server_.objects.end() ? json("gone")
                                          : found->second["metadata"].value("finalizers", json::array());
  }
  bool gone(const std::string& path) const { return !server_.objects.contains(path); }

  fixtures::TempDir folder_;
  asio::io_context context_;
  ObjectServer server_{context_};
  Client client_{server_.config(), {}};
  ObjectCache cache_{"/images", [] {}};
  std::unique_ptr<state::StateDir> files_ = *state::StateDir::open(folder_.path() / "state");
  bool leads_ = true;
  std::vector<std::string> warnings_;
  ClusterState state_{client_,
                      cache_,
                      *files_,
                      [this](const std::string&) { return leads_; },
                      {.namespaces = {"shop"},
                       .warn = [this](const std::string& message) { warnings_.push_back(message); },
                       .questionInterval = std::chrono::milliseconds(0),
                       .soon = std::chrono::milliseconds(20)}};
};

const json unikernelHeld = {api::finalizerOf(api::Kind::Unikernel)};
const json instanceHeld = {api::finalizerOf(api::Kind::AlbatrossInstance)};

TEST_F(ClusterStateTest, HoldsTheInstanceBeforeSomethingIsRecordedOfIt) {
  server_.patching = [&](const json& object) {
    if (object["metadata"]["name"] != "web") return;
    EXPECT_EQ(finalizers(instancePath), instanceHeld);
  };
  ASSERT_TRUE(run(state_.record(entry())));
  EXPECT_EQ(finalizers(webPath), unikernelHeld);
  EXPECT_EQ(server_.patches, 2);
  EXPECT_THAT(cache_.entries(), SizeIs(1));

  Entry next = entry();
  next.confirmed = true;
  ASSERT_TRUE(run(state_.record(next)));
  EXPECT_EQ(server_.patches, 3) << "it has the finalizer already";
}

/// A command is about to be sent, and what its answer said is to be recorded soon.
class Deferred : public ClusterStateTest {
 protected:
  Deferred() {
    Entry pending = entry();
    pending.pending.emplace();
    EXPECT_TRUE(run(state_.record(pending)));
    answered_.ranSpec = "answered";
    before_ = server_.patches;
    EXPECT_TRUE(run(state_.recordSoon(answered_)));
  }
  void letItBecomeDue() {
    bool over = false;
    asio::steady_timer timer(context_, std::chrono::milliseconds(100));
    timer.async_wait([&](boost::system::error_code) { over = true; });
    EXPECT_TRUE(recordDeferredUntil([&] { return over; }));
  }
  /// The text that an object keeps of it.
  static auto saysWhat(const Entry& entry) {
    return ResultOf([](const Entry& each) { return toAnnotation({each}); }, toAnnotation({entry}));
  }

  Entry answered_ = entry();
  int before_ = 0;
};

TEST_F(Deferred, IsSeenAtOnceAndWrittenLater) {
  EXPECT_THAT(state_.entries(), ElementsAre(answered_));
  EXPECT_THAT(state_.inventoryOf("key"), ElementsAre(Pair(answered_.name, answered_)));
  EXPECT_EQ(server_.patches, before_);
  EXPECT_TRUE(recordDeferredUntil([&] { return !cache_.entries().front().pending; }));
  EXPECT_EQ(server_.patches, before_ + 1);
  EXPECT_THAT(cache_.entries(), ElementsAre(saysWhat(answered_)));
}

TEST_F(Deferred, RidesWithWhatIsRecordedMeanwhile) {
  Entry seen = answered_;
  seen.confirmed = true;
  ASSERT_TRUE(run(state_.record(seen)));
  EXPECT_EQ(server_.patches, before_ + 1);
  const std::string other = "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/other";
  add(api::Kind::Unikernel, other, {{"name", "other"}, {"namespace", "shop"}, {"uid", "u-3"}});
  Entry last = entry();
  last.object.name = "other";
  last.name = *albatross::Name::parse("shop:other");
  ASSERT_TRUE(run(state_.record(last)));
  last.confirmed = true;
  ASSERT_TRUE(run(state_.recordSoon(last)));
  EXPECT_TRUE(recordDeferredUntil([&] { return std::ranges::all_of(cache_.entries(), &Entry::confirmed); }));
  EXPECT_EQ(server_.patches, before_ + 3);
  EXPECT_THAT(cache_.entries(), UnorderedElementsAre(saysWhat(seen), saysWhat(last)))
      << "it is not written again";
}

TEST_F(Deferred, IsWrittenWhenTheServerTakesItAgain) {
  int failures = 0;
  server_.patching = [&](json& object) {
    if (++failures <= 6) server_.touch(object);  // five attempts each
  };
  EXPECT_TRUE(recordDeferredUntil([&] { return !cache_.entries().front().pending; }));
}

TEST_F(Deferred, IsForgottenWithTheLease) {
  leads_ = false;
  EXPECT_THAT(state_.entries(), ElementsAre(Field(&Entry::pending, Ne(std::nullopt))))
      << "the other one says what counts";
  letItBecomeDue();
  leads_ = true;
  EXPECT_EQ(server_.patches, before_);
  EXPECT_THAT(state_.entries(), ElementsAre(Field(&Entry::pending, Ne(std::nullopt))));
}

TEST_F(Deferred, GoesWithItsObject) {
  cache_.remove(webKey);
  EXPECT_THAT(state_.entries(), IsEmpty());
  add(api::Kind::Unikernel, webPath, {{"name", "web"}, {"namespace", "shop"}, {"uid", "u-9"}});
  letItBecomeDue();
  EXPECT_EQ(server_.patches, before_) << "another object of its name";
}

TEST_F(ClusterStateTest, LetsAnInstanceGoOnceNothingIsLeftThere) {
  ASSERT_TRUE(run(state_.record(entry())));
  change(api::Kind::AlbatrossInstance, instancePath, beDeleted);
  change(api::Kind::Unikernel, webPath, beDeleted);
  const std::string unused = "/apis/rookery.dev/v1alpha1/albatrossinstances/us-1";
  add(api::Kind::AlbatrossInstance, unused, {{"name", "us-1"}, {"uid", "u-3"}, {"finalizers", instanceHeld}});
  change(api::Kind::AlbatrossInstance, unused, beDeleted);
  EXPECT_TRUE(letGoUntil([&] { return gone(unused); }));
  EXPECT_EQ(finalizers(instancePath), instanceHeld);

  Entry destroyed = entry();
  destroyed.destroyedAt = api::SystemTime(std::chrono::hours(1));
  ASSERT_TRUE(run(state_.record(destroyed)));
  EXPECT_TRUE(gone(webPath));
  EXPECT_TRUE(letGoUntil([&] { return gone(instancePath); })) << "a tombstone holds nothing";
}

TEST_F(ClusterStateTest, LetsAnInstanceGoThatSomebodyReleases) {
  ASSERT_TRUE(run(state_.record(entry())));
  change(api::Kind::AlbatrossInstance, instancePath, beDeleted);
  change(api::Kind::AlbatrossInstance, instancePath, beReleased);
  EXPECT_TRUE(letGoUntil([&] { return gone(instancePath); }));
  EXPECT_EQ(finalizers(webPath), unikernelHeld) << "what ran there is another matter";
}

/// Something that is recorded of another namespace, which is not followed here.
class InstanceOfOthers : public ClusterStateTest {
 protected:
  InstanceOfOthers() {
    const json inventory = {{std::string(inventoryAnnotation), toAnnotation({elsewhere()})}};
    server_.objects[dbPath] = {
        {"metadata", {{"name", "db"}, {"namespace", "db"}, {"uid", "u-3"}, {"annotations", inventory}}}};
    change(api::Kind::AlbatrossInstance, instancePath, [](json& metadata) {
      beDeleted(metadata);
      metadata["finalizers"] = {api::finalizerOf(api::Kind::AlbatrossInstance)};
    });
  }
  static Entry elsewhere() {
    Entry other = entry();
    other.name = *albatross::Name::parse("db:db");
    other.object = {api::Kind::Unikernel, "db", "db"};
    return other;
  }
  static ScriptedApi::Answer forbidden() {
    return {403, {{"message", "User \"rookery\" cannot list resource \"unikernels\" at the cluster scope"}}};
  }
  static inline const std::string dbPath = "/apis/rookery.dev/v1alpha1/namespaces/db/unikernels/db";
};

TEST_F(InstanceOfOthers, HoldsItAsLongAsSomethingOfThemIsLeft) {
  int lists = 0;
  server_.listing = [&]() -> ScriptedApi::Answer {
    ++lists;
    return {200, {{"items", {server_.objects.at(dbPath)}}}};
  };
  EXPECT_TRUE(letGoUntil([&] { return state_.whyKept("eu-1").has_value(); }));
  EXPECT_GE(lists, 1);
  EXPECT_EQ(finalizers(instancePath), instanceHeld);
  EXPECT_THAT(*state_.whyKept("eu-1"), testing::AllOf(HasSubstr("AlbatrossInstance eu-1 is being deleted"),
                                                      HasSubstr("there are still db/db."),
                                                      HasSubstr("rookery.dev/release: \"true\"")));
}

TEST_F(InstanceOfOthers, LetsItGoWhenNothingOfThemIsLeft) {
  server_.objects.erase(dbPath);
  EXPECT_TRUE(letGoUntil([&] { return gone(instancePath); }));
}

TEST_F(InstanceOfOthers, HoldsItWhereItCannotBeKnownAndSaysSo) {
  server_.listing = forbidden;
  state_.noteRunning("eu-1", {"shop"});  // before it was deleted
  EXPECT_TRUE(letGoUntil([&] { return !warnings_.empty(); }));
  EXPECT_EQ(finalizers(instancePath), instanceHeld);
  EXPECT_THAT(warnings_, ElementsAre(testing::AllOf(HasSubstr("AlbatrossInstance eu-1 is being deleted"),
                                                    HasSubstr("cannot list resource"),
                                                    HasSubstr("rookery.dev/release"))));
  EXPECT_EQ(state_.whyKept("eu-1"), warnings_.front());
}

TEST_F(InstanceOfOthers, GoesOnTheServersWordWhereTheyCannotBeListed) {
  server_.listing = forbidden;
  EXPECT_TRUE(letGoUntil([&] { return state_.whyKept("eu-1").has_value(); }));
  state_.noteRunning("eu-1", {"shop", "db"});
  EXPECT_TRUE(
      letGoUntil([&] { return state_.whyKept("eu-1")->find("runs there in db.") != std::string::npos; }));
  EXPECT_EQ(finalizers(instancePath), instanceHeld);

  state_.noteRunning("eu-1", {"shop"});
  EXPECT_TRUE(letGoUntil([&] { return gone(instancePath); }));
  EXPECT_THAT(warnings_, SizeIs(1));
}

TEST_F(InstanceOfOthers, StaysWhateverTheServerShowsWhereTheyCannotBeListedForNow) {
  int lists = 0;
  server_.listing = [&]() -> ScriptedApi::Answer {
    ++lists;
    state_.noteRunning("eu-1", {"shop"});
    return {500, {{"message", "etcd is away"}}};
  };
  EXPECT_TRUE(letGoUntil([&] { return lists > 1; }));
  EXPECT_EQ(finalizers(instancePath), instanceHeld);
}

TEST_F(InstanceOfOthers, NoLookBeforeItsOwnDeletionCountsForOneOfTheSameName) {
  server_.listing = forbidden;
  EXPECT_TRUE(letGoUntil([&] { return state_.whyKept("eu-1").has_value(); }));
  change(api::Kind::AlbatrossInstance, instancePath,
         [](json& metadata) { metadata.erase("deletionTimestamp"); });
  EXPECT_TRUE(letGoUntil([&] { return !state_.whyKept("eu-1"); })) << "another one, as it were";
  state_.noteRunning("eu-1", {"shop"});
  change(api::Kind::AlbatrossInstance, instancePath, beDeleted);
  EXPECT_TRUE(letGoUntil([&] { return state_.whyKept("eu-1").has_value() || gone(instancePath); }));
  EXPECT_EQ(finalizers(instancePath), instanceHeld);
}

TEST_F(ClusterStateTest, TellsWhatThatNobodyDeletesKeepsAnInstance) {
  ASSERT_TRUE(run(state_.record(entry())));
  EXPECT_FALSE(state_.whyKept("eu-1"));
  change(api::Kind::AlbatrossInstance, instancePath, beDeleted);
  EXPECT_TRUE(letGoUntil([&] { return state_.whyKept("eu-1").has_value(); }));
  EXPECT_THAT(*state_.whyKept("eu-1"), HasSubstr("there are still shop/web, which nobody has deleted."));
  change(api::Kind::Unikernel, webPath, beDeleted);
  EXPECT_TRUE(letGoUntil([&] { return !state_.whyKept("eu-1"); })) << "it goes by itself";
}

TEST_F(ClusterStateTest, HoldsInstancesOfWhatWasRecordedBefore) {
  change(api::Kind::Unikernel, webPath, [](json& metadata) {
    metadata["annotations"][std::string(inventoryAnnotation)] = toAnnotation({entry()});
    metadata["finalizers"] = unikernelHeld;
  });
  EXPECT_TRUE(letGoUntil([&] { return finalizers(instancePath) == instanceHeld; }));
}

TEST_F(ClusterStateTest, RecordsOnAnInstanceThatIsBeingDeletedWithoutItsFinalizer) {
  change(api::Kind::AlbatrossInstance, instancePath, [](json& metadata) {
    beDeleted(metadata);
    metadata["finalizers"] = {"example.org/other"};
  });
  ASSERT_TRUE(run(state_.record(entry())));
  EXPECT_EQ(finalizers(instancePath), json({"example.org/other"})) << "none can be added";
}

TEST_F(ClusterStateTest, DropsWhatAFolderDeclaresNow) {
  ASSERT_TRUE(run(state_.record(entry())));
  change(api::Kind::Unikernel, webPath, beDeleted);
  ASSERT_TRUE(run(state_.record(entry("/manifests"))));
  EXPECT_TRUE(gone(webPath));
  EXPECT_THAT(files_->entries(), ElementsAre(entry("/manifests")));
  const int patches = server_.patches;
  ASSERT_TRUE(run(state_.record(entry("/manifests"))));
  EXPECT_EQ(server_.patches, patches);
}

/// An entry as it is before a destroy is sent.
Entry aboutToBeDestroyed(Entry entry) {
  entry.pending = plan::Pending{.verb = plan::Verb::Destroy,
                                .committed = true,
                                .since = api::SystemTime(std::chrono::hours(1)),
                                .digest = "",
                                .started = {},
                                .image = ""};
  return entry;
}

TEST_F(ClusterStateTest, DestroysNothingThatWasReleasedAtTheLastMoment) {
  const std::map<std::string, std::function<void(json & object)>> releases = {
      {"the annotation", [](json& object) { beReleased(object["metadata"]); }},
      {"prune: false", [](json& object) { object["spec"]["prune"] = false; }},
      {"suspend: true", [](json& object) { object["spec"]["suspend"] = true; }}};
  for (const auto& [name, release] : releases) {
    SCOPED_TRACE(name);
    add(api::Kind::Unikernel, webPath, {{"name", "web"}, {"namespace", "shop"}, {"uid", "u-2"}});
    ASSERT_TRUE(run(state_.record(entry())));
    change(api::Kind::Unikernel, webPath, beDeleted);
    server_.patching = [&](json& object) {
      release(object);  // the watch has not told of it yet
      server_.touch(object);
      server_.patching = {};
    };
    const Result<void> recorded = run(state_.record(aboutToBeDestroyed(entry())));
    ASSERT_FALSE(recorded);
    EXPECT_THAT(recorded.error().message, HasSubstr("was released"));
    EXPECT_TRUE(letGoUntil([&] { return gone(webPath); }));
  }
}

TEST_F(ClusterStateTest, DestroysWhatMovesHoweverItsDeletionWouldGo) {
  change(api::Kind::Unikernel, webPath, beReleased);
  EXPECT_TRUE(run(state_.record(aboutToBeDestroyed(entry()))));
}

TEST_F(ClusterStateTest, LetsAnObjectGoWhoseClaimIsAnothersForCertain) {
  Entry forged = entry();
  forged.object = {api::Kind::Unikernel, "db", "web"};
  const std::string path = "/apis/rookery.dev/v1alpha1/namespaces/db/unikernels/web";
  add(api::Kind::Unikernel, path,
      {{"name", "web"},
       {"namespace", "db"},
       {"uid", "u-4"},
       {"deletionTimestamp", "2026-01-01T00:00:00Z"},
       {"finalizers", unikernelHeld},
       {"annotations", {{std::string(inventoryAnnotation), toAnnotation({forged})}}}});
  ASSERT_TRUE(run(state_.record(entry())));
  EXPECT_TRUE(letGoUntil([&] { return gone(path); }));
  EXPECT_THAT(state_.inventoryOf("key"), SizeIs(1)) << "and nothing changes for the other";
  EXPECT_EQ(state_.inventoryOf("key").begin()->second.object, webKey);
}

TEST_F(ClusterStateTest, KeepsAsManyTombstonesAsHaveRoom) {
  const auto tombstones = [&] {
    return entriesIn(server_.objects.at(instancePath)["metadata"]["annotations"].value(
        std::string(tombstonesAnnotation), "[]"));
  };
  const auto bury = [&](int number) {
    Entry entry = this->entry();
    entry.name = *albatross::Name::parse("shop:web-" + std::to_string(number));
    entry.object.name = "web-" + std::to_string(number);
    entry.digests = std::vector<std::string>(Entry::maxDigests, std::string(32, 'd'));
    entry.destroyedAt = api::SystemTime(std::chrono::hours(1));
    return run(state_.record(entry));
  };
  for (int i = 0; i < 120; ++i) ASSERT_TRUE(bury(i));
  EXPECT_LE(toAnnotation(tombstones()).size(), std::size_t{64} << 10);
  EXPECT_GE(tombstones().size(), 60u);
  EXPECT_EQ(tombstones().back().name.label, "web-119") << "the newest stay";
  change(api::Kind::AlbatrossInstance, instancePath, [](json& metadata) {
    metadata["annotations"]["example.org/other"] = std::string((std::size_t{256} << 10) - 10'000, 'x');
  });
  ASSERT_TRUE(bury(120));
  EXPECT_LE(toAnnotation(tombstones()).size(), 10'000u);
  EXPECT_EQ(tombstones().back().name.label, "web-120");
  change(api::Kind::AlbatrossInstance, instancePath, [](json& metadata) {
    metadata["annotations"]["example.org/other"] = std::string(std::size_t{256} << 10, 'x');
  });
  EXPECT_TRUE(bury(121)) << "what has no room keeps nothing from being destroyed";
}

TEST_F(ClusterStateTest, WritesNothingOnceTheLeaseIsLost) {
  ASSERT_TRUE(run(state_.record(entry())));
  const int before = server_.patches;
  leads_ = false;
  for (const auto& change : {&ClusterState::record, &ClusterState::discard}) {
    const Result<void> written = run((state_.*change)(entry()));
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error().message, HasSubstr("another controller has taken over"));
  }
  EXPECT_EQ(server_.patches, before);
}

TEST_F(ClusterStateTest, DoesNotTryAgainOnceTheLeaseIsLost) {
  ASSERT_TRUE(run(state_.record(entry())));
  const int before = server_.patches;
  server_.patching = [&](json& object) {
    server_.touch(object);  // the other one has written meanwhile
    leads_ = false;
  };
  EXPECT_FALSE(run(state_.discard(entry())));
  EXPECT_EQ(server_.patches, before + 1);
  EXPECT_EQ(finalizers(webPath), unikernelHeld);
}

}  // namespace
}  // namespace rookery::kubernetes
