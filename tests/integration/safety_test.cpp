// What must never happen to a running unikernel, with the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "albatross/client/client.h"
#include "fixtures/pki.h"
#include "integration/cluster.h"
#include "integration/secure_api.h"

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

/// The message of an object's Ready condition.
std::string messageOf(const nlohmann::json& object) {
  for (const auto& condition : object["status"]["conditions"]) {
    if (condition["type"] == "Ready") return condition["message"];
  }
  return "";
}

struct BadUpdate {
  const char* what;
  const char* spec;    // of the Unikernel, under spec:
  const char* reason;  // of its Ready condition
  const char* says;
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
  EXPECT_THAT(messageOf(cluster.unikernel("shop", "web")), HasSubstr(GetParam().says));
  const std::string changes = R"(rookery_ready_changes_total{kind="Unikernel",ready="false",reason="{}"})";
  EXPECT_EQ(cluster.metric(std::string(changes).replace(changes.find("{}"), 2, GetParam().reason)), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Safety, Updates,
    testing::Values(
        BadUpdate{"devices", "  image: {path: images/devices.hvt}", "DeviceMismatch",
                  "spec.networkInterfaces lacks service, which the image needs"},
        BadUpdate{"target", "  image: {path: images/target.hvt}", "UnsupportedTarget",
                  "linked for the target virtio, which no server runs"},
        BadUpdate{"digest",
                  "  image: {path: images/good.hvt, sha256: \""
                  "0000000000000000000000000000000000000000000000000000000000000000\"}",
                  "DigestMismatch", "but spec.image.sha256 asks for 00000000"},
        BadUpdate{"notAnElf", "  image: {path: images/text.hvt}", "ImageInvalid",
                  "images/text.hvt is not a valid Solo5 image: it is not an ELF file"},
        BadUpdate{"missingImage", "  image: {path: images/none.hvt}", "ImageNotFound",
                  "images/none.hvt cannot be found: No such file or directory"},
        BadUpdate{"memoryOverPolicy", "  image: {path: images/good.hvt}\n  memory: 240Mi", "PolicyExceeded",
                  "spec.memory asks for 240 Mi, but the policy of domain shop allows 256 Mi"},
        BadUpdate{"blockDeviceMissing",
                  "  image: {path: images/block.hvt}\n  blockDevices: [{name: storage, volumeName: none}]",
                  "BlockDeviceNotFound", "names the volume none"},
        BadUpdate{"blockDeviceInUse",
                  "  image: {path: images/block.hvt}\n  blockDevices: [{name: storage, volumeName: used}]",
                  "BlockDeviceInUse", "names the volume used, which is in use by shop:user"},
        BadUpdate{"secretMissing",
                  "  image: {path: images/good.hvt}\n  argumentsFrom: [{name: A, secretKeyRef: {name: none, "
                  "key: a}}]",
                  "ReferenceNotFound", "names key a of Secret shop/none, which is not declared"}),
    [](const auto& test) { return test.param.what; });

struct BadManifest {
  std::string text;
  std::string says;    // in the log
  std::string metric;  // that counts it
};

std::vector<BadManifest> badManifests() {
  const std::string invalid = R"(rookery_manifest_problems{reason="InvalidManifest"})";
  const std::string image = "  image: {path: images/web.hvt}\n";
  const std::string good = unikernelManifest("shop", "web", image);
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  }
  const auto with = [&](const std::string& field) { return unikernelManifest("shop", "web", image + field); };
  return {
      {"kind: [\n", "web.yaml:2:1: this is not valid YAML", invalid},
      {with("  colour: red"), "web.yaml:7:3: spec.colour: there is no such field",
       R"(rookery_manifest_problems{reason="UnknownField"})"},
      {with("  memory: 32"), "web.yaml:7:11: spec.memory: expected a string, got the number 32", invalid},
      {with("  startup: 101"), "web.yaml:7:12: spec.startup: this must be from 0 to 100, not 101", invalid},
      {with("  prune: true\n  prune: false"), "web.yaml:8:3: spec.prune: this key is given twice", invalid},
      {with("  blockDevices: [{name: a}, {name: a}]"),
       "web.yaml:7:36: spec.blockDevices[1].name: \"a\" is listed twice", invalid},
      {good + unikernelManifest("shop", "Web_1", image),
       "web.yaml:12:18: metadata.name: \"Web_1\" is not a name that both Kubernetes and Albatross take",
       invalid},
      {good + good, "web.yaml:10:1: Unikernel shop/web is declared 2 times",
       R"(rookery_manifest_problems{reason="DuplicateObject"})"},
      {with("  instance: eu-9"),
       "spec.instance of Unikernel shop/web names eu-9, which is not declared. There is: eu-1.",
       R"(rookery_ready_changes_total{kind="Unikernel",ready="false",reason="InstanceNotFound"})"},
      {laughs, "values once its aliases are followed", invalid},
  };
}

TEST(Safety, AManifestThatIsWrongLeavesWhatRunsUntouched) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.write("policy.yaml", policyManifest("shop", "eu-1"));
  cluster.write("web.yaml", unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  const std::size_t mutations = cluster.server().mutations();

  const auto expectTold = [&](const std::string& says, const std::string& metric) {
    SCOPED_TRACE(says);
    cluster.controller().waitForError(says);
    EXPECT_TRUE(eventually([&] { return cluster.metric(metric) >= 1; })) << cluster.get("/metrics");
    const std::size_t looks = cluster.server().count("info");
    EXPECT_TRUE(eventually([&] { return cluster.server().count("info") >= looks + 2; }));
    EXPECT_EQ(cluster.server().mutations(), mutations) << cluster.server().journal();
  };
  for (const BadManifest& bad : badManifests()) {
    cluster.write("web.yaml", bad.text);
    expectTold(bad.says, bad.metric);
  }
  std::filesystem::resize_file(cluster.manifests() / "web.yaml", std::uintmax_t{2} << 30);
  expectTold("web.yaml: the file has 2147483648 bytes; a manifest has at most 4194304",
             R"(rookery_manifest_problems{reason="InvalidManifest"})");

  cluster.write("web.yaml", unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  EXPECT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  EXPECT_EQ(cluster.server().mutations(), mutations) << cluster.server().journal();
}

/// A credential for `server` as `spec` has it, in place of the one that it has.
void replaceCredential(const ServerProcess& server, fixtures::CertificateSpec spec) {
  const fixtures::Identity ca{fixtures::readFile(server.pki() / "cacert.pem"),
                              fixtures::readFile(server.pki() / "ca.key")};
  spec.commonName = "admin";
  const fixtures::Identity admin = fixtures::makeIdentity(spec, &ca);
  std::ofstream(server.pki() / "admin.pem") << admin.certificate;
  std::ofstream(server.pki() / "admin.key") << admin.privateKey;
}

TEST(Safety, ACredentialThatIsNoGoodLeavesWhatRunsUntouched) {
  using std::chrono::hours;
  const auto now = std::chrono::system_clock::now();
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.write("shop.yaml", policyManifest("shop", "eu-1") +
                                 unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  const ServerProcess& server = cluster.server();
  const std::size_t mutations = server.mutations();

  int edits = 0;
  const auto reload = [&] {
    cluster.writeInstances(fmt::format("  timeouts: {{connect: {}s}}\n", ++edits + 5));
  };
  const auto expectTold = [&](const std::string& says, const std::string& reason) {
    SCOPED_TRACE(says);
    reload();
    cluster.controller().waitForError(says);
    EXPECT_TRUE(cluster.waitForReason("shop", "web", "InstanceUnavailable"));
    // Of a round, the metrics tell once it has ended.
    EXPECT_TRUE(eventually([&] {
      return cluster.metric("rookery_reconcile_total{instance=\"eu-1\",result=\"" + reason) >= 1 &&
             cluster.metric("rookery_instance_up{instance=\"eu-1\"}") == 0;
    }));
    EXPECT_EQ(cluster.object("albatrossinstances", "", "eu-1")["status"]["conditions"][0]["reason"], reason);
  };
  replaceCredential(server, {.notBefore = now - hours(2), .notAfter = now - hours(1)});
  expectTold("The credential's certificate CN=admin expired at ", "CredentialExpired");
  replaceCredential(server, {.notBefore = now + hours(1)});
  expectTold("The credential's certificate CN=admin is valid only from ", "CredentialNotYetValid");

  // What may be half of a replacement leaves the credential in use that was there before.
  const auto expectKept = [&](const std::string& says) {
    SCOPED_TRACE(says);
    reload();
    cluster.controller().waitForError(says);
    const auto ready = [&] {
      return cluster.object("albatrossinstances", "", "eu-1")["status"]["conditions"][0];
    };
    EXPECT_TRUE(eventually([&] { return ready()["message"].dump().contains(says); })) << ready().dump();
    EXPECT_EQ(ready()["status"], "True");
    EXPECT_EQ(cluster.ready(), 1);
  };
  replaceCredential(server, {});
  reload();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  std::ofstream(server.pki() / "admin.key") << fixtures::makeIdentity({}).privateKey;
  expectKept("does not belong to its certificate CN=admin");
  std::ofstream(server.pki() / "admin.pem") << "not PEM";
  expectKept("The credential's certificate holds no PEM certificate");

  std::filesystem::remove(server.pki() / "admin.pem");
  expectTold("admin.pem: No such file or directory", "CredentialInvalid");

  const std::string warnings = R"(rookery_warnings_total{instance="eu-1",reason="CredentialInvalid"})";
  const double warned = cluster.metric(warnings);
  replaceCredential(server, {});
  std::filesystem::permissions(server.pki() / "admin.key", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  reload();
  EXPECT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  EXPECT_THAT(cluster.controller().err(), HasSubstr("admin.key can be read by everybody on this machine"));
  EXPECT_EQ(cluster.metric(warnings), warned + 1);
  EXPECT_EQ(server.mutations(), mutations) << server.journal();
}

TEST(Safety, AFileThatIsRenamedAndBrokenAtOnceIsNotAbsent) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.write("policy.yaml", policyManifest("shop", "eu-1"));
  for (const char* name : {"web", "cart", "db"}) {
    cluster.write(fmt::format("{}.yaml", name),
                  unikernelManifest("shop", name, "  image: {path: images/web.hvt}"));
  }
  const std::vector<std::string> apply = {
      "apply", "--prune", "-f", cluster.manifests().string(), "--state-dir", cluster.stateDir().string()};
  ASSERT_EQ(cluster.rookery(apply), 0) << cluster.err;
  cluster.remove("web.yaml");
  cluster.write("site.yaml", "kind: [\n");
  EXPECT_EQ(cluster.rookery(apply), 1);
  EXPECT_THAT(cluster.err, HasSubstr("site.yaml:2:1: this is not valid YAML"));
  EXPECT_EQ(cluster.server().count("destroy"), 0U) << cluster.err;

  cluster.remove("site.yaml");
  EXPECT_EQ(cluster.rookery(apply), 0) << cluster.err;
  EXPECT_EQ(cluster.server().count("destroy", "shop:web"), 1U);
}

/// A file that held objects and is there without them, or has a mistake, asks for nothing to be destroyed.
TEST(Safety, AFileThatLostItsObjectsIsNoWishToDestroyThem) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.write("policy.yaml", policyManifest("shop", "eu-1"));
  std::string all;
  for (const char* name : {"web", "cart", "db"})
    all += unikernelManifest("shop", name, "  image: {path: images/web.hvt}");
  cluster.write("shop.yaml", all);
  cluster.write("other.yaml", unikernelManifest("shop", "other", "  image: {path: images/web.hvt}"));
  const std::vector<std::string> apply = {
      "apply", "--prune", "-f", cluster.manifests().string(), "--state-dir", cluster.stateDir().string()};
  std::vector<std::string> plan = apply;
  plan.erase(plan.begin(), plan.begin() + 2);
  plan.insert(plan.begin(), "plan");
  ASSERT_EQ(cluster.rookery(apply), 0) << cluster.err;
  const std::string file = (cluster.manifests() / "shop.yaml").string();
  const std::pair<std::string, std::string> lost[] = {
      {"", file + " is empty"},
      {"# later\n", file + " is there, and declares nothing any more"},
      {all.substr(0, all.find("spec", all.find("spec") + 1)), "There is a mistake in the file: " + file}};
  for (const auto& [text, says] : lost) {
    cluster.write("shop.yaml", text);
    EXPECT_EQ(cluster.rookery(apply), 1);
    EXPECT_THAT(cluster.err,
                HasSubstr("Unikernel shop/db is not declared any more, as far as can be seen, and "
                          "is kept: " +
                          says));
    EXPECT_EQ(cluster.rookery(plan), 1);
    EXPECT_THAT(cluster.out, HasSubstr(says));
    EXPECT_EQ(cluster.server().count("destroy"), 0U) << cluster.err;
  }
  cluster.write("shop.yaml", "");
  cluster.run({"--resync", "200ms"});
  EXPECT_TRUE(cluster.waitForReason("shop", "db", "PruneBlocked")) << cluster.controller().err();
  EXPECT_GE(cluster.ready(), 1U);
  EXPECT_EQ(cluster.server().count("destroy"), 0U);
}

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
  // More than the sockets hold: the end of the image cannot be on its way when the server dies.
  cluster.image("images/web.hvt", {.size = 32u << 20});
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

TEST(Safety, ADeletionThroughTheApiIsRememberedUntilItHasHappened) {
  Cluster cluster(1, {.keepsState = true});
  const SecureApi api;
  const fixtures::TempDir files;
  const auto ask = [&](const std::string& method) {
    fixtures::Process curl(
        {"/usr/bin/curl", "--silent", "--show-error", "--cacert", api.caFile().string(), "--header",
         fmt::format("Authorization: Bearer {}", SecureApi::token), "--request", method,
         fmt::format("https://localhost:{}/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/web",
                     cluster.port())},
        files.path() / "curl");
    EXPECT_EQ(curl.wait(), 0) << curl.err();
    return curl.out();
  };
  cluster.image("images/web.hvt");
  cluster.write("policy.yaml", policyManifest("shop", "eu-1"));
  cluster.write("api/web.yaml", unikernelManifest("shop", "web", "  image: {path: ../images/web.hvt}"));
  cluster.run(api.options(cluster));
  ASSERT_TRUE(eventually([&] { return ask("GET").find("\"reason\":\"Running\"") != std::string::npos; }));
  cluster.server().kill();
  cluster.write("unreadable.yaml", "{");  // of which nobody knows what it may declare
  EXPECT_THAT(ask("DELETE"), HasSubstr("deletionTimestamp"));
  cluster.controller().kill();
  cluster.run(api.options(cluster));
  EXPECT_TRUE(eventually([&] { return ask("GET").find("deletionTimestamp") != std::string::npos; }))
      << ask("GET");
  cluster.server().restart();
  EXPECT_TRUE(eventually([&] { return ask("GET").find("\"code\":404") != std::string::npos; }))
      << cluster.controller().err();
  EXPECT_EQ(cluster.server().count("destroy", "shop:web"), 1u);
}

TEST(Safety, ALostReplyIsNotRepeatedButSeen) {
  Cluster cluster(1);
  cluster.image("images/web.hvt");
  cluster.write("web.yaml", policyManifest("shop", "eu-1"));
  cluster.run({"--resync", "200ms"});
  cluster.controller().waitForError("The policy of namespace shop is in force on eu-1.");
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

TEST(Safety, WhatIsWithheldGoesWhenThatIsConfirmedAtTheRunningController) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.write("policy.yaml", policyManifest("shop", "eu-1"));
  std::string all;
  for (int i = 0; i < 3; ++i)
    all += unikernelManifest("shop", fmt::format("web-{}", i), "  image: {path: images/web.hvt}");
  cluster.write("shop.yaml", all);
  const std::string stateDir = cluster.stateDir().string();
  EXPECT_EQ(cluster.rookery({"confirm-prune", "000000000000", "--state-dir", stateDir}), 1);
  EXPECT_THAT(cluster.err, HasSubstr("No rookery runs with the state directory"));
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 3; })) << cluster.controller().err();
  cluster.remove("shop.yaml");
  const std::string id = cluster.controller().waitForError("--confirm-prune ").substr(0, 12);
  EXPECT_EQ(cluster.rookery({"confirm-prune", "000000000000", "--state-dir", stateDir}), 1);
  EXPECT_THAT(cluster.err, HasSubstr(id)) << "it says which there are";
  EXPECT_EQ(cluster.rookery({"confirm-prune", id, "--state-dir", stateDir}), 0) << cluster.err;
  EXPECT_TRUE(eventually([&] { return cluster.server().count("destroy") == 3; }))
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
