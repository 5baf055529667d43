#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"
#include "images/image_maker.h"
#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* instance = R"(apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {name: eu-1}
spec:
  endpoint: 127.0.0.1:1025
  rootNamespace: default
  credentials:
    files: {ca: ../pki/ca.pem, certificate: ../pki/admin.pem, privateKey: ../pki/admin.key}
)";

std::string unikernel(const std::string& spec) {
  return fmt::format(
      "apiVersion: rookery.dev/v1alpha1\n"
      "kind: Unikernel\n"
      "metadata: {{name: web, namespace: shop}}\n"
      "spec:\n"
      "  instance: eu-1\n"
      "{}",
      spec);
}

/// A folder with an instance, its credentials and a unikernel, all valid.
class Validate : public testing::Test {
 protected:
  void SetUp() override {
    writeCredentials(fixtures::CertificateSpec{});
    folder_.write("manifests/instance.yaml", instance);
    folder_.write("manifests/web.yaml",
                  unikernel("  image: {path: web.hvt}\n  networkInterfaces: [{name: service}]\n"));
    images::ImageSpec spec;
    spec.networks = {"service"};
    ASSERT_TRUE(images::writeImage(spec, path("web.hvt")));
  }

  void writeCredentials(fixtures::CertificateSpec admin) {
    const fixtures::Identity ca = fixtures::makeIdentity({});
    admin.commonName = "admin";
    const fixtures::Identity identity = fixtures::makeIdentity(admin, &ca);
    folder_.write("pki/ca.pem", ca.certificate);
    folder_.write("pki/admin.pem", identity.certificate);
    fs::permissions(folder_.write("pki/admin.key", identity.privateKey),
                    fs::perms::owner_read | fs::perms::owner_write);
  }

  fs::path path(const std::string& name) const { return folder_.path() / "manifests" / name; }
  Invocation validate() const { return invoke({"validate", "-f", (folder_.path() / "manifests").string()}); }

  /// The one mistake that is told, as "file:line:column: field: message".
  void expectMistake(const std::string& file, const std::string& line, const std::string& said) const {
    const Invocation result = validate();
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, HasSubstr(path(file).string() + ":" + line));
    EXPECT_THAT(result.err, HasSubstr(said));
    EXPECT_THAT(result.err, HasSubstr("\n1 error in 2 files\n"));
  }

  fixtures::TempDir folder_;
};

TEST_F(Validate, SaysHowMuchIsValid) {
  const Invocation result = validate();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "2 objects in 2 files are valid\n");
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(Validate, TakesFoldersAndFilesRepeatedly) {
  const Invocation result =
      invoke({"validate", "-f", path("instance.yaml").string(), "-f", path("web.yaml").string()});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "2 objects in 2 files are valid\n");
}

TEST_F(Validate, ReadsStandardInput) {
  const fixtures::CurrentFolder here(folder_.path() / "manifests");
  const std::string web = fixtures::readFile(path("web.yaml"));
  const Invocation both = invoke({"validate", "-f", "-"}, std::string(instance) + "---\n" + web);
  EXPECT_EQ(both.status, 0) << both.err;
  EXPECT_EQ(both.out, "2 objects in 1 file are valid\n");

  const Invocation beside = invoke({"validate", "-f", "instance.yaml", "-f", "-"}, web);
  EXPECT_EQ(beside.status, 0) << beside.err;
  EXPECT_EQ(beside.out, "2 objects in 2 files are valid\n");

  const Invocation twice = invoke({"validate", "-f", "web.yaml", "-f", "instance.yaml", "-f", "-"}, web);
  EXPECT_EQ(twice.status, 1);
  EXPECT_THAT(twice.err,
              AllOf(HasSubstr("web.yaml:"), HasSubstr("-:1:1: "), HasSubstr("2 errors in 3 files")));
}

TEST_F(Validate, TellsTheMistakesOfStandardInput) {
  const fixtures::CurrentFolder here(folder_.path() / "manifests");
  const std::string cases[][2] = {
      {unikernel("  image: {path: web.hvt}\n  memory: 32\n"), "-:7:11: spec.memory: "},
      {unikernel("  image: {path: ../none.hvt}\n"), "-:6:"},
      {"kind: [", "-:1:"},
      {"kind: Unikernel\napiVersion: rookery.dev/v1alpha1\n" + std::string(5 << 20, ' '), "4194304"},
      {"", "-: There is no manifest here"},
      {"kind: Namespace\napiVersion: v1\n", "-: There is no manifest here"},
  };
  for (const auto& [input, said] : cases) {
    const Invocation result = invoke({"validate", "-f", "instance.yaml", "-f", "-"}, input);
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr(said));
  }
  fs::rename(path("web.hvt"), folder_.path() / "web.hvt");
  EXPECT_THAT(invoke({"validate", "-f", "instance.yaml", "-f", "-"},
                     unikernel("  image: {path: ../web.hvt}\n  networkInterfaces: [{name: service}]\n"))
                  .err,
              HasSubstr("lies outside the manifest root"))
      << "images lie below the current folder";
}

TEST_F(Validate, NothingThatIsForeignActsOnTheTerminal) {
  folder_.write("manifests/\x1b[2J\nerror: a\u202e.yaml",
                "a: \"\\e[31m\\u202e\\x9b\"\nkind: Unikernel\n" +
                    std::string("apiVersion: rookery.dev/v1alpha1\n") +
                    "\"\\e]0;x\\n\": 1\nmetadata: {name: \"\\x9b\"}\n");
  for (const char* output : {"text", "json"}) {
    const Invocation result = invoke(
        {"validate", "-o", output, "-f", (folder_.path() / "manifests").string(), "--image-root", "\x1b[2J"});
    EXPECT_EQ(result.status, 1);
    const std::string said = result.out + result.err;
    for (const char* acting : {"\x1b", "\u202e", "\u009b", "\nerror: a"})
      EXPECT_THAT(said, Not(HasSubstr(acting)));
    EXPECT_THAT(said, HasSubstr("\\u001b[2J"));
  }
  const Invocation wrong = invoke({"validate", "--\x1b[2J\u009b"});
  EXPECT_THAT(wrong.err, Not(AnyOf(HasSubstr("\x1b"), HasSubstr("\u009b"))));
}

TEST_F(Validate, TellsEveryMistakeWithItsPlace) {
  folder_.write("manifests/instance.yaml", std::string(instance) + "  port: 1\n");
  folder_.write("manifests/web.yaml", unikernel("  image: {path: web.hvt}\n  memory: 32\n"));
  const Invocation result = validate();
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, ContainsRegex("instance.yaml:9:3: spec.port: "));
  EXPECT_THAT(result.err, AllOf(ContainsRegex("web.yaml:7:[0-9]+: spec.memory: "), HasSubstr("32Mi")));
}

TEST_F(Validate, PassesOverWhatIsNotRookerysAndListsItWhenAsked) {
  folder_.write("manifests/package.json", "{ // of another program\n}");
  folder_.write("manifests/drafts/web.yaml", unikernel("  memory: 5\n"));
  folder_.write("manifests/.rookeryignore", "drafts\n");
  const Invocation result = validate();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "2 objects in 2 files are valid\n");
  EXPECT_THAT(result.err, IsEmpty());
  const Invocation verbose = invoke({"validate", "-v", "-f", (folder_.path() / "manifests").string()});
  EXPECT_EQ(verbose.status, 0);
  EXPECT_EQ(verbose.err, path("drafts").string() + ": passed over: it is ignored by " +
                             path(".rookeryignore").string() + ":1\n" + path("package.json").string() +
                             ": passed over: nothing in it is rookery's\n");
}

TEST_F(Validate, SaysWhereNothingIsRookerys) {
  const Invocation result = invoke({"validate", "-f", folder_.write("other/package.json", "{}").string()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("There is no manifest of rookery's here."));
}

TEST_F(Validate, ChecksReferences) {
  folder_.write("manifests/instance.yaml", "");
  expectMistake("web.yaml", "5:", "spec.instance: ");
}

TEST_F(Validate, ChecksImages) {
  folder_.write("manifests/web.yaml", unikernel("  image: {path: missing.hvt}\n"));
  expectMistake("web.yaml",
                "6:", "spec.image.path: Image " + path("missing.hvt").string() + " cannot be found");

  folder_.write("manifests/web.yaml", unikernel("  image: {path: web.hvt}\n"));
  expectMistake("web.yaml", "", "spec.networkInterfaces lacks service");

  folder_.write("manifests/web.yaml",
                unikernel(fmt::format("  image:\n    path: web.hvt\n    sha256: {:a<64}\n"
                                      "  networkInterfaces: [{{name: service}}]\n",
                                      "")));
  expectMistake("web.yaml", "8:", "spec.image.sha256: ");

  fs::rename(path("web.hvt"), folder_.path() / "web.hvt");
  folder_.write("manifests/web.yaml", unikernel("  image: {path: ../web.hvt}\n"));
  expectMistake("web.yaml", "6:", "lies outside the manifest root");

  folder_.write("manifests/web.yaml",
                unikernel("  image: {path: ../web.hvt}\n  networkInterfaces: [{name: service}]\n"));
  const Invocation result = invoke(
      {"validate", "-f", (folder_.path() / "manifests").string(), "--image-root", folder_.path().string()});
  EXPECT_EQ(result.status, 0) << result.err;
}

TEST_F(Validate, ChecksCredentials) {
  folder_.write("pki/admin.pem", "not PEM");
  expectMistake("instance.yaml", "7:", "spec.credentials: ");
  fs::remove(folder_.path() / "pki/ca.pem");
  expectMistake("instance.yaml", "7:", "ca.pem");
}

TEST_F(Validate, ChecksThatTheKeyIsTheCertificatesOwn) {
  folder_.write("pki/admin.key", fixtures::makeIdentity({}).privateKey);
  fs::permissions(folder_.path() / "pki/admin.key", fs::perms::owner_read);
  expectMistake("instance.yaml", "7:", "does not belong to its certificate");
}

TEST_F(Validate, ChecksThatTheCertificateIsValidNow) {
  fixtures::CertificateSpec expired;
  expired.notBefore = std::chrono::system_clock::now() - 48h;
  expired.notAfter = std::chrono::system_clock::now() - 24h;
  writeCredentials(expired);
  expectMistake("instance.yaml", "7:", "spec.credentials: ");
}

TEST_F(Validate, ChecksThatTheCredentialReachesTheNamespacesThatUseIt) {
  fixtures::CertificateSpec shallow;
  shallow.pathLength = 0;
  writeCredentials(shallow);
  expectMistake("instance.yaml", "7:", "spec.credentials: ");
  folder_.write("manifests/instance.yaml",
                fmt::format("{}", instance).replace(std::string(instance).find("default"), 7, "shop"));
  EXPECT_EQ(validate().status, 0);
}

TEST_F(Validate, WarnsOfAKeyThatEverybodyCanRead) {
  fs::permissions(folder_.path() / "pki/admin.key", fs::perms::others_read, fs::perm_options::add);
  const Invocation result = validate();
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err,
              AllOf(ContainsRegex("warning: .*instance.yaml:8:[0-9]+: spec.credentials.files.privateKey: "),
                    HasSubstr("chmod 600")));
  EXPECT_EQ(result.out, "2 objects in 2 files are valid\n");
}

TEST_F(Validate, WarnsOfArgumentsThatAreHardlyMeant) {
  folder_.write("manifests/web.yaml",
                unikernel("  image: {path: web.hvt}\n  networkInterfaces: [{name: service}]\n"
                          "  arguments: ['--password=$(PW)', '$(OTHER)']\n"
                          "  argumentsFrom:\n"
                          "  - {name: PW, secretKeyRef: {name: db, key: pw}}\n"));
  folder_.write(
      "manifests/db.yaml",
      "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\ndata: {pw: aHVudGVyMgo=}\n");
  const Invocation result = validate();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err,
              AllOf(ContainsRegex("warning: .*web.yaml:8:35: spec.arguments.1.: nothing defines "),
                    ContainsRegex("warning: .*web.yaml:10:46: spec.argumentsFrom.0..secretKeyRef.key: "),
                    Not(HasSubstr("hunter2"))));
  const Invocation strict = invoke({"validate", "--strict", "-f", (folder_.path() / "manifests").string()});
  EXPECT_EQ(strict.status, 1);
  EXPECT_THAT(strict.err, AllOf(HasSubstr("\n2 errors in 3 files\n"), Not(HasSubstr("warning"))));
}

TEST_F(Validate, NeverShowsAKey) {
  const std::string key = fixtures::readFile(folder_.path() / "pki/admin.key");
  folder_.write("pki/admin.pem", key);
  const Invocation result = validate();
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, Not(HasSubstr(key.substr(40, 20))));
}

TEST_F(Validate, WantsManifests) {
  fs::create_directory(path("empty"));
  const Invocation empty = invoke({"validate", "-f", path("empty").string()});
  EXPECT_EQ(empty.status, 1);
  EXPECT_THAT(empty.err, HasSubstr(path("empty").string() + ": There is no manifest"));
  const Invocation missing = invoke({"validate", "-f", path("missing").string()});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr(path("missing").string() + ": "));
}

TEST_F(Validate, AnswersInJson) {
  folder_.write("manifests/web.yaml", unikernel("  image: {path: web.hvt}\n  memory: 32\n"));
  const Invocation result = invoke({"validate", "-o", "json", "-f", (folder_.path() / "manifests").string()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, IsEmpty());
  const auto document = nlohmann::json::parse(result.out);
  EXPECT_EQ(document.at("files"), 2);
  EXPECT_EQ(document.at("objects"), 1);
  ASSERT_EQ(document.at("errors").size(), 1u);
  const auto& error = document.at("errors")[0];
  EXPECT_EQ(error.at("file"), path("web.yaml").string());
  EXPECT_EQ(error.at("line"), 7);
  EXPECT_EQ(error.at("field"), "spec.memory");
  EXPECT_EQ(error.at("object"), "Unikernel shop/web");
  EXPECT_EQ(error.at("reason"), "InvalidManifest");
}

}  // namespace
}  // namespace rookery::cli
