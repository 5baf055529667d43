// Images through POST /deploy, with curl and with `rookery deploy`, to unikernels that run on emulated
// servers.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "integration/cluster.h"
#include "integration/secure_api.h"

namespace rookery::integration {
namespace {

namespace fs = std::filesystem;
using fixtures::eventually;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Deploy : public testing::Test {
 protected:
  explicit Deploy(std::size_t servers = 1) : servers_(servers), cluster_(servers) {
    for (std::size_t i = 0; i < servers; ++i)
      cluster_.write(Cluster::instance(i) + "-policy.yaml", policyManifest("shop", Cluster::instance(i)));
  }

  void run() {
    cluster_.run(api_.options(cluster_));
    for (std::size_t i = 0; i < servers_; ++i) {
      cluster_.controller().waitForError(
          fmt::format("object=\"AlbatrossInstance {}\" ready=\"true\"", Cluster::instance(i)));
    }
  }

  fs::path image(const std::string& name, const images::ImageSpec& spec = {}) const {
    fs::path path = files_.path() / name;
    EXPECT_TRUE(images::writeImage(spec, path));
    return path;
  }

  std::vector<std::string> curl(const std::vector<std::string>& parts, const std::string& query = "",
                                const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"/usr/bin/curl",
                                          "--silent",
                                          "--show-error",
                                          "--cacert",
                                          api_.caFile().string(),
                                          "--header",
                                          fmt::format("Authorization: Bearer {}", SecureApi::token),
                                          "--write-out",
                                          "\n%{http_code}"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    for (const std::string& part : parts) arguments.insert(arguments.end(), {"--form", part});
    arguments.push_back(fmt::format("https://localhost:{}/deploy{}", cluster_.port(), query));
    return arguments;
  }

  /// The status code; what was answered is in answer_.
  int post(const std::vector<std::string>& parts, const std::string& query = "") {
    fixtures::Process process(curl(parts, query), files_.path() / fmt::format("curl-{}", ++runs_));
    EXPECT_EQ(process.wait(), 0) << process.err();
    const std::string out = process.out();
    const auto end = out.rfind('\n');
    answer_ = json::parse(out.substr(0, end), nullptr, false);
    return std::stoi(out.substr(end + 1));
  }

  /// What the image store and the API's folder hold.
  std::vector<std::string> remains() const {
    std::vector<std::string> names;
    for (const fs::path& folder : {cluster_.stateDir() / "images", cluster_.manifests() / "api"}) {
      std::error_code gone;
      for (const auto& file : fs::directory_iterator(folder, gone))
        names.push_back(file.path().filename().string());
    }
    return names;
  }

  const std::size_t servers_;
  Cluster cluster_;
  SecureApi api_;
  fixtures::TempDir files_;
  json answer_;
  unsigned runs_ = 0;
};

TEST_F(Deploy, TakesThePartsInEveryOrder) {
  run();
  std::vector<std::string> order = {"binary", "config", "name"};
  int number = 0;
  do {
    const std::string name = fmt::format("web-{}", ++number);
    const fs::path binary = image(name + ".hvt", {.content = name});
    const std::map<std::string, std::string> parts = {
        {"name", "name=" + name},
        {"config", R"(config={"memory": "64Mi", "arguments": ["--hello"]})"},
        {"binary", "binary=@" + binary.string()}};
    EXPECT_EQ(post({"namespace=shop", parts.at(order[0]), parts.at(order[1]), "force_create=false",
                    parts.at(order[2]), "instance=eu-1"},
                   "?wait=60s"),
              200)
        << answer_;
    EXPECT_EQ(cluster_.server().count("create", "shop:" + name), 1u);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(Deploy, IsAVerbOfTheProgram) {
  run();
  const fs::path first = image("first.hvt", {.content = "first"});
  const fs::path second = image("second.hvt", {.content = "second"});
  const auto deploy = [&](const fs::path& binary, const std::vector<std::string>& more) {
    fixtures::TempDir token;
    std::vector<std::string> arguments = {"deploy",
                                          "web",
                                          binary.string(),
                                          "-n",
                                          "shop",
                                          "--wait",
                                          "60s",
                                          "--server",
                                          fmt::format("https://localhost:{}", cluster_.port()),
                                          "--token-file",
                                          token.write("token", SecureApi::token).string(),
                                          "--certificate-authority",
                                          api_.caFile().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cluster_.rookery(arguments);
  };
  EXPECT_EQ(deploy(first, {}), 0) << cluster_.err;
  EXPECT_EQ(deploy(second, {}), 1) << "it is there already";
  EXPECT_THAT(cluster_.err, HasSubstr("already exists"));
  EXPECT_EQ(deploy(second, {"--force"}), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("force-create", "shop:web"), 1u);

  const auto before = remains();
  EXPECT_EQ(deploy(image("third.hvt", {.networks = {"service"}}), {"--force"}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("spec.networkInterfaces lacks service"));
  EXPECT_EQ(deploy(first, {"--force", "-f", files_.write("large.yaml", "memory: 1000Gi\n").string()}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("Error from server (PolicyExceeded): spec.memory asks for 1024000 Mi"));
  EXPECT_EQ(remains(), before);
}

TEST_F(Deploy, KeepsMemoryConstantForAnImageOfOneGiB) {
  run();
  const fs::path small = image("small.hvt");
  const fs::path large = image("large.hvt", {.size = std::uint64_t{1} << 30});
  ASSERT_EQ(post({"namespace=shop", "name=small", "binary=@" + small.string()}, "?wait=60s"), 200) << answer_;
  const std::uint64_t before = cluster_.controller().peakMemoryKiB();
  ASSERT_EQ(post({"namespace=shop", "name=large", "binary=@" + large.string()}), 202) << answer_;
  const std::uint64_t after = cluster_.controller().peakMemoryKiB();
  RecordProperty("peakKiBBefore", std::to_string(before));
  RecordProperty("peakKiBAfter", std::to_string(after));
  EXPECT_LE(after, before + 16 * 1024);
  EXPECT_EQ(answer_["size"], std::uint64_t{1} << 30);
}

TEST_F(Deploy, NothingRemainsOfAnUploadThatIsCutOff) {
  run();
  const fs::path large = image("large.hvt", {.size = 64u << 20});
  const auto begun = [&] { return !remains().empty(); };
  {
    fixtures::Process process(
        curl({"namespace=shop", "name=web", "binary=@" + large.string()}, "", {"--limit-rate", "8M"}),
        files_.path() / "cut");
    ASSERT_TRUE(eventually(begun)) << "the upload has begun";
    process.kill();
  }
  EXPECT_TRUE(eventually([&] { return remains().empty(); })) << testing::PrintToString(remains());
  EXPECT_EQ(cluster_.server().count("create"), 0u);
}

TEST_F(Deploy, SaysWhenTheDiskIsFullAndGoesOn) {
  const fs::path store = cluster_.stateDir() / "images";
  fs::create_directories(store);
  if (::mount("rookery-test", store.c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "only root can make a small disk";
  run();
  const fs::path large = image("large.hvt", {.size = 16u << 20});
  const fs::path small = image("small.hvt");
  EXPECT_EQ(post({"namespace=shop", "name=large", "binary=@" + large.string()}), 500) << answer_;
  EXPECT_THAT(answer_.value("message", ""), HasSubstr("No space left on device"));
  EXPECT_THAT(remains(), IsEmpty());
  EXPECT_EQ(post({"namespace=shop", "name=small", "binary=@" + small.string()}, "?wait=60s"), 200) << answer_;
  cluster_.controller().terminate();
  EXPECT_EQ(::umount2(store.c_str(), MNT_DETACH), 0);
}

class DeployToSeveral : public Deploy {
 protected:
  DeployToSeveral() : Deploy(2) {}
};

TEST_F(DeployToSeveral, ListsTheInstancesWhereNoneIsNamed) {
  run();
  const std::string binary = "binary=@" + image("web.hvt").string();
  EXPECT_EQ(post({"namespace=shop", "name=web", binary}), 422);
  EXPECT_THAT(answer_.value("message", ""), HasSubstr("name one of eu-1, eu-2"));
  EXPECT_EQ(post({"namespace=shop", "name=web", "instance=eu-2", binary}, "?wait=60s"), 200) << answer_;
  EXPECT_EQ(cluster_.server(0).count("create"), 0u);
  EXPECT_EQ(cluster_.server(1).count("create"), 1u);
}

}  // namespace
}  // namespace rookery::integration
