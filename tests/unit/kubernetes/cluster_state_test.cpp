#include "kubernetes/cluster_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/status.h"
#include "fixtures/temp_dir.h"
#include "reconcile/state_dir.h"
#include "unit/kubernetes/scripted_api.h"

namespace rookery::kubernetes {
namespace {

using nlohmann::json;
using reconcile::Entry;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

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

  std::map<std::string, json> objects;              // by path
  std::function<void(json& object)> patching = {};  // before each patch is looked at
  int patches = 0;

 private:
  ScriptedApi::Answer answer(const ScriptedApi::Request& request) {
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
  static void beReleased(json& metadata) { metadata["annotations"][std::string(releaseAnnotation)] = "true"; }

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
  /// Lets letGo() work until `done`.
  bool letGoUntil(const std::function<bool()>& done) {
    asio::cancellation_signal cancel;
    bool ended = false;
    asio::co_spawn(context_, state_.letGo(),
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
  std::unique_ptr<reconcile::StateDir> files_ = *reconcile::StateDir::open(folder_.path() / "state");
  bool leads_ = true;
  ClusterState state_{client_, cache_, *files_, [this](const std::string&) { return leads_; }};
};

const json unikernelHeld = {api::finalizer};
const json instanceHeld = {api::instanceFinalizer};

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
