#include "serve/object_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "api/annotations.h"
#include "api/manifest.h"
#include "fixtures/temp_dir.h"
#include "serve/patch.h"
#include "state/state_dir.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

/// A writer whose wishes are read at once, as the controller reads them.
class ObjectWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    auto state = state::StateDir::open(dir_.path() / "state");
    auto store = source::ManifestStore::open(dir_.path() / "api");
    ASSERT_TRUE(state && store);
    state_ = std::move(*state);
    store_.emplace(std::move(*store));
    writer_.emplace(objects_, *state_, *store_, [this](const auto& removed) {
      removed_ = removed;
      if (removed && formerScans_ > 0) {
        --formerScans_;
        state_->identify(*removed, objects_.find(*removed)->object->specDigest, {});
      } else {
        scan();
      }
    });
  }

  /// Declares what the files say, and forgets what they do not.
  void scan() {
    std::set<api::ObjectKey> declared;
    for (const fs::path& root : {dir_.path() / "api", dir_.path() / "git"}) {
      if (!fs::exists(root)) continue;
      for (const auto& file : fs::directory_iterator(root)) {
        for (const auto& object : api::readManifest(root, file.path()).objects) {
          declared.insert(object->key());
          objects_.declare(object, state_->identify(object->key(), object->specDigest, {}), {});
        }
      }
    }
    for (const auto& view : objects_.list()) {
      const api::ObjectKey key = view->object->key();
      if (declared.contains(key)) continue;
      if (running_.contains(key)) {
        objects_.markDeleted(key, {});
      } else {
        objects_.remove(key);
      }
    }
  }

  static json web(const json& spec = {{"image", {{"path", "web.hvt"}}}}) {
    return {{"apiVersion", "rookery.dev/v1alpha1"},
            {"kind", "Unikernel"},
            {"metadata", {{"name", "web"}, {"namespace", "shop"}}},
            {"spec", spec}};
  }
  ObjectWriter::Answer create(const json& object, const WriteOptions& options = {}) {
    return writer_->create(*unikernels_, "shop", object, options);
  }
  ObjectWriter::Answer merge(const json& patch, const WriteOptions& options = {}) {
    return writer_->patch(*unikernels_, webKey_,
                          *patchOf(api::Kind::Unikernel, "application/merge-patch+json", patch), options);
  }
  static std::string refusal(const ObjectWriter::Answer& answer) {
    if (answer) return "accepted";
    const json status = json::parse(answer.error().body);
    return std::to_string(answer.error().status) + " " + status["reason"].get<std::string>() + ": " +
           status["message"].get<std::string>();
  }
  std::string file() const { return fixtures::readFile(dir_.path() / "api/unikernel.shop.web.yaml"); }

  const api::ObjectKey webKey_{api::Kind::Unikernel, "shop", "web"};
  fixtures::TempDir dir_;
  reconcile::ObjectStore objects_;
  std::unique_ptr<state::StateDir> state_;
  std::optional<source::ManifestStore> store_;
  std::optional<ObjectWriter> writer_;
  std::unique_ptr<Resource> unikernels_ = objectResource(objects_, api::Kind::Unikernel);
  std::set<api::ObjectKey> running_;
  std::optional<api::ObjectKey> removed_;  // as the source was told last
  int formerScans_ = 0;  // that the controller only comes to once something is removed, which they still have
};

TEST_F(ObjectWriterTest, WishesADeletionAgainThatAFormerScanHasForgotten) {
  ASSERT_TRUE(create(web()));
  running_.insert(webKey_);
  formerScans_ = 1;
  const auto removed = writer_->remove(*unikernels_, webKey_, {}, {});
  ASSERT_TRUE(removed) << refusal(removed);
  EXPECT_THAT(state_->deletionRequests(), testing::ElementsAre(webKey_));
  EXPECT_TRUE(objects_.find(webKey_)->identity.deletionTimestamp);
}

TEST_F(ObjectWriterTest, CreatesAFile) {
  json object = web();
  object["metadata"]["annotations"] = json::object();
  object["metadata"]["creationTimestamp"] = nullptr;
  object["status"] = {{"digest", "x"}};
  const auto created = create(object);
  ASSERT_TRUE(created) << refusal(created);
  EXPECT_EQ(created->object["spec"]["memory"], "32Mi");
  EXPECT_FALSE(created->object["metadata"]["uid"].get<std::string>().empty());
  EXPECT_THAT(file(), Not(HasSubstr("memory"))) << "defaults are nobody's words";
  EXPECT_THAT(file(), Not(HasSubstr("status")));
  EXPECT_THAT(refusal(create(web())),
              HasSubstr("409 AlreadyExists: unikernels.rookery.dev \"web\" already exists"));
}

TEST_F(ObjectWriterTest, DryRunsChangeNothing) {
  ASSERT_TRUE(create(web(), {.dryRun = true}));
  EXPECT_FALSE(fs::exists(dir_.path() / "api/unikernel.shop.web.yaml"));
  ASSERT_TRUE(create(web()));
  const auto patched = merge({{"spec", {{"memory", "64Mi"}}}}, {.dryRun = true});
  ASSERT_TRUE(patched);
  EXPECT_EQ(patched->object["spec"]["memory"], "64Mi");
  EXPECT_EQ(patched->object["metadata"]["generation"], 2);
  EXPECT_THAT(file(), Not(HasSubstr("64Mi")));
  ASSERT_TRUE(writer_->remove(*unikernels_, webKey_, {}, {.dryRun = true}));
  EXPECT_TRUE(objects_.find(webKey_));
}

TEST_F(ObjectWriterTest, ChangesNoMoreThanIsAskedFor) {
  ASSERT_TRUE(create(web()));
  dir_.write("api/unikernel.shop.web.yaml", file() + "  # by hand\n  memory: 48Mi  # enough\n");
  scan();
  ASSERT_TRUE(merge({{"spec", {{"arguments", {"--a"}}}}}));
  EXPECT_THAT(file(), HasSubstr("  # by hand\n  memory: 48Mi  # enough\n"));
  EXPECT_THAT(file(), HasSubstr("--a"));
  const std::string before = file();
  const auto same = merge({{"spec", {{"memory", "48Mi"}}}});
  ASSERT_TRUE(same);
  EXPECT_EQ(same->object["metadata"]["resourceVersion"],
            std::to_string(objects_.find(webKey_)->resourceVersion));
  EXPECT_EQ(file(), before);
}

TEST_F(ObjectWriterTest, RefusesWhatIsWrong) {
  EXPECT_THAT(refusal(create(web({{"image", {{"path", "x"}}}, {"memory", "32"}}))),
              HasSubstr("422 Invalid: Unikernel.rookery.dev \"web\" is invalid: spec.memory: "));
  const json unknown = web({{"image", {{"path", "x"}, {"colour", "red"}}}, {"size", 1}});
  EXPECT_THAT(
      refusal(create(unknown)),
      HasSubstr("400 BadRequest: Unikernel in version \"v1alpha1\" cannot be handled as a Unikernel: strict "
                "decoding error: unknown field \"spec.image.colour\", unknown field \"spec.size\""));
  const auto warned = create(unknown, {.validation = FieldValidation::Warn});
  ASSERT_TRUE(warned) << refusal(warned);
  EXPECT_THAT(warned->warnings,
              testing::ElementsAre("unknown field \"spec.image.colour\"", "unknown field \"spec.size\""));
  EXPECT_THAT(file(), Not(HasSubstr("red")));
  json other = web();
  other["metadata"]["namespace"] = "db";
  EXPECT_THAT(refusal(create(other)), HasSubstr("does not match the namespace sent on the request"));
  other = web();
  other["kind"] = "Pod";
  EXPECT_THAT(refusal(create(other)), HasSubstr("400 BadRequest"));
  EXPECT_THAT(refusal(create(json::array())), HasSubstr("400 BadRequest"));
  EXPECT_THAT(refusal(merge({{"metadata", {{"name", "else"}}}})),
              HasSubstr("metadata.name cannot be changed"));
}

TEST_F(ObjectWriterTest, DropsUnknownFieldsWhateverTheyAreCalled) {
  const std::string names[] = {"a\nb", "a.b",   "a\"]",     "[0]", "a]b", "", std::string(200, 'x'),
                               "\x01", "x\\\"", "\xC3\xA9", "spec"};
  for (const std::string& name : names) {
    for (const FieldValidation validation : {FieldValidation::Ignore, FieldValidation::Warn}) {
      json object = web();
      object[name == "spec" ? "x" : name] = {{"secret", "of another"}};
      object["spec"][name] = "red";
      object["spec"]["image"][name] = {1, 2};
      object["spec"]["networkInterfaces"] = json::array({{{"name", "service"}, {name, 1}}});
      object["metadata"][name] = nullptr;
      const auto created = create(object, {.dryRun = true, .validation = validation});
      ASSERT_TRUE(created) << name << refusal(created);
      const json& spec = created->object["spec"];
      EXPECT_FALSE(spec.contains(name) || spec["image"].contains(name) || created->object.contains("x"))
          << name;
      EXPECT_EQ(spec["networkInterfaces"], json::parse(R"([{"name": "service"}])"));
      EXPECT_EQ(created->warnings.size(), validation == FieldValidation::Warn ? 5 : 0) << name;
    }
    EXPECT_THAT(refusal(create(web({{"image", {{"path", "web.hvt"}}}, {name, 1}}))),
                HasSubstr("400 BadRequest: Unikernel in version"));
  }
}

TEST_F(ObjectWriterTest, NullIsTheSameAsNoSuchField) {
  const auto created =
      create(web({{"image", {{"path", "web.hvt"}}}, {"startup", nullptr}, {"memory", nullptr}}));
  ASSERT_TRUE(created) << refusal(created);
  EXPECT_FALSE(created->object["spec"].contains("startup"));
  EXPECT_EQ(created->object["spec"]["memory"], "32Mi");
  EXPECT_THAT(file(), Not(HasSubstr("null")));
  ASSERT_TRUE(merge({{"spec", {{"startup", 7}, {"memory", "64Mi"}}}}));
  const auto unset = merge({{"spec", {{"startup", nullptr}, {"memory", nullptr}}}});
  ASSERT_TRUE(unset) << refusal(unset);
  EXPECT_FALSE(unset->object["spec"].contains("startup"));
  EXPECT_EQ(unset->object["spec"]["memory"], "32Mi");
}

TEST_F(ObjectWriterTest, DropsAnyNumberOfUnknownFields) {
  json object = web();
  for (int i = 0; i < 2000; ++i) object["spec"]["x" + std::to_string(i)] = i;
  const auto created = create(object, {.validation = FieldValidation::Warn});
  ASSERT_TRUE(created) << refusal(created);
  EXPECT_EQ(created->warnings.size(), 100) << "no more are named";
  EXPECT_THAT(file(), Not(HasSubstr("x1")));
}

TEST_F(ObjectWriterTest, AnnotationsHaveALimit) {
  json object = web();
  object["metadata"]["annotations"] = {{"a", std::string(256 << 10, 'x')}};
  EXPECT_THAT(refusal(create(object)),
              HasSubstr("metadata.annotations: Too long: must have at most 262144 bytes"));
  object["metadata"]["annotations"] = {{"a", std::string((256 << 10) - 1, 'x')}};
  EXPECT_TRUE(create(object));
}

TEST_F(ObjectWriterTest, ManyAtATimeAreToldToTryAgain) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t inside = 0;
  bool goOn = false;
  const ObjectWriter::Patch slow = [&](json object) -> std::expected<json, http::Response> {
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return goOn; });
    return object;
  };
  ASSERT_TRUE(create(web()));
  std::vector<std::future<std::string>> writers;
  for (std::size_t i = 0; i < 3 * ObjectWriter::mostWriters; ++i) {
    writers.push_back(std::async(std::launch::async, [&, i] {
      const WriteOptions options{.caller = i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c"};
      const std::string outcome = refusal(writer_->patch(*unikernels_, webKey_, slow, options));
      const std::lock_guard lock(mutex);
      ++inside;
      changed.notify_all();
      return outcome;
    }));
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return inside == writers.size(); });  // at work, or sent away
  goOn = true;
  changed.notify_all();
  lock.unlock();
  std::map<std::string, std::size_t> outcomes;
  for (auto& writer : writers) ++outcomes[writer.get().substr(0, 8)];
  EXPECT_THAT(outcomes, testing::UnorderedElementsAre(
                            testing::Pair("accepted", ObjectWriter::mostWriters),
                            testing::Pair("429 TooM", writers.size() - ObjectWriter::mostWriters)));
}

TEST_F(ObjectWriterTest, OneCallerHasAShareOfTheWriters) {
  ASSERT_TRUE(create(web()));
  // Each patch sends the next, so that all are at work at the same time.
  std::vector<std::string> outcomes;
  std::vector<std::string> callers = {"a", "a", "a", "b"};
  const std::function<void()> sendNext = [&] {
    if (callers.empty()) return;
    const WriteOptions options{.dryRun = true, .caller = callers.front()};
    callers.erase(callers.begin());
    const auto patch = [&](json object) -> std::expected<json, http::Response> {
      sendNext();
      return object;
    };
    const auto answer = writer_->patch(*unikernels_, webKey_, patch, options);
    outcomes.push_back(options.caller + " " + refusal(answer).substr(0, 8));
    if (!answer) sendNext();
  };
  sendNext();
  EXPECT_THAT(outcomes, testing::ElementsAre("a 429 TooM", "b accepted", "a accepted", "a accepted"));
}

TEST_F(ObjectWriterTest, APatchHoldsUpNobody) {
  ASSERT_TRUE(create(web()));
  const auto patched = writer_->patch(*unikernels_, webKey_,
                                      [&](json object) -> std::expected<json, http::Response> {
                                        json other = web();
                                        other["metadata"]["name"] = "api";
                                        EXPECT_TRUE(create(other, {.caller = "another"}))
                                            << "while this one is at work";
                                        object["spec"]["memory"] = "64Mi";
                                        return object;
                                      },
                                      {});
  ASSERT_TRUE(patched) << refusal(patched);
  EXPECT_EQ(patched->object["spec"]["memory"], "64Mi");
}

TEST_F(ObjectWriterTest, WhatSomebodyElseWroteMeanwhileStays) {
  ASSERT_TRUE(create(web()));
  int calls = 0;
  const auto patched =
      writer_->patch(*unikernels_, webKey_,
                     [&](json object) -> std::expected<json, http::Response> {
                       if (++calls == 1) {
                         EXPECT_TRUE(merge({{"spec", {{"memory", "64Mi"}}}}, {.caller = "another"}));
                       }
                       object["spec"]["arguments"] = {"--a"};
                       return object;
                     },
                     {});
  ASSERT_TRUE(patched) << refusal(patched);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(patched->object["spec"]["memory"], "64Mi");
  EXPECT_EQ(patched->object["spec"]["arguments"], json({"--a"}));
}

TEST_F(ObjectWriterTest, WhereTheyWriteAgainAndAgainItIsAConflict) {
  ASSERT_TRUE(create(web()));
  int calls = 0;
  const auto patched = writer_->patch(
      *unikernels_, webKey_,
      [&](json object) -> std::expected<json, http::Response> {
        EXPECT_TRUE(merge({{"spec", {{"arguments", {std::to_string(++calls)}}}}}, {.caller = "another"}));
        object["spec"]["memory"] = "64Mi";
        return object;
      },
      {});
  EXPECT_THAT(refusal(patched), HasSubstr("409 Conflict"));
  EXPECT_LT(calls, 20);
}

TEST_F(ObjectWriterTest, AStatusThatChangesMeanwhileIsNoConflict) {
  ASSERT_TRUE(create(web()));
  int calls = 0;
  const auto patched = writer_->patch(*unikernels_, webKey_,
                                      [&](json object) -> std::expected<json, http::Response> {
                                        api::Status status;
                                        status.conditions = {{.type = api::Condition::Type::Ready,
                                                              .status = api::Condition::Status::True,
                                                              .reason = Reason::Running,
                                                              .message = "It runs.",
                                                              .lastTransitionTime = {}}};
                                        status.restarts = ++calls;
                                        reconcile::Listener nobody;
                                        objects_.report(webKey_, status, nobody);
                                        object["spec"]["memory"] = "64Mi";
                                        return object;
                                      },
                                      {});
  ASSERT_TRUE(patched) << refusal(patched);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(patched->object["status"]["restarts"], 1);
}

TEST_F(ObjectWriterTest, ComparesVersions) {
  ASSERT_TRUE(create(web()));
  json old = toJson(*objects_.find(webKey_));
  ASSERT_TRUE(merge({{"spec", {{"memory", "64Mi"}}}}));
  EXPECT_THAT(
      refusal(writer_->update(*unikernels_, webKey_, old, {})),
      HasSubstr(
          "409 Conflict: Operation cannot be fulfilled on unikernels.rookery.dev \"web\": the object has "
          "been modified"));
  old["metadata"].erase("resourceVersion");
  EXPECT_THAT(
      refusal(writer_->update(*unikernels_, webKey_, old, {})),
      HasSubstr("422 Invalid: Unikernel.rookery.dev \"web\" is invalid: metadata.resourceVersion: Invalid "
                "value: 0x0: must be specified for an update"));
  old["metadata"]["resourceVersion"] = std::to_string(objects_.find(webKey_)->resourceVersion);
  ASSERT_TRUE(writer_->update(*unikernels_, webKey_, old, {}));
  EXPECT_THAT(file(), Not(HasSubstr("64Mi")));
  EXPECT_THAT(refusal(writer_->remove(*unikernels_, webKey_, {.uid = "another"}, {})),
              HasSubstr("Precondition failed: UID in precondition: another"));
}

TEST_F(ObjectWriterTest, AnObjectOfAnotherRootIsReadOnly) {
  dir_.write("git/web.yaml", web().dump());
  scan();
  EXPECT_THAT(refusal(merge({{"spec", {{"memory", "64Mi"}}}})), HasSubstr("405 MethodNotAllowed"));
  EXPECT_THAT(refusal(writer_->remove(*unikernels_, webKey_, {}, {})), HasSubstr("git/web.yaml:1:1"));
}

TEST_F(ObjectWriterTest, DeletingIsAskedForOnceTheManifestIsGone) {
  ASSERT_TRUE(create(web()));
  running_ = {webKey_};
  const auto asked = writer_->remove(*unikernels_, webKey_, {}, {});
  ASSERT_TRUE(asked) << refusal(asked);
  EXPECT_FALSE(asked->gone);
  EXPECT_TRUE(asked->object["metadata"].contains("deletionTimestamp"));
  EXPECT_EQ(asked->object["metadata"]["finalizers"], json({"rookery.dev/unikernel"}));
  EXPECT_FALSE(fs::exists(dir_.path() / "api/unikernel.shop.web.yaml"));
  EXPECT_THAT(state_->deletionRequests(), testing::ElementsAre(webKey_));
  EXPECT_EQ(removed_, webKey_);
  EXPECT_TRUE(writer_->remove(*unikernels_, webKey_, {}, {})) << "again, while it is on its way";
  running_.clear();
  scan();
  EXPECT_THAT(refusal(writer_->remove(*unikernels_, webKey_, {}, {})),
              HasSubstr("404 NotFound: unikernels.rookery.dev \"web\" not found"));
}

/// What is being deleted stands in no file: what is said of it goes to the state, and to who decides.
TEST_F(ObjectWriterTest, WhatIsBeingDeletedCanBeAmended) {
  struct Case {
    const char* what;
    json patch;
    const char* refused;  // empty: it is not
    bool released;
    int generation;
  };
  const std::vector<Case> cases = {
      {"an annotation", {{"metadata", {{"annotations", {{"rookery.dev/release", "true"}}}}}}, "", true, 1},
      {"a label", {{"metadata", {{"labels", {{"app", "web"}}}}}}, "", false, 1},
      {"the spec", {{"spec", {{"memory", "64Mi"}}}}, "", false, 2},
      {"the finalizer removed", {{"metadata", {{"finalizers", nullptr}}}}, "", true, 1},
      {"a finalizer added",
       {{"metadata", {{"finalizers", {"rookery.dev/unikernel", "example.com/mine"}}}}},
       "422 Invalid: Unikernel.rookery.dev \"web\" is invalid: metadata.finalizers: Forbidden: no new "
       "finalizers can be added if the object is being deleted, found new finalizers "
       "[]string{\"example.com/mine\"}",
       false,
       1},
      {"nonsense", {{"spec", {{"memory", "64"}}}}, "422 Invalid: ", false, 1}};
  for (const Case& given : cases) {
    SCOPED_TRACE(given.what);
    ASSERT_TRUE(create(web()));
    running_ = {webKey_};
    ASSERT_TRUE(writer_->remove(*unikernels_, webKey_, {}, {}));
    const auto amended = merge(given.patch);
    if (*given.refused != '\0') {
      EXPECT_THAT(refusal(amended), HasSubstr(given.refused));
    } else {
      ASSERT_TRUE(amended) << refusal(amended);
      EXPECT_TRUE(amended->object["metadata"].contains("deletionTimestamp"));
      EXPECT_EQ(amended->object["metadata"]["generation"], given.generation);
    }
    EXPECT_FALSE(fs::exists(dir_.path() / "api/unikernel.shop.web.yaml"));
    const auto view = objects_.find(webKey_);
    EXPECT_TRUE(view->identity.deletionTimestamp);
    EXPECT_EQ(api::isReleased(view->object->metadata.annotations), given.released) << "what is decided by";
    const auto kept = state_->deletions();
    ASSERT_EQ(kept.size(), 1);
    EXPECT_EQ(kept[0].object->manifest, view->object->manifest) << "what stands after a restart";
    running_.clear();
    scan();
    state_->forgetIdentity(webKey_);
  }
}

TEST_F(ObjectWriterTest, WhatIsAmendedOfADeletionDoesNotAskForIt) {
  ASSERT_TRUE(create(web()));
  running_ = {webKey_};
  fs::remove(dir_.path() / "api/unikernel.shop.web.yaml");
  scan();
  const auto labelled = merge({{"metadata", {{"labels", {{"app", "web"}}}}}});
  ASSERT_TRUE(labelled) << refusal(labelled);
  EXPECT_THAT(state_->deletionRequests(), testing::IsEmpty()) << "the prune guard looks at it as before";
  ASSERT_EQ(state_->deletions().size(), 1);
  const json old = {{"metadata", {{"resourceVersion", "1"}, {"labels", {{"app", "b"}}}}}};
  EXPECT_THAT(refusal(merge(old)), HasSubstr("409 Conflict"));
  const auto dry = merge({{"metadata", {{"labels", {{"app", "c"}}}}}}, {.dryRun = true});
  ASSERT_TRUE(dry) << refusal(dry);
  EXPECT_EQ(objects_.find(webKey_)->object->metadata.labels.at("app"), "web");
}

TEST_F(ObjectWriterTest, SecretsAreWrittenAndNotShown) {
  const auto secrets = objectResource(objects_, api::Kind::Secret);
  const api::ObjectKey key{api::Kind::Secret, "shop", "db"};
  const json secret = {{"apiVersion", "v1"},
                       {"kind", "Secret"},
                       {"metadata", {{"name", "db"}}},
                       {"stringData", {{"password", "hunter2"}}}};
  const auto created = writer_->create(*secrets, "shop", secret, {});
  ASSERT_TRUE(created) << refusal(created);
  EXPECT_THAT(created->object.dump(), Not(HasSubstr("hunter2")));
  const auto labelled = writer_->patch(*secrets, key,
                                       *patchOf(api::Kind::Secret, "application/strategic-merge-patch+json",
                                                {{"metadata", {{"labels", {{"a", "b"}}}}}}),
                                       {});
  ASSERT_TRUE(labelled) << refusal(labelled);
  EXPECT_EQ(objects_.find(key)->object->as<api::Secret>().data.at("password"), "hunter2");
}

TEST_F(ObjectWriterTest, WarnsOfArgumentsThatAreHardlyMeant) {
  const auto secrets = objectResource(objects_, api::Kind::Secret);
  ASSERT_TRUE(writer_->create(*secrets, "shop",
                              {{"apiVersion", "v1"},
                               {"kind", "Secret"},
                               {"metadata", {{"name", "db"}}},
                               {"stringData", {{"password", "hunter2\n"}}}},
                              {}));
  json spec = {{"image", {{"path", "web.hvt"}}}, {"arguments", {"$(PW)", "$(NO)"}}};
  spec["argumentsFrom"][0] = {{"name", "PW"}, {"secretKeyRef", {{"name", "db"}, {"key", "password"}}}};
  const auto created = create(web(spec));
  ASSERT_TRUE(created) << refusal(created);
  EXPECT_THAT(
      created->warnings,
      testing::ElementsAre(HasSubstr("spec.arguments[1]: nothing defines \"$(NO)\""),
                           HasSubstr("spec.argumentsFrom[0].secretKeyRef.key: the value of the key")));
  EXPECT_THAT(created->warnings[1], Not(HasSubstr("hunter2")));
  const auto mended = merge({{"spec", {{"arguments", {"$$(NO)"}}, {"argumentsFrom", nullptr}}}});
  ASSERT_TRUE(mended) << refusal(mended);
  EXPECT_TRUE(mended->warnings.empty());
}

TEST_F(ObjectWriterTest, NoPatchTellsASecret) {
  // What would copy a value to where it is shown, or tell whether it is this.
  for (
      const char* operations :
      {R"([{"op":"copy","from":"/data/password","path":"/metadata/labels"}])",
       R"([{"op":"move","from":"/data/password","path":"/metadata/labels"}])",
       R"([{"op":"copy","from":"","path":"/metadata/annotations"}])",
       R"([{"op":"remove","path":"/data/x"},{"op":"test","path":"/data/password","value":"aHVudGVyMg=="}])"}) {
    const auto patch = patchOf(api::Kind::Secret, "application/json-patch+json", json::parse(operations));
    ASSERT_FALSE(patch) << operations;
    EXPECT_EQ(patch.error().status, 422);
    EXPECT_THAT(patch.error().body, HasSubstr("never read"));
  }
  EXPECT_TRUE(patchOf(api::Kind::Secret, "application/json-patch+json",
                      json::parse(R"([{"op":"replace","path":"/data/password","value":"Kg=="}])")));
}

TEST(Patch, OfJson) {
  const auto apply = [](const json& operations) {
    const auto patch = patchOf(api::Kind::Unikernel, "application/json-patch+json", operations);
    EXPECT_TRUE(patch);
    const auto patched = (*patch)({{"a", {1}}});
    return patched ? patched->dump() : std::to_string(patched.error().status);
  };
  EXPECT_EQ(apply(json::parse(R"([{"op":"add","path":"/a/-","value":2}])")), R"({"a":[1,2]})");
  EXPECT_EQ(apply(json::parse(R"([{"op":"test","path":"/a/0","value":9}])")), "422");
  EXPECT_EQ(apply(json::parse(R"([{"op":"remove","path":"/b"}])")), "422");
  EXPECT_EQ(apply(json::parse(R"([{"op":"frobnicate"}])")), "422");
  json nest = json::parse(R"([{"op":"add","path":"/a","value":{}}])");
  for (int i = 0; i < 400; ++i) nest.push_back(json::parse(R"({"op":"copy","from":"","path":"/a/x"})"));
  EXPECT_EQ(apply(nest), "413") << "copies that nest without end";
  json grow = json::array({{{"op", "replace"}, {"path", "/a"}, {"value", std::string(1 << 20, 'x')}}});
  for (int i = 0; i < 4; ++i)
    grow.push_back({{"op", "copy"}, {"from", "/a"}, {"path", "/b" + std::to_string(i)}});
  EXPECT_EQ(apply(grow), "413") << "copies that grow without end";
  json deep = json::array();
  for (std::string path = "/b"; deep.size() < 400; path += "/b")
    deep.push_back({{"op", "add"}, {"path", path}, {"value", json::object()}});
  EXPECT_EQ(apply(deep), "413") << "one level after the other";
  EXPECT_EQ(
      patchOf(api::Kind::Unikernel, "application/strategic-merge-patch+json", json::object()).error().status,
      415);
  EXPECT_EQ(patchOf(api::Kind::Unikernel, "application/apply-patch+yaml", json::object()).error().status,
            415);
  EXPECT_EQ(patchOf(api::Kind::Unikernel, "application/merge-patch+json", json::array()).error().status, 400);
}

}  // namespace
}  // namespace rookery::serve
