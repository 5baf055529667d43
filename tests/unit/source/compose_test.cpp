#include "source/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "api/outdated.h"

namespace rookery::source {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const api::ObjectKey shopWeb{api::Kind::Unikernel, "shop", "web"};
const SystemTime noon{std::chrono::hours(24)};

Obstacle obstacle(const std::string& path, SystemTime changed) {
  return {.silence = {.path = path, .cause = path + " hides it."}, .changed = changed};
}

/// Who is in the way; empty: nobody.
std::string cause(const Snapshot& snapshot, const std::string& root, const std::string& file,
                  SystemTime seen = noon, const api::ObjectKey& object = shopWeb) {
  const auto silence = snapshot.silenceAbout(object, {.root = root, .file = file}, seen);
  return silence ? silence->cause : "";
}

TEST(SilenceAbout, AllOfARootThatWasNotSeenWhole) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "good", .complete = true},
                    {.path = "torn", .complete = false},
                    {.path = "locked", .complete = true, .gitLocked = true},
                    {.path = "single.yaml", .complete = true, .single = true},
                    {.path = "cluster", .complete = true, .deletesByName = true}};
  snapshot.roots[2].hidden = api::Silence{.cause = "Locked."};
  snapshot.silent["good/broken.yaml"] = {.cause = "Broken."};
  EXPECT_EQ(cause(snapshot, "good", "good/web.yaml"), "");
  EXPECT_EQ(cause(snapshot, "good", "good/removed/folder/web.yaml"), "");
  EXPECT_EQ(cause(snapshot, "good", "good/broken.yaml"), "Broken.");
  EXPECT_THAT(cause(snapshot, "torn", "torn/web.yaml"), HasSubstr("torn"));
  EXPECT_EQ(cause(snapshot, "locked", "locked/web.yaml"), "Locked.");
  EXPECT_EQ(cause(snapshot, "single.yaml", "single.yaml"), "");
  EXPECT_THAT(cause(snapshot, "single.yaml", "single.yaml/web.yaml"), HasSubstr("is a file now"));
  EXPECT_THAT(cause(snapshot, "good", "good"), HasSubstr("is a folder now"));
  EXPECT_EQ(cause(snapshot, "cluster", "cluster"), "");
  EXPECT_THAT(cause(snapshot, "elsewhere", "elsewhere/web.yaml"), HasSubstr("elsewhere"));
}

TEST(SilenceAbout, WhatCanHaveMovedToWhereNobodyCanLook) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "root", .complete = true}};
  snapshot.roots[0].obstacles = {obstacle("root/secret", noon - 1h)};
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml"), "") << "it was seen elsewhere after that";
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml", noon - 2h), "root/secret hides it.");
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml", {}), "root/secret hides it.") << "nobody knows when";
  EXPECT_EQ(cause(snapshot, "root", "root/secret/web.yaml"), "root/secret hides it.") << "it was there";

  snapshot.roots[0].obstacles[0].unseen = false;
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml", {}), "");
  EXPECT_EQ(cause(snapshot, "root", "root/secret/web.yaml"), "root/secret hides it.");
}

TEST(SilenceAbout, SecretsWhereNothingElseCanBe) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "root", .complete = true}};
  snapshot.roots[0].obstacles = {obstacle("root/template.yaml", noon)};
  snapshot.roots[0].obstacles[0].secretsOnly = true;
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml"), "");
  EXPECT_NE(cause(snapshot, "root", "root/web.yaml", noon, {api::Kind::Secret, "shop", "db"}), "");
}

TEST(SilenceAbout, WhatIsIgnored) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "/root", .complete = true}};
  snapshot.ignored = {{"/root/team", "/root/.rookeryignore:3"}};
  EXPECT_EQ(cause(snapshot, "/root", "/root/team/below/web.yaml"),
            "/root/team is ignored by /root/.rookeryignore:3. Remove it, or the rule.");
  EXPECT_EQ(cause(snapshot, "/root", "/root/teams/web.yaml"), "");
}

/// Two roots with files, and objects in them that people edit, move, add and remove.
class Files {
 public:
  Files() {
    for (const char* root : {"a", "b"}) {
      tree_.roots.push_back({.path = root, .complete = true});
      for (const char* name : {"1.yaml", "2.yaml", "3.yaml"})
        tree_.files.push_back(
            {.root = root, .path = std::filesystem::path(root) / name, .aliases = {}, .stamp = {}});
    }
    objects_.resize(tree_.files.size());
    // What is missing from a file that declares nothing any more may come back.
    for (std::size_t file = 0; file < objects_.size(); ++file)
      put(file, named("files", std::to_string(file), api::Secret{}));
    put(0, instance());
    for (int i = 0; i < 8; ++i) put(random_() % objects_.size(), unikernel(i));
  }

  void change() {
    std::vector<api::ObjectPtr>& file = objects_[random_() % objects_.size()];
    const unsigned what = random_() % 12;
    if (what == 0) return put(random_() % objects_.size(), instance());
    if (what == 1) return put(random_() % objects_.size(), secret());
    if (file.empty()) return;
    const std::size_t at = random_() % file.size();
    const api::ObjectPtr object = file[at];
    if (object->metadata.nameSpace == "files") return;
    if (what == 2) return void(file.erase(file.begin() + static_cast<std::ptrdiff_t>(at)));
    if (object->kind() != api::Kind::Unikernel) return;
    const int number = std::stoi(object->metadata.name);
    if (what == 3) return put(random_() % objects_.size(), unikernel(number));
    file[at] = placed(unikernel(number), object->origin);
  }

  std::shared_ptr<Snapshot> composed(const Snapshot* before) const {
    std::vector<std::shared_ptr<const api::Manifest>> manifests;
    for (const auto& objects : objects_) {
      auto manifest = std::make_shared<api::Manifest>();
      manifest->objects = objects;
      manifest->parsed = true;
      manifest->foreign = 1;
      manifests.push_back(std::move(manifest));
    }
    auto snapshot = compose(tree_, manifests, {.snapshot = before}, noon);
    silenceDanglingReferences(*snapshot, before);
    return snapshot;
  }

 private:
  static std::shared_ptr<api::Object> named(const std::string& nameSpace, const std::string& name,
                                            decltype(api::Object::spec) spec) {
    auto object = std::make_shared<api::Object>();
    object->metadata.nameSpace = nameSpace;
    object->metadata.name = name;
    object->spec = std::move(spec);
    return object;
  }
  std::shared_ptr<api::Object> instance() {
    return named("", "eu-" + std::to_string(random_() % 2), api::AlbatrossInstance{});
  }
  std::shared_ptr<api::Object> secret() {
    api::Secret spec;
    spec.data[random_() % 2 == 0 ? "password" : "other"] = "x";
    return named("shop", "db", spec);
  }
  std::shared_ptr<api::Object> unikernel(int number) {
    api::Unikernel spec;
    if (random_() % 3 > 0) spec.instance = "eu-" + std::to_string(random_() % 2);
    if (random_() % 3 == 0) spec.argumentsFrom = {{"PASSWORD", {"db", "password"}}};
    return named("shop", std::to_string(number), spec);
  }
  static api::ObjectPtr placed(const std::shared_ptr<api::Object>& object, const api::Origin& origin) {
    object->origin = origin;
    return object;
  }
  /// In the place of one with the same key, wherever that stands.
  void put(std::size_t file, const std::shared_ptr<api::Object>& object) {
    for (auto& objects : objects_)
      std::erase_if(objects, [&](const api::ObjectPtr& other) { return other->key() == object->key(); });
    objects_[file].push_back(
        placed(object, {.root = tree_.files[file].root, .file = tree_.files[file].path}));
  }

  std::mt19937 random_{1};
  Tree tree_;
  std::vector<std::vector<api::ObjectPtr>> objects_;  // file by file
};

TEST(Compose, SaysOfWhatWasChangedWhatALookAtAllSays) {
  Files files;
  std::shared_ptr<Snapshot> last = files.composed(nullptr);
  int shared = 0, dangling = 0;
  for (int step = 0; step < 1'000 && !testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE(step);
    files.change();
    const auto again = files.composed(last.get());
    const auto anew = files.composed(nullptr);
    EXPECT_TRUE(saysTheSame(*again, *anew));
    EXPECT_EQ(again->objects, anew->objects);
    EXPECT_EQ(again->dangling, anew->dangling);
    shared += again->declared.isSharedWith(last->declared) ? 1 : 0;
    dangling += again->dangling.empty() ? 0 : 1;
    last = again;
  }
  EXPECT_GT(shared, 300);
  EXPECT_GT(dangling, 100);
}

}  // namespace
}  // namespace rookery::source
