// What a real controller tells a collector of its work.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <httplib.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>

#include "images/image_server.h"
#include "images/sha256.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using nlohmann::json;

/// Takes spans while it is there.
class Collector {
 public:
  Collector() {
    server_.Post("/v1/traces", [this](const httplib::Request& request, httplib::Response& response) {
      response.set_content("{}", "application/json");
      const json body = json::parse(request.body);
      const std::lock_guard lock(mutex_);
      for (const json& resource : body.at("resourceSpans")) {
        for (const json& scope : resource.at("scopeSpans")) {
          for (const json& span : scope.at("spans")) names_.insert(span.at("name"));
        }
      }
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Collector() { server_.stop(); }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  std::set<std::string> names() {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::mutex mutex_;
  std::set<std::string> names_;  // of the spans
  std::jthread thread_;
};

TEST(Tracing, FollowsAnImageFromItsUrlToTheServerAndChecksIt) {
  Collector collector;
  images::ImageServer builds;
  const std::string bytes = images::makeImage({.size = 200'000, .content = "web"});
  builds.put("/web.hvt", {.bytes = bytes});
  Cluster cluster;
  cluster.environment = {{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()}, {"OTEL_BSP_SCHEDULE_DELAY", "50"}};
  cluster.write("shop.yaml",
                policyManifest("shop", "eu-1") +
                    unikernelManifest("shop", "web",
                                      fmt::format("  image: {{url: '{}', sha256: {}}}\n"
                                                  "  healthCheck: {{tcp: {{address: '127.0.0.1:{}'}}}}\n",
                                                  builds.url("/web.hvt"), images::sha256Of(bytes),
                                                  collector.url().substr(collector.url().rfind(':') + 1))));
  cluster.run();
  const std::set<std::string> wanted = {"snapshot", "resolve", "round", "observe", "decide",
                                        "step",     "upload",  "pull",  "probe"};
  EXPECT_TRUE(eventually([&] { return collector.names() == wanted; }))
      << testing::PrintToString(collector.names()) << cluster.controller().err();
}

}  // namespace
}  // namespace rookery::integration
