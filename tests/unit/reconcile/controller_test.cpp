#include "reconcile/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <optional>
#include <thread>

#include "api/annotations.h"
#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"
#include "image/inspector.h"
#include "image/store.h"
#include "images/image_maker.h"
#include "images/image_server.h"
#include "reconcile/confirmations.h"
#include "source/directory.h"
#include "state/state_dir.h"
#include "unit/plan/scene.h"
#include "unit/reconcile/fake_server.h"
#include "unit/reconcile/wrapped_state.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class Notices : public Listener {
 public:
  void instanceForgotten(const std::string& instance) override { forgotten.push_back(instance); }
  void warned(const std::string&, Reason, const std::string& message) override {
    warnings.push_back(message);
  }
  void readyChanged(const api::ObjectKey& object, bool, Reason reason, const std::string&) override {
    reasons[object].push_back(reason);
  }
  void scanned(const source::Snapshot&) override { ++scans; }
  void revisionApplied(const std::string& instance, const std::string&,
                       const source::Revision& revision) override {
    applied.push_back(instance + " " + revision.commit);
  }
  std::vector<std::string> forgotten, warnings, applied;
  std::map<api::ObjectKey, std::vector<Reason>> reasons;  // of their Ready conditions, one after the other
  int scans = 0;
};

/// A fleet of fake servers eu-1 and us-1, and what a folder of manifests says of it, without the folder.
class Fleet : public testing::Test {
 protected:
  Fleet() {
    EXPECT_TRUE(images::writeImage({}, folder_.path() / "web.hvt"));
    const fixtures::Identity ca = fixtures::makeIdentity({});
    folder_.write("cert.pem", ca.certificate);
    folder_.write("key.pem", ca.privateKey);
    exposeKey(false);
    auto state = state::StateDir::open(folder_.path() / "state");
    EXPECT_TRUE(state);
    state_ = std::move(*state);
    wrapped_.emplace(*state_);
    declareInstance("eu-1", 1);
    declareInstance("us-1", 2);
  }

  void declareInstance(const std::string& name, std::uint16_t port) {
    api::AlbatrossInstance spec;
    spec.endpoint = "127.0.0.1:" + std::to_string(port);
    spec.credentials = api::AlbatrossInstance::Files{folder_.path() / "cert.pem", folder_.path() / "cert.pem",
                                                     folder_.path() / "key.pem"};
    spec.rootNamespace = "sys";
    declare(plan::makeObject("", name, spec));
  }
  void declareUnikernel(const std::string& path, const std::string& instance) {
    api::Unikernel spec;
    spec.instance = instance;
    spec.image.path = folder_.path() / "web.hvt";
    const api::ObjectKey key = plan::keyOf(path);
    declare(plan::makeObject(key.nameSpace, key.name, spec));
  }
  void declare(const api::ObjectPtr& object) {
    auto here = std::make_shared<api::Object>(*object);
    here->origin = {.root = folder_.path(), .file = folder_.path() / "all.yaml", .line = 1, .column = 1};
    objects_[here->key()] = here;
  }

  /// Whether everybody can read the private key of both instances.
  void exposeKey(bool exposed) const {
    std::filesystem::permissions(folder_.path() / "key.pem",
                                 static_cast<std::filesystem::perms>(exposed ? 0644 : 0600));
  }

  source::SnapshotPtr snapshot() const {
    auto made = std::make_shared<source::Snapshot>();
    for (const auto& [key, object] : objects_) {
      made->objects.push_back(object);
      made->declared.insert(key);
    }
    made->roots = {{folder_.path(), true, false, objects_.size()}};
    made->roots[0].revision = revision_;
    made->problems = problems_;
    made->scannedAt = std::chrono::system_clock::now();
    return made;
  }

  Environment environment() {
    return {.state = *wrapped_,
            .objects = store_,
            .listener = listener_,
            .connect = [this](const albatross::ClientOptions& options) {
              return servers_.at(options.endpoint.port)->connect();
            }};
  }

  /// Runs what a controller is asked to do to its end; `interrupt` tells when to cancel it.
  template <class T>
  T run(Controller& controller, asio::awaitable<T> work, const std::function<bool()>& interrupt = {}) {
    std::optional<T> result;
    asio::cancellation_signal cancel;
    asio::co_spawn(
        controller.strand(), std::move(work),
        asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& failure, T value) {
          EXPECT_FALSE(failure);
          result = std::move(value);
        }));
    bool interrupted = false;
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (context_.run_one_until(end) > 0) {
      if (interrupted || !interrupt || !interrupt()) continue;
      interrupted = true;
      asio::post(controller.strand(), [&] { cancel.emit(asio::cancellation_type::terminal); });
    }
    context_.restart();
    check(result.has_value(), "the controller comes to an end");
    return std::move(*result);
  }

  Controller::Outcome apply(GuardOptions guard = {true, false, {}}, std::chrono::milliseconds timeout = 20s) {
    Controller controller(context_.get_executor(), environment(), inspector_, std::move(guard));
    return run(controller, controller.apply(snapshot(), timeout));
  }

  const emulator::Unikernel* onEu(const std::string& path) {
    return servers_.at(1)->find(plan::Scene::name(path));
  }
  const emulator::Unikernel* onUs(const std::string& path) {
    return servers_.at(2)->find(plan::Scene::name(path));
  }
  api::Status statusOf(const api::ObjectKey& key) const { return store_.find(key)->status; }

  fixtures::TempDir folder_;
  image::Inspector inspector_;
  std::map<std::uint16_t, std::unique_ptr<FakeServer>> servers_ = [] {
    std::map<std::uint16_t, std::unique_ptr<FakeServer>> made;
    made[1] = std::make_unique<FakeServer>("key of eu-1");
    made[2] = std::make_unique<FakeServer>("key of us-1");
    return made;
  }();
  std::unique_ptr<state::StateDir> state_;
  std::optional<WrappedState> wrapped_;
  ObjectStore store_;
  Notices listener_;
  std::map<api::ObjectKey, api::ObjectPtr> objects_;
  std::optional<source::Revision> revision_;  // of the folder
  std::vector<api::Problem> problems_;        // in it
  asio::io_context context_;
};

TEST_F(Fleet, IsBroughtToWhatIsDeclared) {
  declareUnikernel("sys/web", "eu-1");
  declareUnikernel("sys/dns", "us-1");

  const Controller::Outcome outcome = apply();

  EXPECT_TRUE(outcome.finished);
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_NE(onEu("sys/web"), nullptr);
  EXPECT_NE(onUs("sys/dns"), nullptr);
  EXPECT_TRUE(statusOf(plan::keyOf("sys/web")).ready());
  EXPECT_TRUE(store_.ready());
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(servers_.at(1)->sent("create"), 1);
}

/// The last that was attempted, and the last that was applied, of the only root.
std::pair<std::string, std::string> revisionsOf(const api::Status& status) {
  if (status.sources.size() != 1) return {"no source", ""};
  return {status.sources[0].lastAttemptedRevision, status.sources[0].lastAppliedRevision};
}

TEST_F(Fleet, SaysAtWhichCommitItStands) {
  const api::ObjectKey eu{api::Kind::AlbatrossInstance, "", "eu-1"};
  const api::ObjectKey us{api::Kind::AlbatrossInstance, "", "us-1"};
  declareUnikernel("sys/web", "eu-1");
  revision_ = {.branch = "main", .commit = std::string(40, 'a')};
  const std::string first = revision_->toString();
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(revisionsOf(statusOf(eu)), std::pair(first, first));
  EXPECT_EQ(revisionsOf(statusOf(us)), std::pair(first, first));
  EXPECT_THAT(listener_.applied,
              UnorderedElementsAre("eu-1 " + revision_->commit, "us-1 " + revision_->commit));
}

TEST_F(Fleet, DoesNotStandAtACommitThatCannotBeCarriedOut) {
  const api::ObjectKey eu{api::Kind::AlbatrossInstance, "", "eu-1"};
  const api::ObjectKey us{api::Kind::AlbatrossInstance, "", "us-1"};
  declareUnikernel("sys/web", "eu-1");
  std::filesystem::remove(folder_.path() / "web.hvt");
  revision_ = {.branch = "main", .commit = std::string(40, 'a')};
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(revisionsOf(statusOf(eu)), std::pair(revision_->toString(), std::string()));
  EXPECT_EQ(revisionsOf(statusOf(us)), std::pair(revision_->toString(), revision_->toString()));
}

TEST_F(Fleet, DoesNotStandAtACommitWithAMistake) {
  revision_ = {.branch = "main", .commit = std::string(40, 'a')};
  api::Problem mistake;
  mistake.origin = {.root = folder_.path(), .file = folder_.path() / "bad.yaml"};
  problems_ = {mistake};
  EXPECT_TRUE(apply().finished);
  EXPECT_THAT(listener_.applied, IsEmpty());
}

TEST_F(Fleet, OfNoCheckoutSaysNoCommit) {
  EXPECT_TRUE(apply().finished);
  EXPECT_THAT(statusOf({api::Kind::AlbatrossInstance, "", "eu-1"}).sources, IsEmpty());
}

asio::awaitable<bool> follow(Controller& controller, source::Source& source) {
  co_await controller.run(source);
  co_return true;
}

/// Declares one thing until it is told another.
class StillSource : public source::Source {
 public:
  explicit StillSource(source::SnapshotPtr snapshot) : snapshot_(std::move(snapshot)) {}
  source::SnapshotPtr scan() override { return snapshot_; }
  asio::awaitable<source::SnapshotPtr> next() override {
    timer_.emplace(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    if (!changed_) (void)co_await timer_->async_wait(asio::as_tuple(asio::use_awaitable));
    co_return std::exchange(changed_, false) ? snapshot_ : nullptr;
  }
  void change(source::SnapshotPtr snapshot) {
    snapshot_ = std::move(snapshot);
    changed_ = true;
    if (timer_) timer_->cancel();
  }

 private:
  source::SnapshotPtr snapshot_;
  bool changed_ = false;
  std::optional<asio::steady_timer> timer_;
};

TEST_F(Fleet, TellsBeforehandWhatCouldNotRun) {
  Environment environment = this->environment();
  environment.resync = 5ms;
  Controller controller(context_.get_executor(), environment, inspector_, {});
  StillSource source(snapshot());
  const auto ask = [&](const std::string& path, const std::string& instance) {
    const api::ObjectKey key = plan::keyOf(path);
    const auto unikernel = plan::makeObject(key.nameSpace, key.name, api::Unikernel{});
    const auto error = controller.cannotRun(instance, unikernel, 10s);
    return error ? std::string(toString(error->reason)) : "";
  };
  std::future<std::vector<std::string>> answers;
  run(controller, follow(controller, source), [&] {
    if (store_.ready() && !answers.valid()) {
      answers = std::async(std::launch::async, [&] {
        return std::vector{ask("sys/web", "eu-1"), ask("new/web", "eu-1"), ask("new/web", "ap-1")};
      });
    }
    return answers.valid() && answers.wait_for(0s) == std::future_status::ready;
  });
  EXPECT_THAT(answers.get(), ElementsAre("", "NoPolicy", "")) << "nothing is known of the last";
  EXPECT_EQ(servers_.at(1)->sent("create"), 0);
}

TEST_F(Fleet, GoesOnOnceAnImageWasPulled) {
  const auto store = image::ImageStore::open(folder_.path() / "images", {});
  ASSERT_TRUE(store);
  const std::string bytes = images::makeImage({.content = "pulled"});
  images::ImageServer server;
  server.put("/web.hvt", {.bytes = bytes, .held = true});
  server.put("/unused.hvt", {.bytes = bytes});
  api::Unikernel spec;
  spec.instance = "eu-1";
  auto incoming = (*store)->begin();
  ASSERT_TRUE(incoming && incoming->write(bytes));
  spec.image = {.path = {}, .url = server.url("/web.hvt"), .sha256 = incoming->sha256()};
  for (const char* name : {"web", "cart"}) declare(plan::makeObject("sys", name, spec));
  spec.instance = "us-1";
  declare(plan::makeObject("sys", "dns", spec));
  declareUnikernel("sys/other", "eu-1");

  std::function<void()> changed;
  image::Puller puller(**store, inspector_, {.changed = [&changed] { changed(); }});
  Environment environment = this->environment();
  environment.puller = &puller;
  environment.holds = [](const std::string& instance) { return instance == "eu-1"; };
  Controller controller(context_.get_executor(), environment, inspector_, {true, false, {}});
  changed = [&controller] { controller.redistribute(); };
  StillSource source(snapshot());
  bool pulling = false;
  run(controller, follow(controller, source), [&] {
    if (onEu("sys/other") != nullptr && !pulling) {
      pulling = statusOf(plan::keyOf("sys/web")).condition(api::Condition::Type::Ready)->reason ==
                Reason::ImagePulling;
      if (pulling) server.release();
    }
    return statusOf(plan::keyOf("sys/web")).ready() && statusOf(plan::keyOf("sys/cart")).ready();
  });
  puller.stop();
  EXPECT_TRUE(pulling) << "what needs no pull did not wait for it";
  EXPECT_EQ(onEu("sys/web")->digest, onEu("sys/cart")->digest);
  EXPECT_EQ(server.asked().size(), 1u) << "once for all";
  EXPECT_EQ(onUs("sys/dns"), nullptr);
}

TEST_F(Fleet, DoesNotWaitForAServerThatHangs) {
  declareUnikernel("sys/web", "eu-1");
  declareUnikernel("sys/dns", "us-1");
  servers_.at(2)->hang = true;

  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
  const Controller::Outcome outcome = run(controller, controller.apply(snapshot(), 1h), [this] {
    return store_.find(plan::keyOf("sys/web")) != nullptr && statusOf(plan::keyOf("sys/web")).ready();
  });

  EXPECT_FALSE(outcome.finished);
  EXPECT_FALSE(store_.ready()) << "us-1 was not seen yet";
}

TEST_F(Fleet, TellsAServerThatCannotBeAskedForAReasonThatLasts) {
  declareUnikernel("sys/web", "eu-1");
  folder_.write("key.pem", "no key");
  const Controller::Outcome outcome = apply();
  EXPECT_TRUE(outcome.finished);
  EXPECT_THAT(outcome.errors, Contains(testing::Field(&Error::reason, Reason::CredentialInvalid)));
}

TEST_F(Fleet, WarnsOnceOfAKeyThatEverybodyCanRead) {
  exposeKey(true);
  EXPECT_TRUE(apply().finished);
  EXPECT_THAT(listener_.warnings, ElementsAre(HasSubstr((folder_.path() / "key.pem").string())))
      << "two instances have the same";

  exposeKey(false);
  listener_.warnings.clear();
  EXPECT_TRUE(apply().finished);
  EXPECT_THAT(listener_.warnings, IsEmpty());
}

TEST_F(Fleet, PublishesWhatNoInstanceCanHave) {
  declareUnikernel("sys/web", "mars-1");
  EXPECT_TRUE(apply().finished);
  const api::Status status = statusOf(plan::keyOf("sys/web"));
  EXPECT_EQ(status.condition(api::Condition::Type::Ready)->reason, Reason::InstanceNotFound);
  EXPECT_TRUE(status.condition(api::Condition::Type::Stalled));
}

TEST_F(Fleet, AMoveCreatesThereFirstAndThenDestroysHere) {
  declareUnikernel("sys/web", "eu-1");
  declareUnikernel("sys/dns", "eu-1");
  apply();
  declareUnikernel("sys/web", "us-1");
  bool here = false;
  servers_.at(2)->complete = [&] { here = onEu("sys/web") != nullptr; };

  EXPECT_TRUE(apply().finished);

  EXPECT_TRUE(here) << "while it was created there, it still ran here";
  EXPECT_NE(onUs("sys/web"), nullptr);
  EXPECT_EQ(onEu("sys/web"), nullptr);
  EXPECT_NE(onEu("sys/dns"), nullptr);
}

TEST_F(Fleet, WaitsForWhatItDependsOnAcrossInstances) {
  declareUnikernel("sys/db", "us-1");
  declareUnikernel("sys/web", "eu-1");
  auto web = std::make_shared<api::Object>(*objects_.at(plan::keyOf("sys/web")));
  std::get<api::Unikernel>(web->spec).dependsOn = {"db"};
  objects_[web->key()] = web;
  {
    Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
    const Controller::Preview preview = run(controller, controller.preview(snapshot()));
    const plan::Step& later = preview.instances.at("eu-1").plan->steps.at(0);
    EXPECT_EQ(later.reason, Reason::DependencyNotReady);
  }
  bool there = false;
  servers_.at(1)->arriving = [&](const albatross::Request& request) {
    const auto* command = std::get_if<albatross::UnikernelCommand>(&request.command);
    if (command != nullptr && std::holds_alternative<albatross::unikernel::Create>(*command))
      there = onUs("sys/db") != nullptr;
  };

  EXPECT_TRUE(apply().finished);

  EXPECT_TRUE(there);
  EXPECT_NE(onEu("sys/web"), nullptr);
  servers_.at(1)->destroy(plan::Scene::name("sys/web"));
  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
  const Controller::Preview preview = run(controller, controller.preview(snapshot()));
  EXPECT_NE(preview.instances.at("eu-1").plan->steps.at(0).reason, Reason::DependencyNotReady)
      << "what runs on the other is seen";
}

/// sys/web on ap-1, eu-1 and us-1.
class Replicated : public Fleet {
 protected:
  Replicated() {
    servers_[3] = std::make_unique<FakeServer>("key of ap-1");
    declareInstance("ap-1", 3);
    spec_.image.path = folder_.path() / "web.hvt";
    spec_.placement = api::Unikernel::Placement{.instanceSelector = {}, .replicas = std::nullopt};
  }

  void declareWeb(const std::map<std::string, std::string>& annotations = {}) {
    auto object = std::make_shared<api::Object>(*plan::makeObject("sys", "web", spec_));
    object->metadata.annotations = annotations;
    declare(object);
  }
  /// Another image.
  void changeImage(const std::string& content) {
    images::writeImage({.content = content}, folder_.path() / "web.hvt").value();
  }
  /// How many servers were told to replace what they run.
  std::size_t replaced() const {
    return servers_.at(1)->sent("forceCreate") + servers_.at(2)->sent("forceCreate") +
           servers_.at(3)->sent("forceCreate");
  }
  const api::Condition& ready() const {
    return *store_.find(web_)->status.condition(api::Condition::Type::Ready);
  }

  api::Unikernel spec_;
  const api::ObjectKey web_ = plan::keyOf("sys/web");
};

TEST_F(Replicated, RunsOnEachInstanceAndSaysSo) {
  declareWeb();
  const Controller::Outcome outcome = apply();
  EXPECT_TRUE(outcome.finished);
  for (const auto& [port, server] : servers_) EXPECT_EQ(server->sent("create"), 1u) << port;
  const api::Status status = statusOf(web_);
  EXPECT_TRUE(status.ready()) << ready().message;
  EXPECT_EQ(ready().message, "3 of 3 are Ready.");
  EXPECT_THAT(status.placements, ElementsAre(testing::Field(&api::PlacementStatus::instance, "ap-1"),
                                             testing::Field(&api::PlacementStatus::instance, "eu-1"),
                                             testing::Field(&api::PlacementStatus::instance, "us-1")));
}

TEST_F(Replicated, AreUpdatedOneAfterTheOther) {
  declareWeb();
  apply();
  std::size_t busy = 0, most = 0;
  for (const auto& [port, server] : servers_) {
    server->executing = [&](const albatross::Request& request) -> asio::awaitable<void> {
      const auto* command = std::get_if<albatross::UnikernelCommand>(&request.command);
      if (command == nullptr || !std::holds_alternative<albatross::unikernel::ForceCreate>(*command))
        co_return;
      ++busy;
      most = std::max(most, busy);
      asio::steady_timer timer(co_await asio::this_coro::executor, 5ms);
      (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      --busy;
    };
  }
  changeImage("another");
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(replaced(), 3u);
  EXPECT_EQ(most, 1u);
  EXPECT_TRUE(statusOf(web_).ready()) << ready().message;
  EXPECT_EQ(statusOf(web_).rollout->updated, 3);
}

TEST_F(Replicated, WaitAfterTheFirstUntilThisRevisionIsResumed) {
  spec_.pauseAfter = 1;
  declareWeb();
  apply();
  changeImage("another");
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(replaced(), 1u);
  EXPECT_EQ(ready().reason, Reason::UpdatePending);
  EXPECT_THAT(ready().message, HasSubstr("pauses after 1 of 3"));
  EXPECT_TRUE(apply().finished) << "another process knows it, too";
  EXPECT_EQ(replaced(), 1u);

  const std::string revision = statusOf(web_).rollout->revision;
  const std::map<std::string, std::string> resumed = {{std::string(api::rolloutResumeAnnotation), revision}};
  declareWeb(resumed);
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(replaced(), 3u);
  changeImage("yet another");
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(replaced(), 4u) << "that said nothing of this one";
}

TEST_F(Replicated, LeaveTheOthersAloneWhereTheFirstFails) {
  declareWeb();
  apply();
  changeImage("another");
  servers_.at(3)->refuse = "no such luck";
  apply({true, false, {}}, 1s);
  EXPECT_EQ(servers_.at(1)->sent("forceCreate") + servers_.at(2)->sent("forceCreate"), 0u);
  EXPECT_THAT(ready().message, HasSubstr("ap-1: "));
}

TEST_F(Replicated, AreCreatedAtAnyTime) {
  spec_.pauseAfter = 1;
  declareWeb();
  apply();
  servers_.at(2)->destroy(plan::Scene::name("sys/web"));
  EXPECT_TRUE(apply().finished);
  EXPECT_NE(onUs("sys/web"), nullptr);
}

TEST_F(Replicated, GoWhereTheyAreTooManyOnceTheOthersRun) {
  declareWeb();
  apply();
  spec_.placement->replicas = 1;
  declareWeb();
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(
      servers_.at(1)->sent("destroy") + servers_.at(2)->sent("destroy") + servers_.at(3)->sent("destroy"),
      2u);
  EXPECT_EQ(statusOf(web_).placements.size(), 1u);
  EXPECT_TRUE(statusOf(web_).ready()) << ready().message;
}

TEST_F(Replicated, StayWhereTheyAreTooManyAsLongAsTheOthersDoNotRun) {
  declareWeb();
  apply();
  servers_.at(1)->down = true;  // eu-1
  objects_.erase(web_);
  auto labelled = std::make_shared<api::Object>(*objects_.at({api::Kind::AlbatrossInstance, "", "us-1"}));
  labelled->metadata.labels["drained"] = "true";
  declare(labelled);
  using Operator = api::LabelSelector::Requirement::Operator;
  spec_.placement->instanceSelector =
      api::LabelSelector({{.key = "drained", .op = Operator::DoesNotExist, .values = {}, .bound = 0}});
  declareWeb();
  apply({true, false, {}}, 500ms);
  EXPECT_EQ(servers_.at(2)->sent("destroy"), 0u);
  servers_.at(1)->down = false;
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(servers_.at(2)->sent("destroy"), 1u);
}

TEST_F(Replicated, AreReadyForWhatDependsOnThemOnceAllAre) {
  declareWeb();
  api::Unikernel dependant;
  dependant.instance = "ap-1";
  dependant.image.path = folder_.path() / "web.hvt";
  dependant.dependsOn = {"web"};
  declare(plan::makeObject("sys", "proxy", dependant));
  servers_.at(1)->down = true;
  apply({true, false, {}}, 500ms);
  EXPECT_EQ(servers_.at(3)->find(plan::Scene::name("sys/proxy")), nullptr);
  servers_.at(1)->down = false;
  EXPECT_TRUE(apply().finished);
  EXPECT_NE(servers_.at(3)->find(plan::Scene::name("sys/proxy")), nullptr);
}

TEST_F(Fleet, AMoveDestroysNothingWherePruningIsOff) {
  declareUnikernel("sys/web", "eu-1");
  apply();
  declareUnikernel("sys/web", "us-1");

  EXPECT_TRUE(apply({false, false, {}}).finished);

  EXPECT_NE(onUs("sys/web"), nullptr);
  EXPECT_NE(onEu("sys/web"), nullptr);
}

TEST_F(Fleet, AMoveToAServerThatRefusesLeavesItWhereItIs) {
  declareUnikernel("sys/web", "eu-1");
  apply();
  declareUnikernel("sys/web", "us-1");
  servers_.at(2)->server.faults().refuse = true;

  EXPECT_TRUE(apply().finished) << "a refusal lasts";

  EXPECT_NE(onEu("sys/web"), nullptr);
  EXPECT_EQ(statusOf(plan::keyOf("sys/web")).condition(api::Condition::Type::Ready)->reason, Reason::Refused);
}

TEST_F(Fleet, ForgetsWhatHasGone) {
  for (const char* path : {"sys/a", "sys/b", "sys/c"}) declareUnikernel(path, "eu-1");
  apply();
  objects_.erase(plan::keyOf("sys/a"));

  EXPECT_TRUE(apply().finished);

  EXPECT_EQ(onEu("sys/a"), nullptr);
  EXPECT_EQ(store_.find(plan::keyOf("sys/a")), nullptr);
  EXPECT_NE(store_.find(plan::keyOf("sys/b")), nullptr);
}

TEST_F(Fleet, RemovesTheOnlyOneOfAFolder) {
  declareUnikernel("sys/a", "eu-1");
  apply();
  objects_.erase(plan::keyOf("sys/a"));
  EXPECT_THAT(apply().errors, IsEmpty());
  EXPECT_EQ(onEu("sys/a"), nullptr);
}

TEST_F(Fleet, SaysWhatIsWithheldFromPruning) {
  for (const char* path : {"sys/a", "sys/b", "sys/c"}) declareUnikernel(path, "eu-1");
  apply();
  for (const char* path : {"sys/a", "sys/b", "sys/c"}) objects_.erase(plan::keyOf(path));

  const Controller::Outcome outcome = apply();

  EXPECT_TRUE(outcome.finished);
  EXPECT_NE(onEu("sys/a"), nullptr);
  EXPECT_THAT(outcome.errors, ElementsAre(testing::Field(&Error::reason, Reason::PruneGuard)));
  const std::string& message = outcome.errors.at(0).message;
  const std::string id = message.substr(message.size() - 13, 12);
  const api::Status instance = statusOf({api::Kind::AlbatrossInstance, "", "eu-1"});
  EXPECT_TRUE(instance.ready());
  EXPECT_THAT(instance.condition(api::Condition::Type::Ready)->message, HasSubstr(message));
  EXPECT_TRUE(apply({true, false, {id}}).finished);
  EXPECT_EQ(onEu("sys/a"), nullptr);
}

/// Three run on eu-1, of which sys/a is not declared any more.
class FleetWithLeft : public Fleet {
 protected:
  FleetWithLeft() {
    for (const char* path : {"sys/a", "sys/b", "sys/c"}) declareUnikernel(path, "eu-1");
    apply();
    objects_.erase(left_);
  }

  void expectStalled(Reason reason, const std::string& message) {
    const api::Status status = statusOf(left_);
    const api::Condition& ready = *status.condition(api::Condition::Type::Ready);
    EXPECT_EQ(ready.status, api::Condition::Status::False);
    EXPECT_EQ(ready.reason, reason);
    EXPECT_THAT(ready.message, HasSubstr(message));
    EXPECT_TRUE(status.condition(api::Condition::Type::Stalled));
    EXPECT_TRUE(status.digest) << "it runs as before";
    EXPECT_NE(onEu("sys/a"), nullptr);
  }

  const api::ObjectKey left_ = plan::keyOf("sys/a");
  const api::ObjectKey eu_{api::Kind::AlbatrossInstance, "", "eu-1"};
};

TEST_F(FleetWithLeft, SaysThatItsInstanceIsNotDeclared) {
  const api::ObjectPtr instance = objects_.at(eu_);
  objects_.erase(eu_);
  EXPECT_TRUE(apply().finished);
  expectStalled(Reason::InstanceNotFound, "AlbatrossInstance eu-1, where it runs, is not declared any more.");

  declare(instance);
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(onEu("sys/a"), nullptr);
  EXPECT_EQ(store_.find(left_), nullptr);
}

TEST_F(FleetWithLeft, SaysThatPruningIsOff) {
  EXPECT_TRUE(apply({false, false, {}}).finished);
  expectStalled(Reason::Pruning, "--no-prune");
}

TEST_F(FleetWithLeft, SaysThatItsInstanceIsSuspended) {
  auto instance = objects_.at(eu_)->as<api::AlbatrossInstance>();
  instance.suspend = true;
  declare(plan::makeObject("", "eu-1", instance));
  EXPECT_TRUE(apply().finished);
  expectStalled(Reason::InstanceSuspended, "AlbatrossInstance eu-1 is suspended");
}

TEST_F(FleetWithLeft, SaysThatItsInstanceCannotBeAsked) {
  folder_.write("key.pem", "no key");
  EXPECT_TRUE(apply().finished);
  expectStalled(Reason::InstanceUnavailable, "AlbatrossInstance eu-1 cannot be asked");
}

TEST_F(FleetWithLeft, IsLeftRunningWhenItSaidSoWhileItsInstanceCouldNotBeAsked) {
  std::ifstream file(folder_.path() / "key.pem");
  const std::string key{std::istreambuf_iterator<char>(file), {}};
  api::Unikernel spec;
  spec.instance = "eu-1";
  spec.image.path = folder_.path() / "web.hvt";
  spec.prune = false;
  declare(plan::makeObject("sys", "a", spec));
  folder_.write("key.pem", "no key");
  apply();
  objects_.erase(left_);
  store_.remove(left_);  // as after a restart
  folder_.write("key.pem", key);
  exposeKey(false);
  EXPECT_TRUE(apply().finished);
  EXPECT_NE(onEu("sys/a"), nullptr);
  EXPECT_THAT(state_->entries(), SizeIs(2)) << "it is not ours any more";
}

TEST_F(FleetWithLeft, IsLetGoAlsoWhileItsInstanceCannotBeAsked) {
  auto object = std::make_shared<api::Object>(*store_.find(left_)->object);
  object->metadata.annotations[std::string(api::releaseAnnotation)] = "true";
  store_.declare(object, store_.find(left_)->identity, {});
  folder_.write("key.pem", "no key");
  EXPECT_TRUE(apply().finished);
  EXPECT_EQ(store_.find(left_), nullptr);
  EXPECT_THAT(state_->entries(), SizeIs(2));
  EXPECT_NE(onEu("sys/a"), nullptr);
}

TEST_F(FleetWithLeft, SaysThatItIsWithheld) {
  objects_.erase(plan::keyOf("sys/b"));
  objects_.erase(plan::keyOf("sys/c"));
  EXPECT_TRUE(apply().finished);
  expectStalled(Reason::PruneGuard, "who may change AlbatrossInstance eu-1, whose Ready condition says how");
}

TEST_F(FleetWithLeft, GoesWhenItsSetIsConfirmedWhileTheControllerRuns) {
  const auto gone = [this] {
    return onEu("sys/a") == nullptr && onEu("sys/b") == nullptr && onEu("sys/c") == nullptr;
  };
  objects_.erase(plan::keyOf("sys/b"));
  objects_.erase(plan::keyOf("sys/c"));
  Controller controller(context_.get_executor(), environment(), inspector_, {.settle = false});
  StillSource source(snapshot());
  const Confirmations confirmations(folder_.path() / "state");
  asio::cancellation_signal stop;
  asio::co_spawn(controller.strand(), confirmations.serve(controller),
                 asio::bind_cancellation_slot(stop.slot(), asio::detached));
  const auto isWithheld = [this] {
    const ObjectViewPtr view = store_.find({api::Kind::AlbatrossInstance, "", "eu-1"});
    return view != nullptr &&
           view->status.condition(api::Condition::Type::Ready)->reason == Reason::PruneGuard;
  };
  std::optional<std::jthread> somebody;
  std::vector<Result<std::string>> said;
  const std::string listed = "These are: ";
  run(controller, follow(controller, source), [&] {
    if (!somebody && isWithheld()) {
      somebody.emplace([&] {
        said.push_back(confirmations.ask("000000000000", 20s));
        const std::string others = said[0] ? "" : said[0].error().message;
        said.push_back(confirmations.ask(others.substr(others.find(listed) + listed.size(), 12), 20s));
      });
    }
    const bool over = gone();
    if (over) stop.emit(asio::cancellation_type::terminal);
    return over;
  });
  somebody.reset();
  ASSERT_THAT(said, SizeIs(2));
  ASSERT_FALSE(said[0]);
  EXPECT_THAT(said[0].error().message,
              HasSubstr("No set of unikernels is withheld with the ID 000000000000"));
  ASSERT_TRUE(said[1]) << said[1].error().message;
  EXPECT_THAT(*said[1], HasSubstr("sys/a, sys/b, sys/c"));
  state_.reset();
  const auto nobody = confirmations.ask("000000000000", 20s);
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error().message, HasSubstr("No rookery runs with the state directory"));
}

// Whatever lies in the folder when a controller begins, or is as old, was meant for something else.
TEST_F(FleetWithLeft, IsConfirmedByNoQuestionOfThePast) {
  objects_.erase(plan::keyOf("sys/b"));
  objects_.erase(plan::keyOf("sys/c"));
  Controller controller(context_.get_executor(), environment(), inspector_, {.settle = false});
  StillSource source(snapshot());
  const auto inFolder = [](const std::string& name) { return "state/confirmations/" + name; };
  const auto withhold = [&]() -> std::string {
    const ObjectViewPtr view = store_.find({api::Kind::AlbatrossInstance, "", "eu-1"});
    if (view == nullptr) return "";
    const std::string message = view->status.condition(api::Condition::Type::Ready)->message;
    constexpr std::string_view before = "--confirm-prune ";
    const auto at = message.find(before);
    return at == std::string::npos ? "" : message.substr(at + before.size(), 12);
  };
  const Confirmations confirmations(folder_.path() / "state");
  asio::cancellation_signal stop;
  std::vector<std::filesystem::path> old;
  run(controller, follow(controller, source), [&] {
    const std::string id = withhold();
    if (id.empty()) return false;
    if (old.empty()) {
      for (const char* name : {"before.question", "before.answer", ".rookery-before.tmp"})
        old.push_back(folder_.write(inFolder(name), id));
      asio::co_spawn(controller.strand(), confirmations.serve(controller),
                     asio::bind_cancellation_slot(stop.slot(), asio::detached));
      return false;
    }
    if (old.size() == 3 && !std::filesystem::exists(old[0])) {
      for (const char* name : {"stale.question", "stale.answer", ".rookery-stale.tmp"}) {
        old.push_back(folder_.write(inFolder("." + std::string(name)), id));
        std::filesystem::last_write_time(old.back(), std::filesystem::file_time_type::clock::now() - 61s);
        const auto visible = folder_.path() / inFolder(name);
        std::filesystem::rename(old.back(), visible);
        old.back() = visible;
      }
    }
    const bool over = old.size() == 6 && std::ranges::none_of(old, [](const auto& file) {
                        return std::filesystem::exists(file);
                      });
    if (over) stop.emit(asio::cancellation_type::terminal);
    return over;
  });
  EXPECT_THAT(old, SizeIs(6));
  for (const char* name : {"before.answer", "stale.answer"})
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / inFolder(name)));
  for (const char* unikernel : {"sys/a", "sys/b", "sys/c"}) EXPECT_NE(onEu(unikernel), nullptr);
}

TEST_F(FleetWithLeft, SaysWhatKeepsItFromBeingPruned) {
  auto found = std::make_shared<source::Snapshot>(*snapshot());
  found->silent[folder_.path() / "all.yaml"] = {.cause = "all.yaml is empty."};
  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
  const Controller::Outcome outcome = run(controller, controller.apply(found, 20s));
  expectStalled(Reason::PruneBlocked, "is kept: all.yaml is empty.");
  EXPECT_FALSE(store_.find(left_)->identity.deletionTimestamp) << "nobody knows that it was deleted";
  EXPECT_THAT(outcome.errors, ElementsAre(testing::Field(&Error::reason, Reason::PruneBlocked)));
}

/// A process that never saw a manifest of what is left shows it all the same.
TEST_F(FleetWithLeft, IsShownByWhoNeverSawItsManifest) {
  const api::Identity identity = store_.find(left_)->identity;
  const auto look = [&](const std::function<void(source::Snapshot&)>& edit) {
    auto found = std::make_shared<source::Snapshot>(*snapshot());
    edit(*found);
    store_.remove(left_);
    Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
    run(controller, controller.apply(found, 20s));
    const ObjectViewPtr view = store_.find(left_);
    EXPECT_NE(view, nullptr);
    if (view == nullptr) return api::Condition{};
    EXPECT_EQ(view->identity, identity);
    EXPECT_EQ(view->status.instance, "eu-1");
    EXPECT_TRUE(view->status.condition(api::Condition::Type::Stalled));
    EXPECT_NE(onEu("sys/a"), nullptr);
    return *view->status.condition(api::Condition::Type::Ready);
  };
  const api::Condition silent = look([&](source::Snapshot& found) {
    found.silent[folder_.path() / "all.yaml"] = {.cause = "all.yaml is empty."};
  });
  EXPECT_EQ(silent.reason, Reason::PruneBlocked);
  EXPECT_THAT(silent.message, HasSubstr("all.yaml is empty."));

  const api::Condition mistaken = look([&](source::Snapshot& found) {
    found.declared.insert(left_);
    found.problems.push_back({.origin = {.root = ".", .file = "all.yaml"},
                              .object = left_,
                              .field = "spec.memory",
                              .message = "too much"});
  });
  EXPECT_EQ(mistaken.reason, Reason::InvalidManifest);
  EXPECT_THAT(mistaken.message, HasSubstr("all.yaml: spec.memory: too much"));
}

TEST_F(FleetWithLeft, LeavesTheWordToWhoHoldsTheInstance) {
  Environment environment = this->environment();
  environment.holds = [](const std::string& instance) { return instance == "us-1"; };
  Controller controller(context_.get_executor(), environment, inspector_, {false, false, {}});
  run(controller, controller.apply(snapshot(), 1h), [this] { return !store_.find(left_)->ours; });
  EXPECT_TRUE(statusOf(left_).ready());
}

TEST_F(FleetWithLeft, SaysItOfWhatWasDeletedBeforeThisProcessBegan) {
  const api::ObjectPtr object = store_.find(left_)->object;
  store_.remove(left_);
  objects_.erase(eu_);
  auto found = std::make_shared<source::Snapshot>(*snapshot());
  found->roots[0].deletesByName = true;
  found->deleted = {object};
  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
  run(controller, controller.apply(found, 20s));
  ASSERT_NE(store_.find(left_), nullptr);
  const api::Status status = statusOf(left_);
  EXPECT_TRUE(status.condition(api::Condition::Type::Stalled));
  EXPECT_THAT(status.condition(api::Condition::Type::Ready)->message,
              HasSubstr("annotate it with rookery.dev/release: \"true\""));
}

TEST_F(FleetWithLeft, HasOneWordForItWhileALoopStillSpeaksOfWhatWas) {
  const source::SnapshotPtr without = snapshot();
  declareUnikernel("sys/a", "eu-1");
  StillSource source(snapshot());
  Controller controller(context_.get_executor(), environment(), inspector_, {false, false, {}});
  listener_.reasons.clear();
  listener_.scans = 0;
  bool deleted = false;
  // It is deleted while its loop looks, and the controller knows before the loop tells what it saw.
  servers_.at(1)->arriving = [&](const albatross::Request&) {
    if (std::exchange(deleted, true)) return;
    source.change(without);
    while (listener_.scans < 2) context_.poll_one();
  };
  run(controller, follow(controller, source),
      [this] { return statusOf(left_).condition(api::Condition::Type::Stalled) != nullptr; });
  EXPECT_THAT(listener_.reasons[left_], ElementsAre(Reason::Pruning));
}

TEST_F(FleetWithLeft, SaysThatItsRemovalCannotBeWrittenDown) {
  wrapped_->refuses = [this](const plan::Entry& entry) { return entry.object == left_; };
  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
  run(controller, controller.apply(snapshot(), 20s), [this] {
    return statusOf(left_).condition(api::Condition::Type::Ready)->reason == Reason::StateUnwritable;
  });
  expectStalled(Reason::StateUnwritable,
                "sys/a could not be destroyed: The state directory cannot be written");
  EXPECT_TRUE(statusOf(plan::keyOf("sys/b")).ready()) << "that is no trouble of others";
}

/// Instance x2 names the server of eu-1, and has another root namespace there.
class OneServerTwice : public Fleet {
 protected:
  OneServerTwice() {
    auto spec = objects_.at({api::Kind::AlbatrossInstance, "", "eu-1"})->as<api::AlbatrossInstance>();
    spec.rootNamespace = "other";
    declare(plan::makeObject("", "x2", spec));
    declareUnikernel("sys/web", "eu-1");
    declareUnikernel("other/web", "x2");
    declareUnikernel("sys/dns", "eu-1");
  }
};

TEST_F(OneServerTwice, RefusesBothObjectsThatAreOneUnikernel) {
  EXPECT_TRUE(apply().finished);
  for (const char* path : {"sys/web", "other/web"}) {
    const api::Status status = statusOf(plan::keyOf(path));
    const api::Condition& ready = *status.condition(api::Condition::Type::Ready);
    EXPECT_EQ(ready.status, api::Condition::Status::False) << path;
    EXPECT_EQ(ready.reason, Reason::DuplicateObject) << path << ": " << ready.message;
  }
  EXPECT_TRUE(statusOf(plan::keyOf("sys/dns")).ready());
  EXPECT_LE(servers_.at(1)->sent("create"), 2u) << "one may have been there before the other was seen";
  EXPECT_EQ(servers_.at(1)->sent("restart") + servers_.at(1)->sent("forceCreate"), 0u);
}

TEST_F(OneServerTwice, APreviewSaysItOfBoth) {
  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});
  const Controller::Preview preview = run(controller, controller.preview(snapshot()));
  for (const auto& [instance, path] : {std::pair("eu-1", "sys/web"), std::pair("x2", "other/web")}) {
    const auto& state = preview.instances.at(instance).plan->objects.at(plan::keyOf(path));
    EXPECT_EQ(state.status.condition(api::Condition::Type::Ready)->reason, Reason::DuplicateObject) << path;
  }
}

TEST_F(Fleet, APreviewLooksAtAllAndChangesNothing) {
  declareUnikernel("sys/web", "eu-1");
  declareUnikernel("sys/dns", "us-1");
  declareUnikernel("sys/lost", "mars-1");
  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});

  const Controller::Preview preview = run(controller, controller.preview(snapshot()));

  EXPECT_THAT(preview.instances, UnorderedElementsAre(Key("eu-1"), Key("us-1")));
  EXPECT_THAT(preview.instances.at("us-1").plan->steps, SizeIs(1));
  EXPECT_THAT(preview.unplaced, ElementsAre(Key(plan::keyOf("sys/lost"))));
  EXPECT_EQ(onEu("sys/web"), nullptr);
  EXPECT_THAT(state_->entries(), IsEmpty());
}

TEST_F(Fleet, APreviewCanBeInterrupted) {
  servers_.at(2)->hang = true;
  Controller controller(context_.get_executor(), environment(), inspector_, {true, false, {}});

  const Controller::Preview preview =
      run(controller, controller.preview(snapshot()), [this] { return !servers_.at(2)->verbs.empty(); });

  EXPECT_EQ(preview.instances.at("us-1").plan.error().reason, Reason::Cancelled);
}

constexpr std::string_view usManifest = R"(apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {name: us-1}
spec:
  endpoint: 127.0.0.1:2
  rootNamespace: sys
  credentials: {files: {ca: ../cert.pem, certificate: ../cert.pem, privateKey: ../key.pem}}
)";
constexpr std::string_view dnsManifest = R"(apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata: {name: dns, namespace: sys}
spec: {image: {path: web.hvt}}
)";

TEST_F(Fleet, FollowsAFolderUntilItIsStopped) {
  folder_.write("manifests/us.yaml", usManifest);
  exposeKey(true);
  EXPECT_TRUE(images::writeImage({}, folder_.path() / "manifests/web.hvt"));
  source::DirectorySource source({.roots = {folder_.path() / "manifests"}, .debounce = 1ms});
  Controller controller(context_.get_executor(), environment(), inspector_, {});
  int stage = 0;
  run(controller, follow(controller, source), [&] {
    if (stage == 0 && store_.ready()) {
      folder_.replace("manifests/dns.yaml", dnsManifest);
      stage = 1;
    }
    if (stage == 1 && onUs("sys/dns") != nullptr) {
      std::filesystem::remove(folder_.path() / "manifests/us.yaml");
      stage = 2;
    }
    if (stage == 2 && !listener_.forgotten.empty()) {
      folder_.replace("manifests/us.yaml", usManifest);
      stage = 3;
    }
    return stage == 3 && statusOf(plan::keyOf("sys/dns")).ready();
  });

  EXPECT_THAT(listener_.forgotten, Contains("us-1"));
  EXPECT_THAT(listener_.warnings, SizeIs(1)) << "of the key, however often it is looked at";
  EXPECT_EQ(servers_.at(2)->sent("create"), 1)
      << "what an instance had before it was gone is its own when it is back";
}

}  // namespace
}  // namespace rookery::reconcile
