// Whom the controller tells of what goes wrong, through the death of either.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <httplib.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using nlohmann::json;

/// Takes notifications while it is there.
class Told {
 public:
  Told() {
    server_.Post("/hook", [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      response.status = refuses_ ? 503 : 200;
      if (refuses_) return;
      const json body = json::parse(request.body);
      for (const json& each : body.at("notifications")) types_.push_back(each.at("type"));
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Told() { server_.stop(); }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;

  std::string url() const { return fmt::format("http://127.0.0.1:{}/hook", port_); }
  void refuse(bool refuses) {
    const std::lock_guard lock(mutex_);
    refuses_ = refuses;
  }
  bool of(const std::string& type) {
    const std::lock_guard lock(mutex_);
    return std::ranges::find(types_, type) != types_.end();
  }
  std::vector<std::string> types() {
    const std::lock_guard lock(mutex_);
    return types_;
  }

 private:
  std::mutex mutex_;
  bool refuses_ = false;
  std::vector<std::string> types_;
  httplib::Server server_;
  int port_ = 0;
  std::jthread thread_;
};

TEST(Notifications, ArriveThoughTheControllerIsKilledBeforeTheyAreSent) {
  Told told;
  Cluster cluster;
  cluster.writeInstances();
  const auto file = cluster.folder().write(
      "notifications.yaml",
      fmt::format("settle: 100ms\nreceivers: [{{name: ops, webhook: {{url: \"{}\"}}}}]\n", told.url()));
  const std::vector<std::string> options = {"--resync", "200ms", "--notifications", file.string()};
  cluster.run(options);
  ASSERT_TRUE(eventually([&] { return cluster.metric("rookery_instance_up") == 1; }));

  told.refuse(true);
  cluster.server().kill();
  ASSERT_TRUE(eventually([&] { return cluster.metric("rookery_notifications_waiting") == 1; }));
  ASSERT_TRUE(eventually([&] { return cluster.metric("rookery_notification_failures_total") >= 1; }));
  // That takes more than the second after which it is on the disk.
  ASSERT_TRUE(eventually([&] { return cluster.metric("rookery_notification_failures_total") >= 3; }));
  cluster.controller().kill();
  told.refuse(false);
  cluster.run(options);
  ASSERT_TRUE(eventually([&] { return told.of("InstanceDown"); }));
  cluster.server().restart();
  ASSERT_TRUE(eventually([&] { return told.of("InstanceUp"); }));
  EXPECT_THAT(told.types(), testing::ElementsAre("InstanceDown", "InstanceUp"));
}

}  // namespace
}  // namespace rookery::integration
