#include "kubernetes/object_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rookery::kubernetes {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto unikernelKind = api::Kind::Unikernel;
const api::ObjectKey web{unikernelKind, "shop", "web"};

json unikernel(const std::string& version, const std::string& memory = "32Mi") {
  return {{"apiVersion", "rookery.dev/v1alpha1"},
          {"kind", "Unikernel"},
          {"metadata",
           {{"name", "web"},
            {"namespace", "shop"},
            {"uid", "u-1"},
            {"resourceVersion", version},
            {"generation", 1}}},
          {"spec", {{"instance", "eu-1"}, {"image", {{"path", "web.hvt"}}}, {"memory", memory}}}};
}

reconcile::Entry entry(const std::string& server) {
  reconcile::Entry entry;
  entry.serverKey = server;
  entry.name = *albatross::Name::parse("shop:web");
  entry.instance = "eu-1";
  entry.object = web;
  entry.digests = {std::string(32, 'd')};
  return entry;
}

class Cache : public testing::Test {
 protected:
  int changes_ = 0;
  ObjectCache cache_{"/images", [this] { ++changes_; }};
};

TEST_F(Cache, ReadsObjectsAsManifestsAreRead) {
  cache_.apply(unikernelKind, unikernel("7"));
  const auto cached = cache_.find(web);
  ASSERT_NE(cached, nullptr);
  ASSERT_NE(cached->object, nullptr);
  EXPECT_EQ(cached->object->as<api::Unikernel>().image.path, "/images/web.hvt")
      << "relative to the image root";
  EXPECT_EQ(cached->meta.uid, "u-1");
  EXPECT_EQ(changes_, 1);
}

TEST_F(Cache, SaysWhatIsWrongWithOneThatIsNotValid) {
  cache_.apply(unikernelKind, unikernel("7", "32"));
  const auto cached = cache_.find(web);
  ASSERT_NE(cached, nullptr);
  EXPECT_EQ(cached->object, nullptr);
  ASSERT_THAT(cached->problems, SizeIs(1));
  EXPECT_EQ(cached->problems[0].field, "spec.memory");
  EXPECT_EQ(cached->problems[0].origin.line, 0u) << "there are no lines";
}

TEST_F(Cache, RefusesCredentialsInFiles) {
  cache_.apply(
      api::Kind::AlbatrossInstance,
      {{"metadata", {{"name", "eu-1"}, {"uid", "u-2"}, {"resourceVersion", "1"}}},
       {"spec",
        {{"endpoint", "10.0.0.1:1025"},
         {"credentials", {{"files", {{"ca", "/a"}, {"certificate", "/b"}, {"privateKey", "/c"}}}}}}}});
  const auto cached = cache_.find({api::Kind::AlbatrossInstance, "", "eu-1"});
  ASSERT_NE(cached, nullptr);
  EXPECT_EQ(cached->object, nullptr);
  ASSERT_THAT(cached->problems, SizeIs(1));
  EXPECT_THAT(cached->problems[0].message, HasSubstr("put them into a Secret"));
}

TEST_F(Cache, AnOlderVersionChangesNothing) {
  cache_.apply(unikernelKind, unikernel("10", "64Mi"));
  cache_.apply(unikernelKind, unikernel("9"));
  EXPECT_EQ(cache_.find(web)->object->as<api::Unikernel>().memory, 64);
  json another = unikernel("3");
  another["metadata"]["uid"] = "u-9";
  cache_.apply(unikernelKind, another);
  EXPECT_EQ(cache_.find(web)->meta.uid, "u-9") << "it is another object";
}

TEST_F(Cache, OurOwnChangesAreNoNews) {
  cache_.apply(unikernelKind, unikernel("7"));
  json written = unikernel("8");
  written["status"] = {{"restarts", 0}};
  written["metadata"]["annotations"] = {{inventoryAnnotation, toAnnotation({entry("server")})}};
  written["metadata"]["finalizers"] = {"rookery.dev/unikernel"};
  cache_.applyOurs(unikernelKind, written);
  cache_.apply(unikernelKind, written);  // what the watch says of it
  EXPECT_EQ(changes_, 1);
  written["metadata"]["resourceVersion"] = "9";
  written["spec"]["memory"] = "64Mi";
  cache_.applyOurs(unikernelKind, written);
  EXPECT_EQ(changes_, 2) << "somebody else changed it before our own change";
}

TEST_F(Cache, KeepsTheInventoryOfEachServer) {
  json object = unikernel("7");
  object["metadata"]["annotations"] = {{inventoryAnnotation, toAnnotation({entry("one"), entry("two")})}};
  cache_.apply(unikernelKind, object);
  EXPECT_THAT(cache_.entries(), SizeIs(2));
  const auto inventory = cache_.inventoryOf("one");
  ASSERT_THAT(inventory, SizeIs(1));
  EXPECT_EQ(inventory.begin()->second.root, clusterRoot);
  EXPECT_EQ(inventory.begin()->second.digests, entry("one").digests);
  object = unikernel("8");
  object["metadata"]["annotations"] = {{inventoryAnnotation, toAnnotation({entry("two")})}};
  cache_.apply(unikernelKind, object);
  EXPECT_THAT(cache_.inventoryOf("one"), IsEmpty());
  cache_.remove(web);
  EXPECT_THAT(cache_.entries(), IsEmpty());
}

TEST_F(Cache, AnInventoryThatCannotBeReadIsNone) {
  for (const char* text : {"", "{", "7", "[7]", R"([{"serverKey": 7}])"})
    EXPECT_THAT(entriesIn(text), IsEmpty()) << text;
  json copied = unikernel("7");
  reconcile::Entry other = entry("one");
  other.object.name = "api";
  copied["metadata"]["annotations"] = {{inventoryAnnotation, toAnnotation({other})}};
  cache_.apply(unikernelKind, copied);
  ASSERT_THAT(cache_.entries(), SizeIs(1));
  EXPECT_EQ(cache_.entries()[0].object, web) << "an annotation is of the object that it stands on";
}

TEST_F(Cache, ReplacesWhatIsInANamespace) {
  cache_.apply(unikernelKind, unikernel("7"));
  json other = unikernel("8");
  other["metadata"]["namespace"] = "db";
  cache_.apply(unikernelKind, other);
  cache_.replace(unikernelKind, "shop", {});
  EXPECT_EQ(cache_.find(web), nullptr);
  EXPECT_NE(cache_.find({unikernelKind, "db", "web"}), nullptr);
}

}  // namespace
}  // namespace rookery::kubernetes
