// Volumes, from a manifest to what is on a block device, with the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "integration/cluster.h"
#include "integration/secure_api.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using testing::HasSubstr;

const std::string limits = policyManifest("shop", "eu-1");

std::string volumeManifest(const std::string& spec) {
  return "---\napiVersion: rookery.dev/v1alpha1\nkind: UnikernelVolume\nmetadata: {name: data, namespace: "
         "shop}\n"
         "spec: {" +
         spec + "}\n";
}

/// shop/web, which has that volume.
std::string webManifest(const std::string& spec = "") {
  return unikernelManifest("shop", "web",
                           "  image: {path: images/web.hvt}\n"
                           "  blockDevices: [{name: disk, volumeName: data}]" +
                               spec);
}

class Volumes : public testing::Test {
 protected:
  Volumes() { cluster_.image("images/web.hvt", {.blocks = {"disk"}}); }

  std::string readyReason() const {
    const auto volume = cluster_.object("unikernelvolumes", "shop", "data");
    if (!volume.is_object() || !volume.contains("status") || !volume["status"].contains("conditions"))
      return "";
    return volume["status"]["conditions"][0]["reason"];
  }
  int verb(const std::string& name) {
    return cluster_.rookery(
        {name, "-f", cluster_.manifests().string(), "--state-dir", cluster_.stateDir().string()});
  }
  std::size_t count(const std::string& command, const std::string& name) {
    return cluster_.server().count(command, name);
  }
  /// Steps are told with how often they were taken.
  void expectSoon(const std::string& command, const std::string& name, std::size_t times) {
    EXPECT_TRUE(eventually([&] { return count(command, name) == times; }))
        << command << ' ' << name << '\n'
        << cluster_.server().journal() << cluster_.controller().err();
  }

  Cluster cluster_;
};

TEST_F(Volumes, IsMadeFilledAndUsedAndFilledAgain) {
  cluster_.write("data.img", std::string(100'000, 'a'));
  const std::string declared = volumeManifest("size: 4Mi, source: {path: data.img, compressionLevel: 6}");
  cluster_.write("shop.yaml", limits + declared + webManifest());
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  EXPECT_EQ(count("block-add", "shop:data"), 1u);
  EXPECT_EQ(count("block-set", "shop:data"), 1u);
  EXPECT_LT(cluster_.server().imageBytes(), 50'000u) << "it was compressed";
  ASSERT_TRUE(eventually([&] { return readyReason() == "Succeeded"; })) << readyReason();
  const auto status = cluster_.object("unikernelvolumes", "shop", "data")["status"];
  EXPECT_EQ(status["size"], "4Mi");
  EXPECT_EQ(status["instance"], "eu-1");

  cluster_.write("data.img", std::string(100'000, 'b'));
  expectSoon("block-set", "shop:data", 2);
  expectSoon("create", "shop:web", 2);
  EXPECT_EQ(count("destroy", "shop:web"), 1u);
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1 && readyReason() == "Succeeded"; }));
  EXPECT_EQ(cluster_.unikernel("shop", "web")["status"]["restarts"], 0);

  cluster_.write("shop.yaml", limits);
  expectSoon("destroy", "shop:web", 2);
  ASSERT_TRUE(eventually([&] { return cluster_.object("unikernelvolumes", "shop", "data").is_null(); }))
      << cluster_.controller().err();
  EXPECT_EQ(count("block-remove", "shop:data"), 0u) << "it is retained";

  cluster_.write("shop.yaml", limits + declared);
  ASSERT_TRUE(eventually([&] { return readyReason() == "Succeeded"; })) << cluster_.controller().err();
  EXPECT_EQ(count("block-set", "shop:data"), 2u) << "what is on it is adopted as it is";
}

TEST_F(Volumes, GoesWhereThatIsWished) {
  cluster_.write("shop.yaml", limits + volumeManifest("size: 4Mi, reclaimPolicy: Delete") + webManifest());
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  cluster_.write("shop.yaml", limits);
  expectSoon("block-remove", "shop:data", 1);
  ASSERT_TRUE(eventually([&] { return cluster_.object("unikernelvolumes", "shop", "data").is_null(); }))
      << cluster_.controller().err();
}

TEST_F(Volumes, IsFilledAlsoWhenTheControllerIsKilledMeanwhile) {
  cluster_.write("data.img", std::string(8 << 20, 'a'));
  cluster_.write("shop.yaml",
                 limits + volumeManifest("size: 16Mi, source: {path: data.img}") + webManifest());
  cluster_.server().restart("drop-reply");
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.server().journal().contains("command=block-set"); }))
      << cluster_.controller().err();
  cluster_.controller().kill();
  cluster_.server().restart();
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  EXPECT_GE(count("block-set", "shop:data"), 1u);
}

TEST_F(Volumes, IsDumpedWhileNobodyUsesIt) {
  const std::string content(100'000, 'a');
  cluster_.write("data.img", content);
  const std::string declared = limits + volumeManifest("size: 4Mi, source: {path: data.img}");
  cluster_.write("shop.yaml", declared + webManifest());
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  const std::filesystem::path file = cluster_.folder().path() / "saved.img";
  const auto dump = [&] {
    return cluster_.rookery({"volume", "dump", "data", "-n", "shop", "-o", file.string(), "--server",
                             fmt::format("http://127.0.0.1:{}", cluster_.port())});
  };
  EXPECT_EQ(dump(), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("Stop the unikernel that uses it"));
  EXPECT_FALSE(std::filesystem::exists(file));

  cluster_.write("shop.yaml", declared);
  expectSoon("destroy", "shop:web", 1);
  ASSERT_EQ(dump(), 0) << cluster_.err;
  std::string whole = content;
  whole.resize(std::size_t{4} << 20);
  EXPECT_TRUE(fixtures::readFile(file) == whole);
}

TEST_F(Volumes, IsLoadedFromAFile) {
  const std::string declared = limits + volumeManifest("size: 4Mi");
  cluster_.write("shop.yaml", declared + webManifest());
  const SecureApi api;
  cluster_.run(api.options(cluster_));
  cluster_.controller().waitForError("object=\"Unikernel shop/web\" ready=\"true\"");
  const fixtures::TempDir files;
  const std::string token = files.write("token", SecureApi::token).string();
  const auto volume = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "volume");
    arguments.insert(arguments.end(),
                     {"-n", "shop", "--server", fmt::format("https://localhost:{}", cluster_.port()),
                      "--token-file", token, "--certificate-authority", api.caFile().string()});
    return cluster_.rookery(arguments);
  };
  const std::string content(3'000'000, 'l');
  const std::string file = files.write("new.img", content).string();
  EXPECT_EQ(volume({"load", "data", file}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("uses UnikernelVolume shop/data"));
  EXPECT_EQ(count("block-set", "shop:data"), 0u);
  EXPECT_EQ(count("destroy", "shop:web"), 0u);

  ASSERT_EQ(volume({"load", "data", file, "--force"}), 0) << cluster_.err << cluster_.controller().err();
  EXPECT_THAT(cluster_.out, HasSubstr("UnikernelVolume shop/data: 2.9 MiB written from"));
  EXPECT_EQ(count("block-set", "shop:data"), 1u);
  EXPECT_EQ(count("destroy", "shop:web"), 1u);
  expectSoon("create", "shop:web", 2);

  cluster_.write("shop.yaml", declared);
  expectSoon("destroy", "shop:web", 2);
  ASSERT_EQ(volume({"load", "data", file}), 0) << "the same once more: " << cluster_.err;
  EXPECT_EQ(count("block-set", "shop:data"), 2u);
  const std::filesystem::path saved = files.path() / "saved.img";
  ASSERT_EQ(volume({"dump", "data", "-o", saved.string()}), 0) << cluster_.err;
  EXPECT_TRUE(fixtures::readFile(saved).starts_with(content));

  const std::string large = files.write("large.img", std::string((4 << 20) + 1, 'x')).string();
  EXPECT_EQ(volume({"load", "data", large}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("are more than that"));
  cluster_.write("data.img", "declared");
  cluster_.write("shop.yaml", limits + volumeManifest("size: 4Mi, source: {path: data.img}"));
  expectSoon("block-set", "shop:data", 3);
  EXPECT_EQ(volume({"load", "data", file}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("declared in spec.source"));

  // The answer comes while most of it is still on its way.
  cluster_.write("shop.yaml", limits + volumeManifest("size: 16Mi"));
  cluster_.controller().waitForError("reason=\"VolumeSizeDiffers\"");
  const std::string slow = files.write("long.img", std::string(12 << 20, 'y')).string();
  EXPECT_EQ(volume({"load", "data", slow}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("is not Ready"));
  EXPECT_EQ(count("block-set", "shop:data"), 3u);
}

TEST_F(Volumes, PlanShowsWhatApplyDoes) {
  cluster_.write("data.img", "content");
  cluster_.write("shop.yaml", limits + volumeManifest("size: 4Mi, source: {path: data.img}") + webManifest());
  EXPECT_EQ(verb("plan"), 2) << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr("UnikernelVolume shop/data"));
  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_EQ(count("block-set", "shop:data"), 1u);
  EXPECT_EQ(verb("plan"), 0) << cluster_.out << cluster_.err;
}

}  // namespace
}  // namespace rookery::integration
