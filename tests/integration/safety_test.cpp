// What must never happen to a running unikernel, with the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "albatross/client.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using testing::HasSubstr;

/// Sends a command to an emulator past rookery, as somebody else with a credential would.
albatross::CallResult command(const ServerProcess& server, albatross::Request request) {
  const auto credential = albatross::Credential::load({fixtures::readFile(server.pki() / "cacert.pem"),
                                                       fixtures::readFile(server.pki() / "admin.pem"),
                                                       fixtures::readFile(server.pki() / "admin.key")});
  albatross::ClientOptions options;
  options.endpoint = *albatross::Endpoint::parse(server.address());
  options.credential = *credential;
  const auto client = albatross::makeTlsClient(std::move(options));
  boost::asio::io_context context;
  auto result = boost::asio::co_spawn(context, client->call(std::move(request)), boost::asio::use_future);
  context.run();
  return result.get();
}

const albatross::Policy generous{{0, 1, 2, 3}, 1000, 2048, 100, {"br0"}};

void addBlockDevice(const ServerProcess& server, const std::string& name) {
  const auto result =
      command(server, {{{"shop", generous}}, name, albatross::BlockCommand(albatross::block::Add{4})});
  ASSERT_TRUE(result) << result.error().error.message;
}

class ByteStream : public albatross::ImageStream {
 public:
  explicit ByteStream(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::span<const std::byte>> next() override {
    const auto all = std::as_bytes(std::span(bytes_));
    return std::exchange(sent_, true) ? std::span<const std::byte>{} : all;
  }

 private:
  std::string bytes_;
  bool sent_ = false;
};

/// A unikernel that somebody else runs in the namespace shop.
void runForeign(const ServerProcess& server, const std::string& name) {
  ByteStream image(images::makeImage({.content = "foreign"}));
  albatross::Request request{
      {{"shop", generous}}, name, albatross::UnikernelCommand(albatross::unikernel::Create{})};
  request.image = &image;
  const auto result = command(server, std::move(request));
  ASSERT_TRUE(result) << result.error().error.message;
}

struct BadUpdate {
  const char* what;
  const char* spec;    // of the Unikernel, under spec:
  const char* reason;  // of its Ready condition
};

class Updates : public testing::TestWithParam<BadUpdate> {};

TEST_P(Updates, ThatCannotRunLeaveTheRunningUnikernelUntouched) {
  Cluster cluster;
  cluster.image("images/good.hvt", {.content = "good"});
  cluster.image("images/devices.hvt", {.networks = {"service"}, .content = "needs a network"});
  cluster.image("images/target.hvt", {.target = 3, .content = "virtio"});
  cluster.image("images/block.hvt", {.blocks = {"storage"}, .content = "needs a disk"});
  cluster.write("images/text.hvt", "not an ELF file");
  ASSERT_NO_FATAL_FAILURE(addBlockDevice(cluster.server(), "used"));
  const auto declare = [&](const std::string& spec) {
    cluster.write("shop.yaml", policyManifest("shop", "eu-1", "256Mi") +
                                   unikernelManifest("shop", "web", spec) +
                                   unikernelManifest("shop", "user",
                                                     "  image: {path: images/block.hvt}\n"
                                                     "  blockDevices: [{name: storage, volumeName: used}]"));
  };
  declare("  image: {path: images/good.hvt}");
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 2; })) << cluster.controller().err();
  const auto before = cluster.unikernel("shop", "web")["status"];
  const std::size_t mutations = cluster.server().mutations();

  declare(GetParam().spec);
  EXPECT_TRUE(cluster.waitForReason("shop", "web", GetParam().reason))
      << cluster.unikernel("shop", "web").dump(1) << cluster.controller().err();
  const std::size_t looks = cluster.server().count("info");
  ASSERT_TRUE(eventually([&] { return cluster.server().count("info") >= looks + 3; }));
  EXPECT_EQ(cluster.server().mutations(), mutations) << cluster.server().journal();
  const auto after = cluster.unikernel("shop", "web")["status"];
  EXPECT_EQ(after["startedAt"], before["startedAt"]);
  EXPECT_EQ(after["digest"], before["digest"]);
}

INSTANTIATE_TEST_SUITE_P(
    Safety, Updates,
    testing::Values(
        BadUpdate{"devices", "  image: {path: images/devices.hvt}", "DeviceMismatch"},
        BadUpdate{"target", "  image: {path: images/target.hvt}", "UnsupportedTarget"},
        BadUpdate{"digest",
                  "  image: {path: images/good.hvt, sha256: \""
                  "0000000000000000000000000000000000000000000000000000000000000000\"}",
                  "DigestMismatch"},
        BadUpdate{"notAnElf", "  image: {path: images/text.hvt}", "ImageInvalid"},
        BadUpdate{"missingImage", "  image: {path: images/none.hvt}", "ImageNotFound"},
        BadUpdate{"memoryOverPolicy", "  image: {path: images/good.hvt}\n  memory: 240Mi", "PolicyExceeded"},
        BadUpdate{"blockDeviceMissing",
                  "  image: {path: images/block.hvt}\n  blockDevices: [{name: storage, volumeName: none}]",
                  "BlockDeviceNotFound"},
        BadUpdate{"blockDeviceInUse",
                  "  image: {path: images/block.hvt}\n  blockDevices: [{name: storage, volumeName: used}]",
                  "BlockDeviceInUse"}),
    [](const auto& test) { return test.param.what; });

TEST(Safety, WhatIsNotOursIsLeftAlone) {
  Cluster cluster;
  ASSERT_NO_FATAL_FAILURE(runForeign(cluster.server(), "web"));
  ASSERT_NO_FATAL_FAILURE(runForeign(cluster.server(), "other"));
  cluster.image("images/web.hvt", {.content = "ours"});
  cluster.write("shop.yaml", unikernelManifest("shop", "web", "  image: {path: images/web.hvt}") +
                                 unikernelManifest("shop", "mine", "  image: {path: images/web.hvt}"));
  cluster.run({"--resync", "200ms"});
  EXPECT_TRUE(cluster.waitForReason("shop", "web", "NotOwned"));
  EXPECT_TRUE(cluster.waitForReason("shop", "mine", "Running"));
  EXPECT_EQ(cluster.server().count("create", "shop:mine"), 1u);
  EXPECT_EQ(cluster.server().count("destroy") + cluster.server().count("force-create") +
                cluster.server().count("restart"),
            0u);
  EXPECT_EQ(cluster.metric("rookery_unikernels{instance=\"eu-1\",namespace=\"shop\",state=\"unmanaged\"}"),
            1);
}

TEST(Safety, KilledAtAnyMomentItEndsInTheSameStateAndUploadsNothingTwice) {
  constexpr std::size_t count = 8;
  Cluster cluster(1, {.memory = 8192});
  ASSERT_NO_FATAL_FAILURE(runForeign(cluster.server(), "foreign"));
  std::string all = policyManifest("shop", "eu-1");
  for (std::size_t i = 0; i < count; ++i) {
    cluster.image(fmt::format("images/{}.hvt", i), {.size = 3u << 20, .content = fmt::format("image {}", i)});
    all += unikernelManifest("shop", fmt::format("web-{}", i),
                             fmt::format("  image: {{path: images/{}.hvt}}", i));
  }
  cluster.write("shop.yaml", all);
  // An answer may be lost with the controller; then it is watched for this long before anything is tried
  // again.
  cluster.writeInstances("  timeouts: {stream: 3s}\n");
  std::size_t lines = 0;
  const auto journalLines = [&] {
    const std::string journal = cluster.server().journal();
    return static_cast<std::size_t>(std::count(journal.begin(), journal.end(), '\n'));
  };
  for (int life = 0; life < 12; ++life) {
    cluster.run({"--resync", "200ms"});
    lines = journalLines() + static_cast<std::size_t>(life % 5);
    ASSERT_TRUE(eventually([&] { return journalLines() > lines; })) << cluster.controller().err();
    cluster.controller().kill();
  }
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == count; })) << cluster.controller().err();
  for (std::size_t i = 0; i < count; ++i)
    EXPECT_EQ(cluster.server().count("create", fmt::format("shop:web-{}", i)), 1u);
  EXPECT_EQ(cluster.server().count("destroy") + cluster.server().count("force-create") +
                cluster.server().count("restart"),
            0u)
      << cluster.server().journal();
}

TEST(Safety, AServerThatDiesInMidUploadGetsTheImageAgain) {
  Cluster cluster(1, {.fault = "cut-after=65536"});
  cluster.image("images/web.hvt", {.size = 1u << 20});
  cluster.write("web.yaml", policyManifest("shop", "eu-1") +
                                unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] {
    return cluster.server().journal().find("outcome=aborted") != std::string::npos;
  })) << cluster.controller().err();
  EXPECT_EQ(cluster.server().count("create"), 0u);
  cluster.server().restart();
  EXPECT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  EXPECT_EQ(cluster.server().count("create", "shop:web"), 1u);
}

TEST(Safety, ALostReplyIsNotRepeatedButSeen) {
  Cluster cluster(1);
  cluster.image("images/web.hvt");
  cluster.write("web.yaml", policyManifest("shop", "eu-1"));
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.server().count("policy-info") > 2; }))
      << cluster.controller().err();
  cluster.server().restart("drop-reply");
  cluster.write("shop.yaml", unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  ASSERT_TRUE(eventually([&] {
    return cluster.server().journal().find("command=create name=shop:web") != std::string::npos;
  })) << cluster.controller().err();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  const std::string journal = cluster.server().journal();
  EXPECT_EQ(journal.find("command=create"), journal.rfind("command=create")) << journal;
}

TEST(Safety, AnEmptiedFolderDestroysNothingUntilThatIsConfirmed) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  std::string all = policyManifest("shop", "eu-1");
  for (int i = 0; i < 6; ++i)
    all += unikernelManifest("shop", fmt::format("web-{}", i), "  image: {path: images/web.hvt}");
  cluster.write("shop.yaml", all);
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 6; })) << cluster.controller().err();
  cluster.remove("shop.yaml");
  const std::string told = cluster.controller().waitForError("--confirm-prune ");
  EXPECT_EQ(cluster.server().count("destroy"), 0u);
  EXPECT_EQ(cluster.controller().terminate(), 0);
  const std::string id = told.substr(0, 12);
  cluster.run({"--resync", "200ms", "--confirm-prune", id});
  EXPECT_TRUE(eventually([&] { return cluster.server().count("destroy") == 6; }))
      << cluster.controller().err();
}

TEST(Safety, ABrokenManifestKeepsWhatRunsAlsoAfterARestart) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.write("policy.yaml", policyManifest("shop", "eu-1") +
                                   unikernelManifest("shop", "other", "  image: {path: images/web.hvt}"));
  cluster.write("web.yaml", unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 2; })) << cluster.controller().err();
  cluster.write("web.yaml", "kind: [\n");
  cluster.controller().waitForError("web.yaml:");
  EXPECT_EQ(cluster.controller().terminate(), 0);
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  const std::size_t looks = cluster.server().count("info");
  ASSERT_TRUE(eventually([&] { return cluster.server().count("info") >= looks + 5; }));
  EXPECT_EQ(cluster.server().count("destroy"), 0u);
}

}  // namespace
}  // namespace rookery::integration
