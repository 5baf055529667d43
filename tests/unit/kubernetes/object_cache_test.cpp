#include "kubernetes/object_cache.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/status.h"
#include "kubernetes/source.h"

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

/// Another of that kind.
json unikernel(const std::string& version, const std::string& nameSpace, const std::string& name) {
  json object = unikernel(version);
  object["metadata"]["namespace"] = nameSpace;
  object["metadata"]["name"] = name;
  object["metadata"]["uid"] = nameSpace + name;
  return object;
}

json naming(json object, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    object["spec"]["argumentsFrom"].push_back(
        {{"name", "V" + std::to_string(object["spec"]["argumentsFrom"].size())},
         {"secretKeyRef", {{"name", secret}, {"key", "value"}}}});
  }
  return object;
}

std::vector<std::string> numbered(const std::string& prefix, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("{}-{}", prefix, i));
  return names;
}

plan::Entry entry(const std::string& server, const std::string& name = "shop:web",
                  const api::ObjectKey& object = web) {
  plan::Entry entry;
  entry.serverKey = server;
  entry.name = *albatross::Name::parse(name);
  entry.instance = "eu-1";
  entry.object = object;
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
  another["metadata"]["uid"] = "u-0";
  cache_.apply(unikernelKind, another);
  EXPECT_EQ(cache_.find(web)->meta.uid, "u-1") << "one of that name was there before";
  another["metadata"]["uid"] = "u-9";
  another["metadata"]["resourceVersion"] = "11";
  cache_.apply(unikernelKind, another);
  EXPECT_EQ(cache_.find(web)->meta.uid, "u-9") << "it is another object";
}

/// How the cache can learn that shop/web was deleted at version 12, or after 10 where nobody says it.
struct Gone {
  const char* how;
  std::function<void(ObjectCache& cache)> tell;
};

TEST(DeletedObject, IsNotBroughtBackByWhatIsOlder) {
  json let = unikernel("12");
  let["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z";
  const std::vector<Gone> ways = {
      {"an event", [](ObjectCache& cache) { cache.remove(web, "12"); }},
      {"a list", [](ObjectCache& cache) { cache.replace(unikernelKind, "", {}, "12"); }},
      {"an answer of 404", [](ObjectCache& cache) { cache.remove(web); }},
      {"the answer to taking off the last finalizer",
       [&](ObjectCache& cache) { cache.applyOurs(unikernelKind, let); }},
  };
  for (const Gone& way : ways) {
    ObjectCache cache("/images", [] {});
    cache.apply(unikernelKind, unikernel("10"));
    way.tell(cache);
    EXPECT_EQ(cache.find(web), nullptr) << way.how;
    cache.apply(unikernelKind, unikernel("10"));
    cache.applyOurs(unikernelKind, unikernel("9"));
    EXPECT_EQ(cache.find(web), nullptr) << way.how;
    cache.apply(unikernelKind, unikernel("13"));
    EXPECT_NE(cache.find(web), nullptr) << way.how << ": somebody has created it again";
  }
}

TEST_F(Cache, TheNewsOfADeletionIsNotOfANewerObject) {
  cache_.remove(web, "12");
  cache_.apply(unikernelKind, unikernel("11"));
  EXPECT_EQ(cache_.find(web), nullptr) << "the news came first";
  cache_.apply(unikernelKind, unikernel("14"));
  cache_.remove(web, "12");
  cache_.replace(unikernelKind, "shop", {}, "13");
  EXPECT_NE(cache_.find(web), nullptr);
}

TEST_F(Cache, WhatIsWaitedForIsKept) {
  json deleted = unikernel("7");
  deleted["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z";
  deleted["metadata"]["finalizers"] = {api::finalizerOf(api::Kind::Unikernel)};
  cache_.applyOurs(unikernelKind, deleted);
  EXPECT_NE(cache_.find(web), nullptr);
}

TEST_F(Cache, WhatIsFollowedAgainMayBeAsItWas) {
  cache_.apply(unikernelKind, unikernel("7"));
  cache_.forget(web);
  EXPECT_EQ(cache_.find(web), nullptr);
  cache_.apply(unikernelKind, unikernel("7"));
  EXPECT_NE(cache_.find(web), nullptr);
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
}

TEST_F(Cache, TakesOfAnAnnotationNoMoreThanCanBeOurs) {
  plan::Entry large = entry("one");
  large.ranSpec = std::string(240'000, 'x');
  plan::Entry tombstone = entry("one");
  tombstone.destroyedAt = api::SystemTime(std::chrono::hours(1));
  std::vector<plan::Entry> many;
  for (int i = 0; i < 1'000; ++i) many.push_back(entry("server-" + std::to_string(i)));
  struct Case {
    std::vector<plan::Entry> written;
    std::size_t taken;
  };
  int version = 7;
  for (const Case& given : {Case{{large}, 0}, Case{{large, entry("two")}, 1}, Case{{tombstone}, 0},
                            Case{many, maxEntriesOfUnikernel}}) {
    json object = unikernel(std::to_string(++version));
    object["metadata"]["annotations"] = {{inventoryAnnotation, toAnnotation(given.written)}};
    cache_.apply(unikernelKind, object);
    EXPECT_THAT(cache_.find(web)->entries, SizeIs(given.taken));
  }
}

TEST_F(Cache, SaysOfWhichObjectsNothingIsToBeDestroyed) {
  struct Case {
    json spec, annotations;
    bool released;
  };
  int version = 7;
  for (const Case& given :
       {Case{json::object(), json::object(), false}, Case{{{"prune", false}}, json::object(), true},
        Case{{{"suspend", true}}, json::object(), true},
        Case{{{"prune", "no"}, {"suspend", 1}}, json::object(), false},
        Case{{{"nothing", "valid"}, {"prune", false}}, json::object(), true},
        Case{json::object(), {{"rookery.dev/release", "true"}}, true},
        Case{json::object(), {{"rookery.dev/release", "false"}}, false}}) {
    json object = unikernel(std::to_string(++version));
    object["spec"].merge_patch(given.spec);
    object["metadata"]["annotations"] = given.annotations;
    cache_.apply(unikernelKind, object);
    EXPECT_EQ(cache_.find(web)->released, given.released) << object;
  }
}

TEST_F(Cache, AnAnnotationThatWasCopiedFromAnotherObjectSaysNothing) {
  json original = unikernel("7");
  original["metadata"]["annotations"] = {{inventoryAnnotation, toAnnotation({entry("one")})}};
  cache_.apply(unikernelKind, original);
  const std::vector<std::pair<std::string, std::string>> copies = {{"shop", "web2"}, {"evil", "web"}};
  for (const auto& [nameSpace, name] : copies) {
    json copied = unikernel("8", nameSpace, name);
    copied["metadata"]["annotations"] = original["metadata"]["annotations"];
    cache_.apply(unikernelKind, copied);
    const api::ObjectKey key{unikernelKind, nameSpace, name};
    EXPECT_THAT(cache_.find(key)->entries, IsEmpty()) << "so that it can be deleted";
    cache_.remove(key);
    EXPECT_THAT(cache_.inventoryOf("one"), SizeIs(1));
  }
}

TEST_F(Cache, NobodyOwnsAUnikernelOfAnotherName) {
  json claiming = unikernel("7", "evil", "x");
  claiming["metadata"]["annotations"] = {
      {inventoryAnnotation, toAnnotation({entry("one", "shop:web", {unikernelKind, "evil", "x"})})}};
  cache_.apply(unikernelKind, claiming);
  EXPECT_THAT(cache_.entries(), IsEmpty());
}

TEST_F(Cache, NoObjectHidesTheEntryOfTheOneThatHasTheNamespace) {
  cache_.apply(api::Kind::AlbatrossInstance,
               {{"metadata", {{"name", "eu-1"}, {"uid", "u-2"}, {"resourceVersion", "1"}}},
                {"spec",
                 {{"endpoint", "10.0.0.1:1025"},
                  {"rootNamespace", "sys"},
                  {"credentials", {{"secretRef", {{"namespace", "rookery"}, {"name", "eu-1"}}}}}}}});
  const std::vector<std::pair<std::string, std::string>> unikernels = {{"shop", "shop:web"}, {"sys", ":web"}};
  int version = 1;
  for (const auto& [nameSpace, name] : unikernels) {
    const auto put = [&](const std::string& holder) {
      json object = unikernel(std::to_string(++version), holder, "web");
      object["metadata"]["annotations"] = {
          {inventoryAnnotation, toAnnotation({entry("one", name, {unikernelKind, holder, "web"})})}};
      cache_.apply(unikernelKind, object);
    };
    const auto owner = [&] {
      return cache_.inventoryOf("one").at(*albatross::Name::parse(name)).object.nameSpace;
    };
    put("evil");
    put(nameSpace);
    EXPECT_EQ(owner(), nameSpace);
    put("evil");
    EXPECT_EQ(owner(), nameSpace);
    EXPECT_THAT(cache_.entries(), SizeIs(1));
    cache_.remove({unikernelKind, "evil", "web"});
    EXPECT_EQ(owner(), nameSpace);
    cache_.remove({unikernelKind, nameSpace, "web"});
    EXPECT_THAT(cache_.entries(), IsEmpty());
  }
}

TEST_F(Cache, RefusesMoreSecretsThanAnyUnikernelNeeds) {
  cache_.apply(unikernelKind, naming(unikernel("7"), numbered("s", maxSecretsOfUnikernel)));
  ASSERT_NE(cache_.find(web)->object, nullptr);
  json twice = naming(unikernel("8"), numbered("s", maxSecretsOfUnikernel));
  cache_.apply(unikernelKind, naming(std::move(twice), {"s-0", "s-1"}));
  ASSERT_NE(cache_.find(web)->object, nullptr) << "they are no more";
  cache_.apply(unikernelKind, naming(unikernel("9"), numbered("s", maxSecretsOfUnikernel + 1)));
  EXPECT_EQ(cache_.find(web)->object, nullptr);
  ASSERT_THAT(cache_.find(web)->problems, SizeIs(1));
  EXPECT_EQ(cache_.find(web)->problems[0].reason, Reason::InvalidManifest);
  EXPECT_EQ(cache_.find(web)->problems[0].field, "spec.argumentsFrom");
  EXPECT_THAT(cache_.find(web)->problems[0].message, HasSubstr("33 different Secrets, and 32 are allowed"));
}

TEST_F(Cache, SecretsOfInstancesAndOfOlderObjectsAreWatchedFirst) {
  cache_.apply(api::Kind::AlbatrossInstance,
               {{"metadata",
                 {{"name", "eu-1"},
                  {"uid", "u-2"},
                  {"resourceVersion", "1"},
                  {"creationTimestamp", "2030-01-01T00:00:00Z"}}},
                {"spec",
                 {{"endpoint", "10.0.0.1:1025"},
                  {"credentials", {{"secretRef", {{"namespace", "rookery"}, {"name", "eu-1"}}}}}}}});
  const std::size_t unikernels = maxWatchedSecrets / maxSecretsOfUnikernel;
  for (std::size_t i = 0; i <= unikernels; ++i) {  // the last in the order of names is the oldest
    json object = unikernel(std::to_string(i + 2), "shop", fmt::format("web-{}", i));
    object["metadata"]["creationTimestamp"] = fmt::format("20{}-01-01T00:00:00Z", 29 - i);
    cache_.apply(unikernelKind,
                 naming(std::move(object), numbered(fmt::format("s{}", i), maxSecretsOfUnikernel)));
  }

  const SecretChoice choice = chooseSecrets(cache_.list());

  const auto secret = [](const std::string& nameSpace, const std::string& name) {
    return api::ObjectKey{api::Kind::Secret, nameSpace, name};
  };
  EXPECT_THAT(choice.watched, SizeIs(maxWatchedSecrets));
  EXPECT_TRUE(choice.watched.contains(secret("rookery", "eu-1")));
  EXPECT_TRUE(choice.watched.contains(secret("shop", fmt::format("s{}-31", unikernels))));
  EXPECT_THAT(choice.left, SizeIs(maxSecretsOfUnikernel + 1));
  EXPECT_TRUE(choice.left.contains(secret("shop", "s0-0")));
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
