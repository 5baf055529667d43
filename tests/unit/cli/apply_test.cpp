// `apply` in this process, against an emulated server.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "emulator/emulator.h"
#include "fixtures/temp_dir.h"
#include "images/image_maker.h"
#include "unit/cli/invoke.h"
#include "unit/emulator/emulator_options.h"

namespace rookery::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::size_t occurrences(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

/// In a folder of its own, with a server whose credential lies there.
class Apply : public testing::Test {
 protected:
  Apply() {
    const fixtures::Identity admin = fixtures::makeIdentity({.commonName = "admin"}, &ca_);
    folder_.write("pki/ca.pem", ca_.certificate);
    folder_.write("pki/admin.pem", admin.certificate);
    fs::permissions(folder_.write("pki/admin.key", admin.privateKey), fs::perms::owner_read);
    fs::create_directory(folder_.path() / "images");
    EXPECT_TRUE(images::writeImage({}, folder_.path() / "images/web.hvt"));
  }

  std::string instance() const {
    return fmt::format(
        "apiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {{name: eu-1}}\n"
        "spec:\n  endpoint: 127.0.0.1:{}\n  rootNamespace: default\n  credentials: {{files: "
        "{{ca: pki/ca.pem, certificate: pki/admin.pem, privateKey: pki/admin.key}}}}\n",
        server_.port());
  }
  static std::string unikernel(const std::string& nameSpace, const std::string& name) {
    return fmt::format(
        "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{name: {}, namespace: {}}}\n"
        "spec: {{image: {{path: images/web.hvt}}, minReadySeconds: 0}}\n",
        name, nameSpace);
  }
  Invocation apply(const std::string& input) const {
    return invoke({"apply", "-f", "-", "--state-dir", (folder_.path() / "state").string()}, input);
  }

  const fixtures::TempDir folder_;
  const fixtures::CurrentFolder here_{folder_.path()};
  const fixtures::Identity ca_ = fixtures::makeIdentity({});
  emulator::EmulatorThread server_{emulator::optionsWith(ca_)};
};

TEST_F(Apply, TakesStandardInputFromTheCurrentFolder) {
  const Invocation applied = apply(instance() + unikernel("default", "web"));
  EXPECT_EQ(applied.status, 0) << applied.err;
  EXPECT_EQ(applied.out, "All 2 objects are Ready.\n");
  const Invocation again = apply(instance() + unikernel("default", "web"));
  EXPECT_EQ(again.status, 0) << again.err;
  const Invocation without = apply(instance());
  EXPECT_EQ(without.status, 0) << without.err << "what standard input lacks was perhaps never in there";
  EXPECT_EQ(server_.ask([](emulator::Emulator& emulator) { return emulator.journal().count("destroy"); }), 0);
}

TEST_F(Apply, SaysEachFailureOnce) {
  std::string manifests = instance() + unikernel("default", "web");
  for (const char* name : {"a", "b", "c"}) manifests += unikernel("nowhere", name);
  const Invocation applied = apply(manifests);
  EXPECT_EQ(applied.status, 1);
  EXPECT_THAT(applied.err,
              AllOf(HasSubstr("Unikernel default/web: Ready\n"),
                    HasSubstr("\nerror: 3 Unikernels are not Ready (NoPolicy); the first, nowhere/a: "),
                    HasSubstr(" The others: nowhere/b, nowhere/c.\n")));
  EXPECT_EQ(occurrences(applied.err, "Declare a UnikernelPolicy in namespace nowhere"), 1) << applied.err;
  EXPECT_EQ(occurrences(applied.err, ": not Ready (NoPolicy)\n"), 1) << applied.err;
}

TEST_F(Apply, SaysOnceThatAServerIsNotThere) {
  std::string manifests = instance();
  manifests.replace(manifests.find("127.0.0.1:"), 10, "127.0.0.1:1 #");
  for (const char* name : {"a", "b"}) manifests += unikernel("default", name);
  const Invocation applied = invoke(
      {"apply", "-f", "-", "--timeout", "1s", "--state-dir", (folder_.path() / "state").string()}, manifests);
  EXPECT_EQ(applied.status, 1);
  EXPECT_EQ(occurrences(applied.err, "No connection to 127.0.0.1:1"), 1) << applied.err;
  EXPECT_THAT(applied.err, HasSubstr("error: 2 Unikernels are not Ready (InstanceUnavailable); "));
}

}  // namespace
}  // namespace rookery::cli
