#include "cli/exported_manifests.h"

#include <gmock/gmock.h>

#include <functional>
#include <vector>

#include "api/expand.h"
#include "api/manifest.h"
#include "image/digest.h"
#include "plan/compare.h"

namespace rookery::cli {
namespace {

using albatross::UnikernelInfo;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const albatross::Name web{{"shop"}, "web"};
const api::ObjectKey webKey{api::Kind::Unikernel, "shop", "web"};
const albatross::Mac otherMac{2, 0, 0, 0, 0, 1};

UnikernelInfo plain() {
  UnikernelInfo info;
  info.cpuIDs = {0};
  info.memory = 32;
  info.digest = std::string(32, '\x5a');
  return info;
}

/// What a server would be told by the manifests, and the difference to what it runs.
plan::Difference differenceOf(const ExportedUnikernel& exported, const UnikernelInfo& info) {
  const api::Manifest manifest =
      api::parseManifest(exported.manifest + (exported.secret ? "---\n" + *exported.secret : ""),
                         {.root = "/r", .file = "/r/n/x"});
  EXPECT_THAT(manifest.problems, IsEmpty());
  std::map<std::string, std::string> values;
  albatross::Arguments arguments;
  for (const api::ObjectPtr& object : manifest.objects) {
    if (object->kind() == api::Kind::Secret) values = object->as<api::Secret>().data;
  }
  for (const api::ObjectPtr& object : manifest.objects) {
    if (object->kind() != api::Kind::Unikernel) continue;
    const auto& spec = object->as<api::Unikernel>();
    EXPECT_EQ(spec.instance, "eu-1");
    EXPECT_EQ(spec.image.path, "/r/images/" + imageFile(info.digest));
    arguments = *plan::toArguments(spec);
    arguments.arguments.emplace();
    for (const std::string& argument : spec.arguments)
      arguments.arguments->push_back(api::expand(argument, values));
  }
  return plan::compare(arguments, info.digest, info, web, {});
}

struct InfoCase {
  std::string name;
  std::function<void(UnikernelInfo&)> change;
  std::vector<std::string> shown = {};  // in the manifest
};

const InfoCase infoCases[] = {
    {"defaults", [](UnikernelInfo&) {}},
    {"memory", [](UnikernelInfo& info) { info.memory = 2048; }, {"memory: 2048Mi"}},
    {"CPUs", [](UnikernelInfo& info) { info.cpuIDs = {1, 3}; }, {"cpuIDs:"}},
    {"startup", [](UnikernelInfo& info) { info.startup = 0; }, {"startup: 0"}},
    {"restart", [](UnikernelInfo& info) { info.failBehaviour = {true, {}}; }, {"restart: true"}},
    {"exit codes", [](UnikernelInfo& info) { info.failBehaviour = {true, {2, 7}}; }, {"exitCodes:"}},
    {"exit codes that nobody asks for", [](UnikernelInfo& info) { info.failBehaviour = {false, {2}}; }},
    {"a derived MAC",
     [](UnikernelInfo& info) { info.bridges = {{"service", "br0", albatross::derivedMac("service", web)}}; },
     {"bridge: br0"}},
    {"a MAC",
     [](UnikernelInfo& info) { info.bridges = {{"service", "service", otherMac}}; },
     {"02:00:00:00:00:01"}},
    {"a device", [](UnikernelInfo& info) { info.blocks = {{"data", "data", 512, 10}}; }, {"name: data"}},
    {"another volume",
     [](UnikernelInfo& info) { info.blocks = {{"data", "vol", 4096, 10}}; },
     {"volumeName: vol", "sectorSize: 4096"}},
    {"no arguments", [](UnikernelInfo& info) { info.arguments.emplace(); }},
    {"arguments",
     [](UnikernelInfo& info) { info.arguments = {{"--ipv4=10.0.0.1/24", "", " x: y ", "a\nb"}}; },
     {"--ipv4=10.0.0.1/24"}},
    {"a name", [](UnikernelInfo& info) { info.arguments = {{"--name=other"}}; }, {"--name=other"}},
    {"references",
     [](UnikernelInfo& info) {
       info.arguments = {{"$(X)", "$$(X)", "$$$(X)$", "$", "$$", "$(", "a$b$$c$(d", "$()"}};
     },
     {"$$(X)"}},
};

TEST(ExportedManifests, SayWhatRunsAndNoMore) {
  std::string defaults;
  for (const InfoCase& each : infoCases) {
    SCOPED_TRACE(each.name);
    UnikernelInfo info = plain();
    each.change(info);
    const auto exported = exportUnikernel("eu-1", webKey, web, info);
    ASSERT_TRUE(exported) << exported.error().message;
    const plan::Difference difference = differenceOf(*exported, info);
    EXPECT_FALSE(difference.any()) << exported->manifest;
    EXPECT_FALSE(exported->secret);
    if (defaults.empty()) defaults = exported->manifest;
    EXPECT_EQ(exported->manifest == defaults, each.shown.empty()) << exported->manifest;
    for (const std::string& part : each.shown) EXPECT_THAT(exported->manifest, HasSubstr(part));
  }
  for (const char* field : {"memory", "cpuIDs", "arguments", "networkInterfaces", "blockDevices", "startup",
                            "failBehaviour", "addName"})
    EXPECT_THAT(defaults, Not(HasSubstr(field)));
}

TEST(ExportedManifests, KeepSecretsApart) {
  UnikernelInfo info = plain();
  info.arguments = {{"--password=hunter$(2)", "--db=x", "--Password=other", "\xff\x01", "--token", "t0ken"}};
  const auto exported = exportUnikernel("eu-1", webKey, web, info);
  ASSERT_TRUE(exported) << exported.error().message;
  ASSERT_TRUE(exported->secret);
  EXPECT_FALSE(differenceOf(*exported, info).any()) << exported->manifest << *exported->secret;
  EXPECT_THAT(exported->hidden, ElementsAre("--password", "--Password", "argument 4", "--token"));
  EXPECT_THAT(exported->manifest,
              AllOf(HasSubstr("--password=$(PASSWORD)"), HasSubstr("--Password=$(PASSWORD_2)"),
                    HasSubstr("$(TOKEN)"), Not(HasSubstr("hunter")), Not(HasSubstr("t0ken"))));
}

TEST(ExportedManifests, LeaveOutWhatTheyCannotSay) {
  const InfoCase cases[] = {
      {"bhyve", [](UnikernelInfo& info) { info.type = albatross::UnikernelType::Bhyve; }, {"bhyve"}},
      {"digest", [](UnikernelInfo& info) { info.digest = "short"; }, {"sha256"}},
      {"bridge",
       [](UnikernelInfo& info) { info.bridges = {{"a", "\xff", otherMac}}; },
       {"networkInterfaces"}},
      {"NUL", [](UnikernelInfo& info) { info.arguments = {{std::string("a\0b", 3)}}; }, {}},
      {"CPUs", [](UnikernelInfo& info) { info.cpuIDs.clear(); }, {"cpuIDs"}},
      {"startup", [](UnikernelInfo& info) { info.startup = 1000; }, {"startup"}},
  };
  for (const InfoCase& each : cases) {
    SCOPED_TRACE(each.name);
    UnikernelInfo info = plain();
    each.change(info);
    const auto exported = exportUnikernel("eu-1", webKey, web, info);
    if (each.shown.empty()) {  // a Secret can hold it
      ASSERT_TRUE(exported) << exported.error().message;
      EXPECT_FALSE(differenceOf(*exported, info).any());
      continue;
    }
    ASSERT_FALSE(exported) << exported->manifest;
    EXPECT_THAT(exported.error().message, HasSubstr(each.shown.front()));
  }
}

plan::Desired instance(const std::string& extra) {
  const api::Manifest manifest = api::parseManifest(
      "apiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {name: eu-1}\nspec:\n"
      "  endpoint: 127.0.0.1:1025\n  credentials: {secretRef: {namespace: a, name: b}}\n" +
          extra,
      {.root = "/r", .file = "/r/x"});
  EXPECT_THAT(manifest.problems, IsEmpty());
  plan::Desired desired;
  desired.instance = manifest.objects.at(0);
  return desired;
}

struct PlaceCase {
  std::string extra;     // of the instance's spec
  albatross::Name name;  // below the credential's own domain, org
  std::string exported;  // its key
  std::string leftOut = {};
};

TEST(ExportedManifests, AreOfTheNamespacesThatTheInstanceHas) {
  const PlaceCase cases[] = {
      {"", {{"org", "shop"}, "web"}, "Unikernel shop/web"},
      {"", {{"org"}, "web"}, "", "rootNamespace"},
      {"  rootNamespace: base\n", {{"org"}, "web"}, "Unikernel base/web"},
      {"  rootNamespace: base\n", {{"org", "base"}, "web"}, "", "rootNamespace"},
      {"", {{"org", "shop", "deep"}, "web"}, "", "deeper"},
      {"  allowedNamespaces: [db]\n", {{"org", "shop"}, "web"}, "", "does not allow"},
      {"", {{"org", ".."}, "web"}, "", "namespace"},
      {"", {{"org", "shop"}, ".."}, "", "name"},
      {"", {{"org", "shop"}, "a."}, "", "name"},
      {"", {{"org", "wild"}, "web"}, "", "no policy"},
  };
  for (const PlaceCase& each : cases) {
    SCOPED_TRACE(each.name.toString() + each.extra);
    plan::Observed observed;
    observed.base = {{"org"}, std::nullopt};
    observed.unikernels[each.name] = plain();
    albatross::Policy small;  // which no manifest can declare, and nobody asks for here
    if (each.name.path.back() != "wild") observed.policies[{each.name.path, std::nullopt}] = small;
    const auto found = exportManifests(instance(each.extra), observed, [](const api::ObjectKey& key) {
      return key.kind == api::Kind::Unikernel;
    });
    if (each.exported.empty()) {
      EXPECT_THAT(found.unikernels, IsEmpty());
      EXPECT_THAT(found.leftOut, ElementsAre(HasSubstr(each.leftOut)));
      continue;
    }
    EXPECT_THAT(found.leftOut, IsEmpty());
    ASSERT_EQ(found.unikernels.size(), 1u);
    EXPECT_EQ(found.unikernels[0].key.toString(), each.exported);
  }
}

TEST(ExportedManifests, HoldTheBlockDevicesOfNamespaces) {
  plan::Observed observed;
  observed.blockDevices = {{{{"shop"}, "data"}, {.size = 2'048, .active = true}},
                           {{{"shop"}, "declared"}, {.size = 1}},
                           {{{"shop"}, "Odd.Name"}, {.size = 1}},
                           {{{"shop", "deep"}, "data"}, {.size = 1}}};
  const auto found = exportManifests(instance(""), observed,
                                     [](const api::ObjectKey& key) { return key.name != "declared"; });
  ASSERT_EQ(found.volumes.size(), 1u);
  EXPECT_EQ(found.volumes[0].key.toString(), "UnikernelVolume shop/data");
  EXPECT_THAT(found.volumes[0].manifest,
              AllOf(HasSubstr("instance: eu-1"), HasSubstr("size: 2048Mi"), Not(HasSubstr("source"))));
  EXPECT_THAT(found.leftOut, testing::UnorderedElementsAre(HasSubstr("Odd.Name"), HasSubstr("deep")));
}

TEST(ExportedManifests, HoldThePoliciesOfNamespaces) {
  const auto policy = [](std::int64_t memory) {
    albatross::Policy some;
    some.cpuIDs = {0, 1};
    some.unikernels = 3;
    some.memory = memory;
    return some;
  };
  plan::Observed observed;
  observed.policies = {{{{}, std::nullopt}, policy(1024)},
                       {{{"shop"}, std::nullopt}, policy(100)},
                       {{{"small"}, std::nullopt}, policy(1)},
                       {{{"shop", "deep"}, std::nullopt}, policy(64)},
                       {{{"db"}, std::nullopt}, policy(64)}};
  observed.policies.at({{"shop"}, std::nullopt}).block = 5;
  observed.policies.at({{"shop"}, std::nullopt}).bridges = {"br0"};
  const auto found = exportManifests(instance(""), observed,
                                     [](const api::ObjectKey& key) { return key.nameSpace != "db"; });
  ASSERT_EQ(found.policies.size(), 1u);
  EXPECT_EQ(found.policies[0].nameSpace, "shop");
  EXPECT_THAT(found.policies[0].manifest,
              AllOf(HasSubstr("memory: 100Mi"), HasSubstr("blockStorage: 5Mi"), HasSubstr("br0")));
  EXPECT_THAT(found.leftOut, testing::UnorderedElementsAre(AllOf(HasSubstr("small"), HasSubstr("memory")),
                                                           HasSubstr("deep")));
}

TEST(ExportedImage, IsTheOneThatRuns) {
  image::Sha256 hash;
  hash.update(std::string_view("image"));
  const std::string digest = hash.finish();
  const auto got = [&](albatross::Success success, std::uint64_t largest = 5) {
    return imageIn({.serverKey = "", .name = web, .success = std::move(success)}, digest, largest);
  };
  using albatross::success::UnikernelImage;
  EXPECT_EQ(got(UnikernelImage{false, "image"}), "image");
  EXPECT_EQ(got(UnikernelImage{false, "other"}).error().reason, Reason::DigestMismatch);
  EXPECT_EQ(got(UnikernelImage{false, "image"}, 4).error().reason, Reason::ImageTooLarge);
  EXPECT_EQ(got(UnikernelImage{true, "image"}).error().reason, Reason::ProtocolError);
  EXPECT_EQ(got(albatross::success::Empty{}).error().reason, Reason::ProtocolError);
}

}  // namespace
}  // namespace rookery::cli
