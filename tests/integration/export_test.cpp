// What runs on a server that somebody else has filled, as manifests that are taken over without a change.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "integration/cluster.h"

namespace rookery::integration {
namespace {

namespace fs = std::filesystem;
using fixtures::eventually;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t namespaces = 5, perNamespace = 10;
constexpr std::uint64_t large = (std::uint64_t{16} << 20) + 4096;  // more than any other reply may have

/// A server with 50 unikernels that another state directory has started, and manifests that declare no more
/// than its instance.
class Export : public testing::Test {
 protected:
  Export() {
    cluster_.writeInstances("  rootNamespace: base\n");
    cluster_.image("images/large.hvt", {.size = large, .content = "large"});
    cluster_.image("images/net.hvt", {.networks = {"service"}, .content = "net"});
    for (std::size_t space = 0; space < namespaces; ++space) {
      const std::string name = space == 0 ? "base" : fmt::format("ns-{}", space);
      cluster_.image(fmt::format("images/{}.hvt", name), {.content = name});
      std::string all = space == 0 ? "" : policyManifest(name, "eu-1");
      for (std::size_t index = 0; index < perNamespace; ++index) all += manifestOf(name, index);
      cluster_.write(name + ".yaml", all);
    }
    const int status = cluster_.rookery({"apply", "-f", cluster_.manifests().string(), "--state-dir",
                                         (cluster_.folder().path() / "theirs").string()});
    EXPECT_EQ(status, 0) << cluster_.err;
    fs::rename(cluster_.manifests(), cluster_.folder().path() / "before");
    fs::create_directories(cluster_.manifests());
    cluster_.writeInstances("  rootNamespace: base\n");
    fs::remove_all(cluster_.folder().path() / "theirs");
    mutations_ = cluster_.server().mutations();
  }

  static std::string manifestOf(const std::string& nameSpace, std::size_t index) {
    std::string spec = "  image: {path: images/" + nameSpace + ".hvt}\n  memory: 1Mi";
    if (index == 0)
      spec =
          "  image: {path: images/net.hvt}\n  memory: 1Mi\n"
          "  networkInterfaces: [{name: service, bridge: br0}]\n  failBehaviour: {restart: true}";
    if (index == 1) spec = "  image: {path: images/large.hvt}\n  memory: 24Mi\n  startup: 7";
    if (index == 2) spec += "\n  arguments: [\"--password=hunter2\", \"$$(HOME)\", \"--size=2\"]";
    return unikernelManifest(nameSpace, fmt::format("uk-{}", index), spec);
  }

  std::vector<std::string> command() const {
    return {"export", "--instance", "eu-1", "-f", cluster_.manifests().string(), "--out", out_.string()};
  }

  /// plan has nothing to do but adoptions, of all.
  void expectOnlyAdoptions() {
    const int status = cluster_.rookery({"plan", "-f", cluster_.manifests().string(), "-f", out_.string(),
                                         "-o", "json", "--state-dir", cluster_.stateDir().string()});
    EXPECT_EQ(status, 2) << cluster_.err;
    const json plan = json::parse(cluster_.out);
    EXPECT_TRUE(plan["errors"].empty()) << plan["errors"].dump(2);
    EXPECT_EQ(plan["changes"].size(), namespaces * perNamespace);
    for (const json& change : plan["changes"]) EXPECT_EQ(change["verb"], "adopt") << change.dump(2);
  }

  std::size_t imagesThere() const {
    std::error_code error;
    std::size_t count = 0;
    for (fs::directory_iterator entry(out_ / "images", error), end; !error && entry != end;
         entry.increment(error))
      count += entry->path().extension() == ".hvt" ? 1u : 0u;
    return count;
  }

  Cluster cluster_{1, {.keepsState = true}};
  fs::path out_ = cluster_.folder().path() / "exported";
  std::size_t mutations_ = 0;
};

TEST_F(Export, IsTakenOverWithoutAChange) {
  EXPECT_EQ(cluster_.rookery(command()), 0) << cluster_.err;
  EXPECT_THAT(cluster_.out, AllOf(HasSubstr("50 unikernels, 4 policies, 0 volumes and 7 images"),
                                  HasSubstr("Next: rookery plan -f ")));
  EXPECT_THAT(cluster_.err, AllOf(HasSubstr("Unikernel ns-1/uk-2"), HasSubstr("--password")));
  EXPECT_THAT(cluster_.out + cluster_.err, Not(HasSubstr("hunter2")));
  const fs::path secret = out_ / "ns-1" / "uk-2-secret.yaml";
  EXPECT_EQ(fs::status(secret).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  expectOnlyAdoptions();

  EXPECT_EQ(cluster_.rookery(command()), 0) << cluster_.err;
  EXPECT_THAT(cluster_.out, Not(HasSubstr("wrote ")));
  EXPECT_EQ(cluster_.server().count("get"), 7u) << "images that are there are not fetched again";
  EXPECT_EQ(cluster_.server().mutations(), mutations_);
  EXPECT_FALSE(fs::exists(cluster_.stateDir()));
}

TEST_F(Export, GoesOnAfterAKill) {
  cluster_.server().restart("delay=100ms");
  {
    const auto killed = cluster_.start(command());
    ASSERT_TRUE(eventually([&] { return imagesThere() >= 1; }));
    killed->kill();
    EXPECT_THAT(killed->out(), Not(HasSubstr("Next: "))) << "it was through already";
  }
  EXPECT_EQ(cluster_.rookery(command()), 0) << cluster_.err;
  EXPECT_EQ(imagesThere(), 7u);
  expectOnlyAdoptions();
  EXPECT_LE(cluster_.server().count("get"), 8u) << "but for the one under way, none is fetched twice";
  for (const auto& entry : fs::recursive_directory_iterator(out_))
    EXPECT_FALSE(entry.path().filename().string().starts_with('.')) << entry.path();
}

TEST_F(Export, ReplacesNothingUnasked) {
  std::vector<std::string> some = command();
  some.insert(some.end(), {"-n", "ns-1"});
  ASSERT_EQ(cluster_.rookery(some), 0) << cluster_.err;
  EXPECT_FALSE(fs::exists(out_ / "ns-2"));
  const fs::path file = out_ / "ns-1" / "uk-3.yaml";
  const std::string exported = fixtures::readFile(file);
  cluster_.folder().replace("exported/ns-1/uk-3.yaml", exported + "# mine\n");
  EXPECT_EQ(cluster_.rookery(some), 1);
  EXPECT_THAT(cluster_.err, AllOf(HasSubstr("left out: Unikernel ns-1/uk-3: "), HasSubstr("--force")));
  EXPECT_EQ(fixtures::readFile(file), exported + "# mine\n");
  some.push_back("--force");
  EXPECT_EQ(cluster_.rookery(some), 0) << cluster_.err;
  EXPECT_EQ(fixtures::readFile(file), exported);

  // Declared already, it is not exported again.
  cluster_.write("mine.yaml", exported);
  fs::remove(file);
  EXPECT_EQ(cluster_.rookery(some), 0) << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr("1 object is declared already"));
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(Export, TakesNoImageThatIsTooLarge) {
  std::vector<std::string> small = command();
  small.insert(small.end(), {"--max-image-size", "1Mi"});
  EXPECT_EQ(cluster_.rookery(small), 1);
  EXPECT_THAT(cluster_.err,
              AllOf(HasSubstr("left out: Unikernel ns-1/uk-1: "), HasSubstr("--max-image-size")));
  EXPECT_EQ(imagesThere(), 6u);
  EXPECT_TRUE(fs::exists(out_ / "ns-1" / "uk-3.yaml"));
  EXPECT_FALSE(fs::exists(out_ / "ns-1" / "uk-1.yaml"));
}

}  // namespace
}  // namespace rookery::integration
