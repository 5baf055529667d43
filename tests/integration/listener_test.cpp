// The HTTP listener of the real program, where there is little to share.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <list>

#include "integration/cluster.h"
#include "unit/http/raw_client.h"

namespace rookery::integration {
namespace {

using http::RawClient;

/// So many descriptors for the programs that are started while this lives; this one keeps its own.
class Descriptors {
 public:
  explicit Descriptors(rlim_t most) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit fewer{.rlim_cur = most, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &fewer), 0);
  }
  ~Descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(Listener, ProbesAreAnsweredHoweverManyWatchesAndConnectionsThereAre) {
  Cluster cluster;
  cluster.writeInstances();
  {
    const Descriptors few(256);
    cluster.run();
  }
  ASSERT_TRUE(fixtures::eventually([&] { return !cluster.get("/readyz").empty(); }));
  std::list<RawClient> clients;
  std::size_t watches = 0;
  for (int i = 0; i < 240; ++i) {
    RawClient& client = clients.emplace_back(cluster.port());
    client.send("GET /apis/rookery.dev/v1alpha1/unikernels?watch=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (client.receiveUntil("\r\n\r\n").starts_with("HTTP/1.1 200")) ++watches;
  }
  EXPECT_GT(watches, 16);
  for (int i = 0; i < 200; ++i) clients.emplace_back(cluster.port());  // which say nothing
  EXPECT_EQ(cluster.get("/healthz"), "ok\n");

  // And there is enough left for the work itself.
  cluster.write("policy.yaml", policyManifest("shop", "eu-1"));
  cluster.image("images/web.hvt");
  cluster.write("web.yaml", unikernelManifest("shop", "web", "  image: {path: images/web.hvt}\n"));
  EXPECT_TRUE(cluster.waitForReason("shop", "web", "Running"));
}

}  // namespace
}  // namespace rookery::integration
