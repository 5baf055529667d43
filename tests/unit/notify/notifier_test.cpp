#include "notify/notifier.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "fixtures/process.h"
#include "fixtures/temp_dir.h"
#include "notify/transfers.h"
#include "unit/serve/views.h"

namespace rookery::notify {
namespace {

using fixtures::eventually;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;

/// A notifier with a file, whose receiver is a server of the test's.
class NotifierTest : public testing::Test {
 protected:
  NotifierTest() {
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response&) {
      const json body = json::parse(request.body);
      const std::lock_guard lock(mutex_);
      for (const json& each : body["notifications"])
        told_.push_back(each["type"].get<std::string>() + ": " + each["message"].get<std::string>());
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~NotifierTest() override {
    if (notifier_) notifier_->stop();
    server_.stop();
  }

  void write(const std::string& content) { folder_.write("notify.yaml", content); }
  std::string receiver(const std::string& match) const {
    return "settle: 1ms\nreceivers:\n- name: ops\n  webhook: {url: \"http://127.0.0.1:" +
           std::to_string(port_) + "\"}\n  match: " + match + "\n";
  }
  void start() {
    auto settings = readSettings(folder_.path() / "notify.yaml");
    ASSERT_TRUE(settings) << settings.error().message;
    notifier_.emplace(
        objects_, Notifier::Options{.file = folder_.path() / "notify.yaml",
                                    .settings = *settings,
                                    .send =
                                        [this](const Receiver& to, Request request, Transfers::Done done) {
                                          transfers_.send(to, std::move(request), std::move(done));
                                        },
                                    .warn = [this](const std::string& message) { say(message); },
                                    .inform = [this](const std::string& message) { say(message); }});
    notifier_->start({}, [](auto&&, auto&&, const auto& written) {
      if (written) written();
    });
  }
  void say(const std::string& message) {
    const std::lock_guard lock(mutex_);
    said_.push_back(message);
  }
  bool wasTold(const std::string& what) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return std::ranges::any_of(told_, [&](const std::string& each) { return each.contains(what); });
    });
  }
  bool wasSaid(const std::string& what) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return std::ranges::any_of(said_, [&](const std::string& each) { return each.contains(what); });
    });
  }

  const api::ObjectKey web_{api::Kind::Unikernel, "shop", "web"};
  const fixtures::TempDir folder_;
  reconcile::ObjectStore objects_;
  std::mutex mutex_;
  std::vector<std::string> told_, said_;
  httplib::Server server_;
  int port_ = 0;
  std::jthread thread_;
  std::optional<Notifier> notifier_;
  Transfers transfers_;
};

TEST_F(NotifierTest, TellsWhatTheReconcilerTells) {
  write(receiver("{severity: info}"));
  start();
  notifier_->readyChanged(web_, false, Reason::NoPolicy, "There is no policy.");
  EXPECT_TRUE(wasTold("ReadyLost: There is no policy."));
  notifier_->warned("eu-1", Reason::PruneGuard, "Confirm with 0123456789ab.");
  EXPECT_TRUE(wasTold("PruneWaits: Confirm with 0123456789ab."));
  notifier_->warned("eu-1", Reason::PolicyInvalid, "It carries a policy.");
  EXPECT_TRUE(wasTold("Warning: It carries a policy."));
  notifier_->stepEnded("eu-1", web_, plan::Verb::ForceCreate, {});
  EXPECT_TRUE(wasTold("Changed: forceCreate on eu-1 succeeded."));
  notifier_->ended("eu-1", web_, "Fatal error.");
  EXPECT_TRUE(wasTold("Ended: The last line of its console: Fatal error."));
  source::Snapshot snapshot;
  snapshot.problems = {{.origin = {.root = "/m", .file = "/m/web.yaml", .line = 1, .column = 2},
                        .object = std::nullopt,
                        .field = {},
                        .message = "No."}};
  notifier_->scanned(snapshot);
  EXPECT_TRUE(wasTold("ManifestMistake: /m/web.yaml:1:2: No."));
  notifier_->revisionApplied("eu-1", "/m", {.branch = "main", .commit = std::string(40, 'a')});
  EXPECT_TRUE(wasTold("RevisionApplied: All that /m declares there is as it is declared."));
  EXPECT_TRUE(eventually([&] { return notifier_->counts().at("ops").sent == 7; }));
}

TEST_F(NotifierTest, FollowsItsFileAndKeepsTheFormerWhereItIsBroken) {
  write(receiver("{types: [Ended]}"));
  start();
  write("receivers: [{name: ops}]\n");
  EXPECT_TRUE(wasSaid("as it was before stays in force. "));
  notifier_->ended("eu-1", web_, "first");
  EXPECT_TRUE(wasTold("first"));
  write(receiver("{types: [Changed]}"));
  EXPECT_TRUE(wasSaid("was read again"));
  notifier_->ended("eu-1", web_, "second");
  notifier_->stepEnded("eu-1", web_, plan::Verb::Create, {});
  EXPECT_TRUE(wasTold("Changed: "));
  const std::lock_guard lock(mutex_);
  EXPECT_THAT(told_, testing::Not(Contains(HasSubstr("second"))));
}

TEST_F(NotifierTest, NeverWaitsWhateverHappens) {
  write("receivers: []\n");
  auto settings = readSettings(folder_.path() / "notify.yaml");
  Notifier idle(objects_, {.file = folder_.path() / "notify.yaml", .settings = *settings, .send = {}});
  for (int i = 0; i < 100'000; ++i) {
    idle.ended("eu-1", web_, std::to_string(i));
    idle.readyChanged(web_, i % 2 == 0, Reason::Refused, "It changes.");
  }
  EXPECT_THAT(idle.counts(), testing::IsEmpty());
}

}  // namespace
}  // namespace rookery::notify
