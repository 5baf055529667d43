// What a file among those of other programs is taken for.

#include <gmock/gmock.h>

#include <string>

#include "api/manifest.h"
#include "fixtures/temp_dir.h"
#include "problems.h"
#include "yaml/yaml.h"

namespace rookery::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Manifest readAs(const std::string& name, const std::string& text) {
  return parseManifestFile(text, {.root = "/m", .file = "/m/" + name});
}

struct Named {
  std::string name, text;
};

TEST(ManifestFile, PassesOverWhatCannotBeOurs) {
  const Named files[] = {
      {"docker-compose.yml", "services: {web: {image: nginx}}\n"},
      {"package.json", R"({"name": "x", "scripts": {"test": "true"}})"},
      {"renovate.json", "{\n  // weekly\n  \"extends\": [],\n}\n"},
      {"mkdocs.yml", "site_name: Unikernel docs\nx: !!python/name:a.b\n"},
      {"vault.yml", "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n"},
      {"play.yml", "- hosts: all\n"},
      {"chart.yaml", "{{ if .Values.secret }}\nkind: SealedThing # for a Secret\n{{ end }}\n"},
      {"kustomization.yaml", "resources: [web.yaml]\nsecretGenerator: [{name: Secret}]\n"},
      {"namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"},
      {"deploy.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {annotations: {rookery.dev/x: y}}\n"},
      {"crd.yaml",
       "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
       "metadata: {name: unikernels.rookery.dev}\n"},
      {"merge.yaml", "base: &b {a: 1}\nother: {<<: *b}\n"},
      {"word.yaml", "just text\n"}};
  for (const auto& [name, text] : files) {
    const Manifest manifest = readAs(name, text);
    EXPECT_TRUE(manifest.parsed) << name;
    EXPECT_THAT(describe(manifest.problems), IsEmpty()) << name;
    EXPECT_FALSE(manifest.declares()) << name;
    EXPECT_EQ(manifest.foreign, 1u) << name;
  }
}

TEST(ManifestFile, DoesNotPassOverWhatMayBeOurs) {
  const Named files[] = {
      {"broken.yaml", "apiVersion: rookery.dev/v1alpha1\nkind: {\n"},
      {"broken.json", R"({"apiVersion": "rookery.dev\/v1alpha1", "kind": )"},
      {"template.yaml", "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{ .x }}: a\n"},
      {"noversion.yaml", "kind: Unikernel\nmetadata: {name: a}\n"},
      {"version.yaml", "apiVersion: rokery.dev/v1\nkind: Unikernel\nmetadata: {name: a}\n"},
      {"nokind.yaml", "apiVersion: rookery.dev/v1alpha1\nmetadata: {name: a}\n"},
      {"list.yaml", "# rookery.dev/v1alpha1\n- a\n"},
      {"secrt.yaml", "apiVersion: v1\nkind: Secrt\nmetadata: {name: rookery.dev/}\n"},
      {"kind.yaml", "kind: [\n"},
      {"zeros.yaml", std::string(64, '\0')},
      {"utf16.yaml", std::string("\xFF\xFEk\0i\0n\0d\0", 10)}};
  for (const auto& [name, text] : files) {
    const Manifest manifest = readAs(name, text);
    EXPECT_THAT(manifest.problems, testing::Not(IsEmpty())) << name;
    EXPECT_FALSE(manifest.secretsOnly) << name;
  }
}

TEST(ManifestFile, MustParseWhereOursCameFromBefore) {
  for (const std::string text : {"{{ template }}", "services: {web: [", "a: !vault x"}) {
    EXPECT_FALSE(parseManifestFile(text, {.root = ".", .file = "a.yaml"}, true).parsed) << text;
    EXPECT_TRUE(parseManifestFile(text, {.root = ".", .file = "a.yaml"}, false).parsed) << text;
  }
}

TEST(ManifestFile, KnowsWhereOnlySecretsCanHide) {
  for (const std::string text : {"kind: Secret\ndata: {{ .x }}: y\n", "{\"kind\" : \"Secret\", \"data\": ",
                                 "metadata: {}\nkind:   'SecretList\n", "a: [\n{kind: Secret"}) {
    const Manifest manifest = readAs("secret.yaml", text);
    EXPECT_FALSE(manifest.parsed) << text;
    EXPECT_TRUE(manifest.secretsOnly) << text;
  }
}

TEST(ManifestFile, ReadsOursBesideOthers) {
  const Manifest manifest =
      readAs("all.yaml", unikernel("  memory: 64Mi\n") + "---\napiVersion: v1\nkind: Service\n---\n" +
                             "apiVersion: kustomize.config.k8s.io/v1beta1\nresources: []\n");
  EXPECT_THAT(manifest.objects, SizeIs(1));
  EXPECT_THAT(describe(manifest.problems), IsEmpty());
  EXPECT_EQ(manifest.foreign, 2u);
}

TEST(ManifestFile, KnowsWhatHasNothingInIt) {
  for (const std::string text : {"", " \n\t\n", "\xEF\xBB\xBF", "\r\n"}) {
    EXPECT_TRUE(readAs("a.yaml", text).blank) << text;
    EXPECT_FALSE(readAs("a.yaml", text).declares()) << text;
  }
  EXPECT_FALSE(readAs("a.yaml", "# later\n").blank);
}

TEST(ManifestFile, KnowsWhatMayHaveLostItsEnd) {
  const std::string whole = unikernel("");
  EXPECT_FALSE(readAs("a.yaml", whole).cut);
  EXPECT_FALSE(readAs("a.yaml", whole + "\n# end\n").cut);
  EXPECT_TRUE(readAs("a.yaml", whole + "# en").cut);
  EXPECT_TRUE(readAs("a.yaml", whole + "---\n").cut);
  EXPECT_TRUE(readAs("a.yaml", whole.substr(0, whole.size() - 1)).cut);
}

TEST(ManifestFile, OfWhatIsTooLargeOnlyTheBeginningIsLookedAt) {
  const fixtures::TempDir folder;
  const std::string filler(yaml::maxBytes, ' ');
  const auto other = folder.write("lock.json", "{" + filler + "}");
  EXPECT_EQ(readManifest(folder.path(), other).foreign, 1u);
  const auto ours = folder.write("ours.yaml", unikernel("") + "#" + filler);
  EXPECT_FALSE(readManifest(folder.path(), ours).parsed);
}

}  // namespace
}  // namespace rookery::api
