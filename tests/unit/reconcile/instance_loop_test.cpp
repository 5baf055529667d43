#include "reconcile/instance_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>
#include <functional>
#include <optional>
#include <set>

#include "fixtures/limits.h"
#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"
#include "image/inspector.h"
#include "images/image_maker.h"
#include "plan/desired.h"
#include "plan/unikernel_state.h"
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
using testing::SizeIs;

/// What the loop tells.
class Told : public Listener {
 public:
  void warned(const std::string&, Reason reason, const std::string&) override { warnings.push_back(reason); }
  void stepEnded(const std::string&, const api::ObjectKey&, plan::Verb verb,
                 const CommandResult& result) override {
    steps.emplace_back(toString(verb));
    bytes += result.bytes;
    names.push_back(result.name);
    if (!result.traceId.empty()) stepTraces.insert(result.traceId);
    if (result.error) failures.push_back(result.error->reason);
  }
  void imageSent(const std::string&, const api::ObjectKey&, std::uint64_t now, std::uint64_t all) override {
    EXPECT_LE(now, all);
    total = all;
  }
  void roundEnded(const std::string&, const Round& round) override {
    last = round;
    if (!round.traceId.empty()) traces.insert(round.traceId);
    if (round.partly) partly.push_back(round);
    if (!first) first = round;
  }

  void rolledBack(const std::string&, const api::ObjectKey& object) override {
    rollbacks.push_back(object.nameSpace + "/" + object.name);
  }

  std::vector<std::string> rollbacks;
  std::vector<Reason> warnings, failures;
  std::vector<std::string> steps, names;     // names: at the server
  std::set<std::string> traces, stepTraces;  // of rounds, and of steps
  std::uint64_t bytes = 0, total = 0;
  std::optional<Round> last;
  std::vector<Round> partly;   // those in which not all was judged
  std::optional<Round> first;  // since somebody forgot it
};

/// One loop on one thread, and the server that it talks to.
class Loop : public testing::Test {
 protected:
  Loop() {
    const fixtures::Identity ca = fixtures::makeIdentity({});
    scene_.desired.credentials = albatross::Pem{ca.certificate, ca.certificate, ca.privateKey};
    environment_.connect = [this](const albatross::ClientOptions&) {
      return FakeServer::connect([this]() -> FakeServer& { return *server_; });
    };
    scene_.declarePolicy("shop", plan::makePolicy(10, 512));
    writeImage("a");
  }
  ~Loop() override { stop(); }

  image::Image writeImage(const std::string& content) {
    const auto path = folder_.path() / "web.hvt";
    images::ImageSpec spec;
    spec.content = content;
    spec.size = 200'000;
    EXPECT_TRUE(images::writeImage(spec, path));
    auto image = inspector_.inspect(path);
    EXPECT_TRUE(image);
    return *image;
  }

  /// Another content in the file that is being read.
  void spoilImage() const {
    std::fstream file(folder_.path() / "web.hvt", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(150'000);
    file << "other bytes";
  }

  void declare(const std::string& path, const std::string& argument = "--a") {
    scene_.declare(path, [&](api::Unikernel&, plan::DesiredUnikernel& unikernel) {
      unikernel.image = *inspector_.inspect(folder_.path() / "web.hvt");
      unikernel.arguments.arguments = {{argument}};
    });
  }

  /// Declares in objects_ what is desired, as the controller does.
  plan::DesiredPtr desired() {
    const plan::Desired& desired = scene_.desired;
    objects_.declare(desired.instance, desired.identity, {});
    for (const auto& [key, item] : desired.unikernels) objects_.declare(item.object, item.identity, {});
    for (const auto& [nameSpace, item] : desired.policies) objects_.declare(item.object, item.identity, {});
    return std::make_shared<plan::Desired>(desired);
  }

  void start() {
    if (!state_) {
      auto state = state::StateDir::open(folder_.path() / "state");
      ASSERT_TRUE(state);
      state_ = std::move(*state);
      wrapped_.emplace(*state_);
      wrapped_->kept = kept_;
      own_.emplace(Environment{.state = *wrapped_,
                               .objects = objects_,
                               .listener = told_,
                               .connect = environment_.connect,
                               .permit = permit_,
                               .keptImages = images_.get(),
                               .servers = &servers_,
                               .usages = usages_,
                               .plans = &plans_,
                               .probe = probe_,
                               .stateLost = [this](const Error& error) { lost_ = error.reason; },
                               .tracer = tracer_ ? &*tracer_ : nullptr});
    }
    strand_ = asio::make_strand(context_);
    loop_ = std::make_shared<InstanceLoop>(strand_, *own_, desired(), [this](const RoundEnd& end) {
      ++rounds_;
      end_ = end;
    });
    running_ = true;
    asio::co_spawn(strand_, loop_->run(),
                   asio::bind_cancellation_slot(cancel_.slot(), [this](const std::exception_ptr& failure) {
                     EXPECT_EQ(failure != nullptr, failing_);
                     running_ = false;
                   }));
  }

  /// Runs until `done` holds; fails when that takes very long.
  void until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!done()) {
      context_.restart();
      context_.run_one_until(end);
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "it does not come to that";
    }
  }
  void untilFinished() {
    until([this] { return end_ && end_->finished; });
  }
  void update() {
    end_.reset();
    loop_->update(desired());
  }
  void stop() {
    if (!running_) return;
    asio::post(strand_, [this] { cancel_.emit(asio::cancellation_type::terminal); });
    until([this] { return !running_; });
  }

  api::Condition ready(const std::string& path) const {
    const ObjectViewPtr view = objects_.find(plan::keyOf(path));
    return view == nullptr ? api::Condition{} : *view->status.condition(api::Condition::Type::Ready);
  }
  plan::Entry entry(const std::string& path) const {
    return state_->inventoryOf("key").at(plan::Scene::name(path));
  }

  struct Wiring {
    std::function<std::unique_ptr<albatross::Client>(albatross::ClientOptions)> connect;
  };

  fixtures::TempDir folder_;
  image::Inspector inspector_;
  plan::Scene scene_;  // of which only what is desired counts
  Wiring environment_;
  std::function<bool(const std::string&, const plan::Step&)> permit_;
  std::function<void(probe::Target, std::chrono::milliseconds, probe::Prober::Done)> probe_;
  std::unique_ptr<image::ImageStore> images_;  // for what may have to be put back
  std::unique_ptr<FakeServer> server_ = std::make_unique<FakeServer>();
  std::unique_ptr<state::StateDir> state_;
  std::optional<WrappedState> wrapped_;
  std::optional<std::string> kept_;  // an instance, though it is being deleted
  ObjectStore objects_;
  Servers servers_;
  UsageStore store_;
  UsageStore* usages_ = nullptr;
  InstancePlans plans_;
  std::vector<trace::SpanData> spans_;  // that have ended
  std::optional<trace::Tracer> tracer_;
  Told told_;
  std::optional<Environment> own_;
  asio::io_context context_;
  asio::any_io_executor strand_;
  asio::cancellation_signal cancel_;
  std::shared_ptr<InstanceLoop> loop_;
  std::optional<RoundEnd> end_;
  int rounds_ = 0;
  bool running_ = false;
  bool failing_ = false;  // it is to throw
  std::optional<Reason> lost_;
};

TEST_F(Loop, BringsWhatIsDeclaredToTheServerAndRests) {
  declare("shop/web");
  declare("shop/cart");
  start();
  untilFinished();

  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
  EXPECT_EQ(ready("shop/cart").reason, Reason::Running);
  EXPECT_THAT(told_.steps, ElementsAre("applyPolicy", "create", "create"));
  EXPECT_EQ(told_.bytes, 400'000);
  EXPECT_EQ(told_.total, 200'000);
  EXPECT_TRUE(entry("shop/web").confirmed);
  EXPECT_FALSE(entry("shop/web").pending);
  EXPECT_EQ(told_.last->unikernels.at({"shop", plan::UnikernelState::Ready}), 2);
  const ObjectViewPtr instance = objects_.find({api::Kind::AlbatrossInstance, "", "eu-1"});
  EXPECT_TRUE(instance->status.ready());

  const int rounds = rounds_;
  update();
  until([&] { return rounds_ > rounds; });
  EXPECT_EQ(server_->sent("create"), 2) << "a look at what is as it should be changes nothing";
}

// -- Traces
// -----------------------------------------------------------------------------------------------------------

class TracedLoop : public Loop {
 protected:
  TracedLoop() {
    tracer_.emplace(trace::Sampler(), [this](trace::SpanData span) { spans_.push_back(std::move(span)); });
  }
  std::vector<trace::SpanData> spans(const std::string& name) const {
    std::vector<trace::SpanData> found;
    std::ranges::copy_if(spans_, std::back_inserter(found),
                         [&](const trace::SpanData& span) { return span.name == name; });
    return found;
  }
  static trace::Value valueOf(const trace::SpanData& span, const std::string& key) {
    const auto found = std::ranges::find(span.attributes, key, &trace::Attributes::value_type::first);
    return found == span.attributes.end() ? trace::Value() : found->second;
  }
};

TEST_F(TracedLoop, TellsRoundsAndStepsAndUploadsAsPartsOfEachOther) {
  declare("shop/web");
  start();
  untilFinished();
  stop();

  const auto steps = spans("step"), uploads = spans("upload"), rounds = spans("round");
  ASSERT_THAT(steps, SizeIs(2));
  EXPECT_EQ(valueOf(steps[0], "rookery.verb"), trace::Value("applyPolicy"));
  const trace::SpanData& create = steps[1];
  EXPECT_EQ(valueOf(create, "rookery.verb"), trace::Value("create"));
  EXPECT_EQ(valueOf(create, "rookery.reason"), trace::Value("Absent"));
  EXPECT_EQ(valueOf(create, "rookery.object.name"), trace::Value("web"));
  EXPECT_EQ(valueOf(create, "rookery.result"), trace::Value("success"));
  EXPECT_EQ(valueOf(create, "albatross.name"), trace::Value(told_.names.at(1)));
  EXPECT_FALSE(create.failed);
  ASSERT_THAT(uploads, SizeIs(1));
  EXPECT_EQ(uploads[0].parent, create.context.span);
  EXPECT_EQ(valueOf(uploads[0], "rookery.image.bytes"), trace::Value(std::int64_t{200'000}));
  EXPECT_TRUE(std::ranges::any_of(rounds, [&](const trace::SpanData& round) {
    return round.context.span == create.parent && round.context.traceId() == create.context.traceId();
  }));
  EXPECT_THAT(spans("observe"), SizeIs(rounds.size()));
  EXPECT_TRUE(std::ranges::includes(told_.traces, told_.stepTraces))
      << "the log names the trace of a command";
  EXPECT_FALSE(told_.stepTraces.empty());
}

TEST_F(Loop, TellsNoTraceWhereNothingIsTraced) {
  declare("shop/web");
  start();
  untilFinished();
  EXPECT_THAT(told_.names, Contains(plan::Scene::name("shop/web").toString()));
  EXPECT_THAT(told_.traces, IsEmpty());
  EXPECT_THAT(told_.stepTraces, IsEmpty());
}

// -- Health checks
// -----------------------------------------------------------------------------------------------------------

class Checked : public Loop {
 protected:
  Checked() {
    images_ = *image::ImageStore::open(folder_.path() / "images", {});
    probe_ = [this](const probe::Target&, std::chrono::milliseconds, const probe::Prober::Done& done) {
      ++probes_;
      if (well_) done(*well_ ? Result<void>() : fail(Reason::Unhealthy, "It refuses."));
    };
  }
  void declareChecked(const std::string& argument, bool rollback) {
    declare("shop/web", argument);
    scene_.declare("shop/web", [&](api::Unikernel& spec, plan::DesiredUnikernel&) {
      spec.healthCheck = api::HealthCheck{.target = api::TcpCheck{"10.0.42.20:80"}, .rollback = rollback};
    });
  }
  std::string digest() { return server_->find(plan::Scene::name("shop/web"))->digest; }
  bool isKept(const std::string& digest) const { return images_->contains(image::toHex(digest)); }
  void untilReason(Reason reason) {
    until([&] { return ready("shop/web").reason == reason; });
  }

  std::optional<bool> well_ = true;  // nothing: no check ever ends
  int probes_ = 0;
};

TEST_F(Checked, IsWaitedFor) {
  well_.reset();
  declareChecked("--a", false);
  start();
  until([&] { return probes_ == 1; });
  EXPECT_EQ(ready("shop/web").reason, Reason::Reconciling);
  EXPECT_FALSE(end_->finished);
  stop();
  well_ = true;
  start();
  untilFinished();
  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
}

TEST_F(Checked, AnUpdateThatEndsIsPutBackThoughItsFileIsAnother) {
  declareChecked("--a", true);
  start();
  untilReason(Reason::Running);
  const std::string good = digest();
  until([&] { return isKept(good); });
  well_ = false;
  writeImage("b");
  declareChecked("--b", true);
  update();
  until([&] { return server_->sent("forceCreate") == 1; });
  EXPECT_NE(digest(), good);
  server_->destroy(plan::Scene::name("shop/web"));
  loop_->lookNow();
  until([&] { return server_->sent("create") == 2; });
  EXPECT_EQ(digest(), good);
  EXPECT_EQ(server_->find(plan::Scene::name("shop/web"))->configuration.arguments.arguments,
            std::vector<std::string>{"--a"});
  well_ = true;
  loop_->lookNow();
  untilReason(Reason::RolledBack);
  untilFinished();
  EXPECT_THAT(told_.rollbacks, ElementsAre("shop/web"));
  EXPECT_TRUE(entry("shop/web").rollback->trial->failed) << "it is on the disk";
  stop();
  start();
  untilFinished();
  EXPECT_EQ(ready("shop/web").reason, Reason::RolledBack) << "also after the next start";
  EXPECT_EQ(server_->sent("forceCreate") + server_->sent("create"), 3);
}

TEST_F(Checked, WhatThereIsNoCopyOfIsGotBeforeItIsReplaced) {
  declare("shop/web");
  start();
  untilReason(Reason::Running);
  const std::string good = digest();
  EXPECT_FALSE(isKept(good)) << "nobody asked for it to be put back";
  writeImage("b");
  declareChecked("--a", true);
  update();
  until([&] { return server_->sent("forceCreate") == 1; });
  EXPECT_EQ(server_->sent("get"), 1);
  EXPECT_TRUE(isKept(good));
}

TEST_F(Checked, WhatCannotBeKeptIsNotReplaced) {
  declare("shop/web");
  start();
  untilReason(Reason::Running);
  const std::string good = digest();
  images_ = *image::ImageStore::open(folder_.path() / "small", {.largestImage = 1'000});
  stop();
  own_->keptImages = images_.get();
  writeImage("b");
  declareChecked("--a", true);
  end_.reset();
  start();
  untilFinished();
  EXPECT_EQ(digest(), good);
  EXPECT_EQ(server_->sent("forceCreate"), 0);
  EXPECT_THAT(ready("shop/web").message, HasSubstr("and so it is not updated"));
}

// -- What a server says beside what is observed
// ----------------------------------------------------------------------

TEST_F(Loop, TellsWhatUnikernelsUseAndLooksForWhatIsMentionedNoMore) {
  usages_ = &store_;
  declare("shop/web");
  start();
  untilFinished();
  until([&] { return server_->openStreams() == 1; });
  for (int i = 0; i < 2; ++i) {
    server_->tellStatistics();
    until([&] { return store_.find(plan::keyOf("shop/web")).has_value(); });
  }
  until([&] { return server_->sent("create") == 1; });
  server_->destroy(plan::Scene::name("shop/web"));
  until([&] { return server_->sent("create") == 2; });
}

TEST_F(Loop, AsksForNoStatisticsThatNobodyWants) {
  declare("shop/web");
  start();
  untilFinished();
  EXPECT_EQ(server_->subscriptions, 0);
}

TEST_F(Loop, TellsHowItsServerIsReachedUntilItEnds) {
  usages_ = &store_;
  declare("shop/web");
  start();
  untilFinished();
  const ServerPtr server = servers_.find("eu-1");
  ASSERT_NE(server, nullptr);
  EXPECT_TRUE(server->policies.contains(plan::Scene::domain("shop")));
  EXPECT_TRUE(server->about(plan::keyOf("shop/web")));
  declare("shop/cart");
  update();
  untilFinished();
  const ServerPtr later = servers_.find("eu-1");
  EXPECT_EQ(later->client, server->client) << "reached as before";
  EXPECT_TRUE(later->desired->unikernels.contains(plan::keyOf("shop/cart")));
  const fixtures::Identity ca = fixtures::makeIdentity({});
  scene_.desired.credentials = albatross::Pem{ca.certificate, ca.certificate, ca.privateKey};
  update();
  untilFinished();
  EXPECT_NE(servers_.find("eu-1")->client, server->client) << "with another credential";
  until([&] { return server_->subscriptions == 2 && server_->openStreams() == 1; });
  server_->tellStatistics();
  until([&] { return store_.find(plan::keyOf("shop/web")).has_value(); });
  stop();
  EXPECT_EQ(servers_.find("eu-1"), nullptr);
  EXPECT_THAT(store_.all(), IsEmpty());
  EXPECT_EQ(server_->openStreams(), 0);
}

TEST_F(Loop, GoesOnWithoutStatistics) {
  usages_ = &store_;
  server_->noStatistics = true;
  declare("shop/web");
  start();
  untilFinished();
  until([&] { return server_->subscriptions == 1; });
  declare("shop/web", "--b");
  update();
  until([&] { return server_->sent("restart") == 1; });
}

/// Who follows the statistics must not keep it quiet.
TEST_F(Loop, EndsWithWhatItDidNotExpect) {
  usages_ = &store_;
  environment_.connect = [](const albatross::ClientOptions&) -> std::unique_ptr<albatross::Client> {
    throw std::runtime_error("out of everything");
  };
  failing_ = true;
  start();
  until([&] { return !running_; });
}

TEST_F(Loop, TakesUpANewDeclaration) {
  declare("shop/web");
  start();
  untilFinished();
  declare("shop/web", "--b");
  update();
  untilFinished();

  EXPECT_EQ(server_->sent("restart"), 1);
  EXPECT_EQ(server_->sent("create"), 1);
  EXPECT_THAT(*server_->find(plan::Scene::name("shop/web"))->configuration.arguments.arguments,
              ElementsAre("--b"));
}

// -- What changes while it rests
// ----------------------------------------------------------------------------------

class RestingLoop : public Loop {
 protected:
  RestingLoop() {
    for (const char* name : {"shop/a", "shop/b", "shop/c"}) declare(name);
    start();
    untilFinished();
    until([this] { return server_->verbs.size() >= 4 && told_.last->unikernels.contains(ready_); });
    rest();
  }

  /// Comes to its rest, if it has not.
  void rest() {
    untilFinished();
    const int before = rounds_;
    update();
    until([&] { return rounds_ > before; });
    untilFinished();
    told_.partly.clear();
    told_.first.reset();
  }
  void updateAndFinish() {
    update();
    untilFinished();
  }

  const std::pair<std::string, plan::UnikernelState> ready_{"shop", plan::UnikernelState::Ready};
};

TEST_F(RestingLoop, JudgesThatAlone) {
  declare("shop/b", "--b");
  updateAndFinish();

  EXPECT_EQ(server_->sent("restart"), 1);
  ASSERT_FALSE(told_.partly.empty());
  const Round& first = told_.partly.front();
  EXPECT_THAT(first.restarts, ElementsAre(testing::Pair(plan::keyOf("shop/b"), testing::_)));
  EXPECT_EQ(first.unikernels.at(ready_), 2);
  EXPECT_EQ(first.unikernels.at({"shop", plan::UnikernelState::Progressing}), 1);
  EXPECT_EQ(told_.last->unikernels.at(ready_), 3);
  EXPECT_EQ(ready("shop/b").reason, Reason::Running);
}

TEST_F(RestingLoop, GoesOnRestingWhereNothingIsToBeDone) {
  for (std::int64_t generation = 2; generation < 5; ++generation) {
    scene_.change("shop/b", [&](plan::DesiredUnikernel& b) { b.identity.generation = generation; });
    updateAndFinish();
    EXPECT_EQ(objects_.find(plan::keyOf("shop/b"))->status.observedGeneration, generation);
    EXPECT_EQ(told_.last->unikernels.at(ready_), 3);
  }
  EXPECT_THAT(told_.partly, SizeIs(3));
  EXPECT_EQ(server_->sent("restart"), 0);
}

TEST_F(RestingLoop, JudgesWhatIsSeenOtherwiseBesideIt) {
  server_->destroy(plan::Scene::name("shop/a"));
  declare("shop/b", "--b");
  updateAndFinish();
  until([&] { return server_->sent("create") == 4; });
  until([&] { return told_.last->unikernels.contains(ready_) && told_.last->unikernels.at(ready_) == 3; });

  ASSERT_FALSE(told_.partly.empty());
  EXPECT_THAT(told_.partly.front().restarts, SizeIs(2));
  EXPECT_EQ(server_->sent("restart"), 1);
}

TEST_F(RestingLoop, JudgesAllWhereSomethingElseIsOtherAsWell) {
  scene_.declarePolicy("shop", plan::makePolicy(20, 512));
  declare("shop/b", "--c");
  updateAndFinish();
  EXPECT_FALSE(told_.first->partly) << "a policy is another";
  rest();

  declare("shop/d");
  updateAndFinish();
  EXPECT_FALSE(told_.first->partly) << "there is one more";
  EXPECT_EQ(told_.last->unikernels.at(ready_), 4);
  rest();

  server_->start(plan::Scene::name("shop/foreign"), {}, fixtures::readFile(folder_.path() / "web.hvt"));
  updateAndFinish();
  rest();
  declare("shop/foreign", "--a");
  updateAndFinish();
  EXPECT_FALSE(told_.first->partly);
  EXPECT_EQ(ready("shop/foreign").reason, Reason::NotOwned);
  rest();
  scene_.declare("shop/foreign", [](api::Unikernel& spec, plan::DesiredUnikernel&) {
    spec.adopt = api::Unikernel::Adopt::Always;
  });
  update();
  until([&] { return ready("shop/foreign").reason == Reason::Running; });
  EXPECT_FALSE(told_.first->partly) << "what is not ours may be somebody else's";
}

TEST_F(RestingLoop, JudgesAllNowAndThen) {
  const auto change = [&](std::int64_t generation) {
    scene_.change("shop/b", [&](plan::DesiredUnikernel& b) { b.identity.generation = generation; });
    updateAndFinish();
    return told_.partly.size();
  };
  EXPECT_EQ(change(2), 1);
  EXPECT_EQ(change(3), 2);
  own_->now = [now = own_->now] { return now() + 9 * 30s; };
  EXPECT_EQ(change(4), 2) << "all was judged";
  EXPECT_EQ(change(5), 3);
}

TEST_F(Loop, SeesADeclarationThatCameWhileACommandWasUnderWay) {
  declare("shop/web");
  server_->complete = [&] {
    server_->complete = {};
    declare("shop/web", "--b");
    update();
  };
  start();
  until([&] { return server_->sent("restart") == 1; });
  untilFinished();
}

TEST_F(Loop, WritesDownWhatItIsAboutToDo) {
  declare("shop/web");
  bool before = true;
  std::optional<plan::Pending> after;
  server_->arriving = [&](const albatross::Request& request) {
    if (request.image != nullptr) before = state_->inventoryOf("key").contains(plan::Scene::name("shop/web"));
  };
  server_->complete = [&] { after = entry("shop/web").pending; };
  start();
  untilFinished();

  EXPECT_FALSE(before) << "nothing can have come of an image that has no end";
  ASSERT_TRUE(after);
  EXPECT_EQ(after->verb, plan::Verb::Create);
  EXPECT_TRUE(after->committed) << "from here on the server may do it";
}

TEST_F(Loop, TakesAllThatIsDueBetweenTwoLooks) {
  for (int i = 0; i < 10; ++i) declare(fmt::format("shop/web-{}", i));
  start();
  untilFinished();
  EXPECT_EQ(server_->sent("create"), 10);
  // Before the policy was set, after it, and when all had been created; on a busy machine a look is soon old.
  EXPECT_LT(server_->sent("info"), 10);
}

TEST_F(Loop, JudgesNothingAgainWhereNothingHasChanged) {
  declare("shop/web");
  start();
  untilFinished();
  until([&] { return told_.last && !told_.last->unchanged; });
  own_->resync = 1ms;
  update();
  int unchanged = 0, judged = 0;
  const int begin = rounds_;
  until([&] {
    if (rounds_ - begin > unchanged + judged) ++(told_.last->unchanged ? unchanged : judged);
    return rounds_ - begin >= 40;
  });
  EXPECT_GT(unchanged, 20);
  EXPECT_GT(judged, 2) << "now and then it is, all the same";
  EXPECT_EQ(server_->sent("create"), 1);
}

TEST_F(Loop, SeesWhatChangesOnTheServerWhileItRests) {
  declare("shop/web");
  start();
  own_->resync = 1ms;
  untilFinished();
  until([&] { return told_.last && told_.last->unchanged; });
  server_->destroy(plan::Scene::name("shop/web"));
  until([&] { return server_->sent("create") == 2; });
  untilFinished();
  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
}

/// What is wrong with the first of two unikernels, and may become of the second, which is prepared meanwhile.
class Pipeline : public Loop {
 protected:
  Pipeline() {
    declare("shop/a");
    declare("shop/b");
    server_->executing = [this](const albatross::Request& request) { return hold(request); };
  }
  /// Until the first is being carried out, and the second's image has arrived whole.
  void untilPrepared() {
    start();
    until([&] { return held_ && server_->received == 400'000; });
    ASSERT_EQ(server_->find(plan::Scene::name("shop/b")), nullptr);
    ASSERT_FALSE(state_->inventoryOf("key").contains(plan::Scene::name("shop/b")));
  }
  bool runs(const std::string& path) { return server_->find(plan::Scene::name(path)) != nullptr; }

  asio::awaitable<void> hold(const albatross::Request& request) {
    if (request.label != "a") co_return;
    held_ = true;
    while (held_) {
      asio::steady_timer soon(context_, 1ms);
      const auto [cancelled] = co_await soon.async_wait(asio::as_tuple(asio::use_awaitable));
      if (cancelled) co_return;
    }
  }

  bool held_ = false;
};

TEST_F(Pipeline, SendsTheNextImageWhileOneIsCarriedOut) {
  untilPrepared();
  held_ = false;
  untilFinished();
  EXPECT_TRUE(runs("shop/a"));
  EXPECT_TRUE(runs("shop/b"));
  EXPECT_EQ(server_->received, 400'000) << "once each";
  EXPECT_EQ(told_.bytes, 400'000);
}

TEST_F(Pipeline, LooksAgainBeforeTheNextIsTakenWhenOneIsRefused) {
  untilPrepared();
  server_->refuse = "no";
  held_ = false;
  until([&] { return server_->sent("create") == 2; });
  const auto& verbs = server_->verbs;
  const auto last = std::find(verbs.rbegin(), verbs.rend(), "info");
  EXPECT_EQ(std::count(verbs.rbegin(), last, "create"), 1) << "the second came after a look";
  untilFinished();
  EXPECT_TRUE(runs("shop/b"));
}

TEST_F(Pipeline, LooksAgainBeforeTheNextIsTakenWhenOneIsInDoubt) {
  untilPrepared();
  server_->loseReply = true;
  bool looked = false;
  server_->arriving = [&](const albatross::Request& request) {
    looked = looked || std::holds_alternative<albatross::UnikernelCommand>(request.command);
    server_->loseReply = false;
    EXPECT_FALSE(runs("shop/b"));
    server_->arriving = {};
  };
  held_ = false;
  until([&] { return runs("shop/b"); });
  EXPECT_TRUE(looked);
  untilFinished();
}

TEST_F(Pipeline, ForgetsWhatIsPreparedWhenTheControllerStops) {
  untilPrepared();
  stop();
  EXPECT_FALSE(runs("shop/b"));
  EXPECT_FALSE(state_->inventoryOf("key").contains(plan::Scene::name("shop/b")));
  EXPECT_TRUE(entry("shop/a").pending) << "nobody knows";
}

TEST_F(Pipeline, TakesNothingMoreOnceTheInstanceIsAnothers) {
  untilPrepared();
  own_->holds = [](const std::string&) { return false; };
  held_ = false;
  until([&] { return !told_.failures.empty(); });
  EXPECT_EQ(told_.failures.front(), Reason::LeaseLost);
  EXPECT_TRUE(runs("shop/a"));
  EXPECT_FALSE(runs("shop/b"));
}

TEST_F(Pipeline, WithdrawsWhatIsNotWantedAnyMore) {
  untilPrepared();
  scene_.desired.unikernels.erase(plan::keyOf("shop/b"));
  update();
  held_ = false;
  untilFinished();
  EXPECT_TRUE(runs("shop/a"));
  EXPECT_FALSE(runs("shop/b"));
  EXPECT_FALSE(state_->inventoryOf("key").contains(plan::Scene::name("shop/b")));
  EXPECT_THAT(told_.steps, ElementsAre("applyPolicy", "create")) << "nobody hears of it";
}

TEST_F(Pipeline, KeepsWhatIsPreparedWhenSomethingElseIsWanted) {
  untilPrepared();
  declare("shop/c");
  update();
  held_ = false;
  untilFinished();
  EXPECT_TRUE(runs("shop/b"));
  EXPECT_TRUE(runs("shop/c"));
  EXPECT_EQ(server_->received, 600'000);
}

TEST_F(Pipeline, SendsAgainInItsTurnWhatBrokeOffBeforeIt) {
  declare("shop/b");
  start();
  until([&] { return held_; });
  server_->breakWaiting = true;
  until([&] { return server_->broken.size() == 1; });
  held_ = false;
  untilFinished();
  EXPECT_TRUE(runs("shop/b"));
  EXPECT_THAT(told_.failures, IsEmpty());
}

TEST_F(Loop, SendsNothingThatItCannotWriteDown) {
  declare("shop/web");
  declare("sys/dns");
  const auto blockWriting = [&](const albatross::Request&) {
    wrapped_->refuses = [](const plan::Entry&) { return true; };
    server_->arriving = {};
  };
  server_->arriving = blockWriting;
  start();
  until([&] { return told_.failures.size() >= 2; });

  EXPECT_EQ(server_->sent("create"), 0);
  EXPECT_THAT(told_.failures, testing::Each(Reason::StateUnwritable));
  untilFinished();
  EXPECT_EQ(ready("shop/web").reason, Reason::StateUnwritable);
}

TEST_F(Loop, AFullDiskCostsNothingThatRuns) {
  declare("shop/web");
  start();
  untilFinished();
  declare("shop/web", "--b");
  {
    const fixtures::FullDisk full;
    update();
    until([&] { return ready("shop/web").reason == Reason::StateUnwritable; });
  }
  EXPECT_EQ(server_->sent("restart"), 0);
  EXPECT_THAT(told_.failures, testing::Each(Reason::StateUnwritable));
  EXPECT_THAT(ready("shop/web").message, HasSubstr("state.db: File too large. Nothing is sent to a server"));

  until([&] { return server_->sent("restart") == 1; });
  untilFinished();
  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
}

TEST_F(Loop, KeepsNobodyWaitingForWhatCannotBeWrittenDownOfAnother) {
  declare("shop/web");
  declare("shop/cart");
  start();
  untilFinished();
  wrapped_->refuses = [](const plan::Entry& entry) { return entry.object == plan::keyOf("shop/web"); };
  scene_.declare("shop/web", [](api::Unikernel& spec, plan::DesiredUnikernel&) { spec.prune = false; });
  declare("shop/web", "--b");
  declare("shop/cart", "--b");
  update();
  untilFinished();

  EXPECT_EQ(ready("shop/cart").reason, Reason::Running);
  EXPECT_EQ(ready("shop/web").reason, Reason::StateUnwritable);
  EXPECT_EQ(server_->sent("restart"), 1);
  const ObjectViewPtr instance = objects_.find({api::Kind::AlbatrossInstance, "", "eu-1"});
  const api::Condition& of = *instance->status.condition(api::Condition::Type::Ready);
  EXPECT_TRUE(instance->status.ready()) << "others go on";
  EXPECT_EQ(of.reason, Reason::StateUnwritable);
  EXPECT_THAT(of.message, HasSubstr("shop:web"));

  wrapped_->refuses = [](const plan::Entry&) { return false; };
  update();
  untilFinished();
  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
}

TEST_F(Loop, LooksAgainWhenItCouldBeReady) {
  declare("shop/web");
  scene_.declare("shop/web", [](api::Unikernel& spec, plan::DesiredUnikernel&) { spec.minReadySeconds = 1; });
  start();
  until([&] {
    return ready("shop/web").reason == Reason::Running;
  });  // at the resync it would be half a minute
  EXPECT_EQ(told_.last->restarts.at(plan::keyOf("shop/web")), 0);
  EXPECT_TRUE(told_.last->ready.at(plan::keyOf("shop/web")));
}

TEST_F(Loop, SendsNothingOnceItsStateIsAnotherProcesss) {
  declare("shop/web");
  server_->arriving = [&](const albatross::Request& request) {
    if (request.image != nullptr) std::filesystem::remove_all(folder_.path() / "state");
  };
  start();
  until([&] { return lost_.has_value(); });

  EXPECT_EQ(lost_, Reason::StateDirLost);
  EXPECT_EQ(server_->find(plan::Scene::name("shop/web")), nullptr) << "the image was not completed";
  const std::size_t before = server_->verbs.size();
  const int rounds = rounds_;
  update();
  until([&] { return rounds_ > rounds; });
  EXPECT_EQ(server_->verbs.size(), before) << "not even a question";
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "state"));
}

TEST_F(Loop, BreaksOffAnImageThatIsNotTheOneThatWasPlanned) {
  declare("shop/web");
  server_->arriving = [&](const albatross::Request& request) {
    if (request.image != nullptr) spoilImage();
  };
  start();
  untilFinished();

  EXPECT_THAT(server_->broken, SizeIs(1));
  EXPECT_EQ(server_->find(plan::Scene::name("shop/web")), nullptr);
  EXPECT_EQ(ready("shop/web").reason, Reason::ImageChanged);
  EXPECT_FALSE(entry("shop/web").pending);
}

TEST_F(Loop, StopsInTheMiddleOfACommandWhoseImageIsThenNotInDoubt) {
  declare("shop/web");
  server_->arriving = [&](const albatross::Request& request) { server_->hang = request.image != nullptr; };
  start();
  until([&] { return server_->hang; });
  stop();

  EXPECT_EQ(server_->find(plan::Scene::name("shop/web")), nullptr);
  EXPECT_FALSE(entry("shop/web").pending);
}

TEST_F(Loop, StopsWhileALookHangs) {
  server_->hang = true;
  start();
  until([&] { return !server_->verbs.empty(); });
  stop();
  EXPECT_FALSE(running_);
}

TEST_F(Loop, StopsBeforeItHasBegun) {
  start();
  cancel_.emit(asio::cancellation_type::terminal);
  until([&] { return !running_; });
}

TEST_F(Loop, IsInDoubtAfterALostReplyAndSeesWhatBecameOfIt) {
  declare("shop/web");
  server_->loseReply = true;
  start();
  untilFinished();

  EXPECT_EQ(server_->sent("create"), 1);
  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
}

TEST_F(Loop, TellsThatTheServerCannotBeAskedAndComesBack) {
  declare("shop/web");
  server_->down = true;
  start();
  until([&] { return end_ && end_->failure; });
  EXPECT_FALSE(end_->finished);
  EXPECT_EQ(ready("shop/web").status, api::Condition::Status::Unknown);
  EXPECT_EQ(ready("shop/web").reason, Reason::InstanceUnavailable);

  server_->down = false;
  update();
  untilFinished();
  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
}

TEST_F(Loop, TellsWhatItIsAboutToDoUntilItEnds) {
  declare("shop/web");
  std::vector<std::string> planned;
  server_->down = true;
  start();
  until([&] { return end_ && end_->failure; });
  EXPECT_TRUE(plans_.find("eu-1")->failure);
  EXPECT_FALSE(plans_.find("eu-1")->observedAt);
  server_->down = false;
  update();
  until([&] {
    const auto known = plans_.find("eu-1");
    return known->plan != nullptr && !known->plan->changes.empty();
  });
  const auto known = *plans_.find("eu-1");
  for (const plan::Change& change : known.plan->changes) planned.emplace_back(toString(change.verb));
  EXPECT_THAT(planned, ElementsAre("applyPolicy", "create"));
  EXPECT_THAT(known.plan->changes.back().fields, testing::Not(IsEmpty()));
  EXPECT_FALSE(known.failure);
  untilFinished();
  EXPECT_THAT(plans_.find("eu-1")->plan->changes, IsEmpty());
  const auto before = plans_.find("eu-1");
  EXPECT_EQ(before->plan->era, albatross::Era::Current);
  const int rounds = rounds_;
  loop_->lookNow();
  until([&] { return rounds_ > rounds; });
  EXPECT_EQ(plans_.find("eu-1")->plan, before->plan) << "nothing has changed";
  EXPECT_GT(*plans_.find("eu-1")->observedAt, *before->observedAt);
  EXPECT_EQ(objects_.find({api::Kind::AlbatrossInstance, "", "eu-1"})->status.version, "2.7 or later");
  stop();
  EXPECT_FALSE(plans_.find("eu-1"));
}

TEST_F(Loop, AnotherServerBehindTheSameAddressInheritsNothing) {
  declare("shop/web");
  start();
  untilFinished();
  server_ = std::make_unique<FakeServer>("another key");
  albatross::Arguments foreign;
  foreign.arguments = {{"--foreign"}};
  server_->start(plan::Scene::name("shop/web"), foreign, fixtures::readFile(folder_.path() / "web.hvt"));
  update();
  untilFinished();

  EXPECT_EQ(ready("shop/web").reason, Reason::NotOwned);
  EXPECT_THAT(*server_->find(plan::Scene::name("shop/web"))->configuration.arguments.arguments,
              ElementsAre("--foreign"));
}

TEST_F(Loop, AServerThatTakesThePlaceOfTheOneThatWasLookedAtGetsNoCommand) {
  declare("shop/web");
  start();
  untilFinished();
  server_->arriving = [&](const albatross::Request& request) {
    if (!std::holds_alternative<albatross::PolicyCommand>(request.command)) return;
    server_->key = "another key";  // once the look has ended
    server_->arriving = {};
  };
  scene_.declare("shop/web", [](api::Unikernel&, plan::DesiredUnikernel& unikernel) {
    unikernel.arguments.arguments = {{"--edit"}};
  });
  update();
  untilFinished();
  EXPECT_EQ(server_->sent("restart"), 0);
}

TEST_F(Loop, LearnsAboutMemoryForTheServerAndRemembersIt) {
  declare("shop/web");
  server_->server.faults().restartIgnoresMemory = true;
  start();
  untilFinished();
  scene_.declare("shop/web",
                 [](api::Unikernel&, plan::DesiredUnikernel& unikernel) { unikernel.arguments.memory = 64; });
  update();
  untilFinished();
  EXPECT_EQ(server_->sent("restart"), 1);
  EXPECT_EQ(server_->sent("forceCreate"), 1);
  EXPECT_EQ(state_->restartChangesMemory("key"), false);

  scene_.declare("shop/web",
                 [](api::Unikernel&, plan::DesiredUnikernel& unikernel) { unikernel.arguments.memory = 96; });
  update();
  untilFinished();
  EXPECT_EQ(server_->sent("restart"), 1);
  EXPECT_EQ(server_->sent("forceCreate"), 2);
}

TEST_F(Loop, DestroysAndTellsWhenTheLastHasGone) {
  declare("shop/web");
  declare("shop/cart");
  start();
  untilFinished();
  scene_.undeclare("shop/web");
  scene_.undeclare("shop/cart");
  update();
  until([&] { return end_ && end_->destroyed; });

  EXPECT_EQ(server_->sent("destroy"), 2);
  EXPECT_TRUE(entry("shop/web").destroyedAt);
  EXPECT_TRUE(entry("shop/cart").destroyedAt);
}

TEST_F(Loop, LeavesAloneWhatAnotherInstanceHoldsOnTheSameServer) {
  declare("shop/web");
  start();
  untilFinished();
  stop();
  plan::Entry others = entry("shop/web");
  others.instance = "eu-2";
  ASSERT_TRUE(state_->put(others));
  scene_.desired.instances.insert("eu-2");
  scene_.undeclare("shop/web");
  end_.reset();
  start();
  untilFinished();

  EXPECT_EQ(server_->sent("destroy"), 0);
  EXPECT_EQ(entry("shop/web"), others);
}

TEST_F(Loop, TellsWhatKeepsAnInstanceThatIsBeingDeleted) {
  const auto instance = [&] {
    const ObjectViewPtr view = objects_.find({api::Kind::AlbatrossInstance, "", "eu-1"});
    return *view->status.condition(api::Condition::Type::Ready);
  };
  kept_ = "eu-1";
  start();
  untilFinished();
  EXPECT_EQ(instance().status, api::Condition::Status::False);
  EXPECT_EQ(instance().reason, Reason::InstanceInUse);
  EXPECT_THAT(instance().message, HasSubstr("answers. It stays, for db/db."));

  server_->down = true;
  update();
  until([&] { return end_ && end_->failure; });
  EXPECT_EQ(instance().reason, end_->failure->reason);
  EXPECT_THAT(instance().message, HasSubstr("It stays, for db/db."));
}

TEST_F(Loop, SaysNothingNewOfWhatAnotherControllerHasReported) {
  declare("shop/web");
  start();
  untilFinished();
  stop();
  const api::ObjectKey key = plan::keyOf("shop/web");
  api::Status told = objects_.find(key)->status;
  ASSERT_TRUE(told.startedAt && told.lastAction);
  told.restarts = 3;
  told.startedAt = std::chrono::floor<std::chrono::seconds>(*told.startedAt);
  objects_.disown(key);
  objects_.mirror(key, told, {});
  end_.reset();
  start();
  untilFinished();

  const ObjectViewPtr view = objects_.find(key);
  EXPECT_TRUE(view->ours);
  EXPECT_EQ(api::toJson(view->status), api::toJson(told));
}

TEST_F(Loop, ForgetsWhatCannotBeOurs) {
  declare("shop/web");
  start();
  untilFinished();
  stop();
  plan::Entry claim = entry("shop/web");
  claim.name = *albatross::Name::parse("db:web");
  claim.instance = "of nobody";
  claim.root = "kubernetes";
  ASSERT_TRUE(state_->put(claim));
  end_.reset();
  start();
  untilFinished();

  EXPECT_FALSE(state_->inventoryOf("key").contains(claim.name));
  EXPECT_THAT(told_.warnings, Contains(Reason::NotOwned));
  EXPECT_EQ(ready("shop/web").reason, Reason::Running);
}

TEST_F(Loop, WritesAsItsInstanceWhatNoOtherHolds) {
  declare("shop/web");
  start();
  untilFinished();
  stop();
  plan::Entry left = entry("shop/web");
  left.name = plan::Scene::name("shop/old");
  left.object = plan::keyOf("shop/old");
  left.instance = "of nobody";
  ASSERT_TRUE(state_->put(left));
  scene_.undeclare("shop/old");
  end_.reset();
  start();
  untilFinished();

  EXPECT_TRUE(entry("shop/old").destroyedAt);
  EXPECT_EQ(entry("shop/old").instance, "eu-1") << "only that may be written where Leases are held";
}

TEST_F(Loop, DoesOnlyWhatIsPermitted) {
  declare("shop/web");
  permit_ = [](const std::string&, const plan::Step& step) { return step.verb != plan::Verb::Create; };
  start();
  untilFinished();

  EXPECT_EQ(server_->sent("create"), 0);
  EXPECT_EQ(server_->sent("applyPolicy"), 0) << "the whole plan is another than was meant";
  EXPECT_THAT(end_->errors, Contains(testing::Field(&Error::reason, Reason::UsageError)));
}

TEST_F(Loop, APreviewChangesNothing) {
  declare("shop/web");
  start();
  stop();
  const std::size_t before = server_->verbs.size();
  std::optional<InstanceLoop::Preview> seen;
  const auto loop = std::make_shared<InstanceLoop>(strand_, *own_, desired(), [](const RoundEnd&) {});
  asio::co_spawn(strand_, loop->preview(), [&](const std::exception_ptr&, InstanceLoop::Preview preview) {
    seen = std::move(preview);
  });
  until([&] { return seen.has_value(); });

  ASSERT_TRUE(seen->plan);
  EXPECT_THAT(seen->plan->steps, SizeIs(2));
  EXPECT_EQ(server_->verbs.size(), before + 3) << "three questions";
  EXPECT_THAT(state_->entries(), IsEmpty());
}

TEST_F(Loop, AsksForBlockDevicesOnlyWhereTheyMatter) {
  scene_.desired.policies.clear();
  start();
  untilFinished();
  EXPECT_EQ(server_->sent("blockInfo"), 0);

  scene_.declarePolicy("shop", plan::makePolicy(10, 512));
  update();
  untilFinished();
  EXPECT_GT(server_->sent("blockInfo"), 0);
}

}  // namespace
}  // namespace rookery::reconcile
