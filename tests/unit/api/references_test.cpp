#include <fmt/format.h>
#include <gmock/gmock.h>

#include "api/manifest.h"
#include "problems.h"

namespace rookery::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::string instance(std::string_view name, std::string_view spec = "") {
  return "apiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {name: " + std::string(name) +
         "}\nspec:\n  endpoint: 10.0.0.1:1025\n" +
         (spec.contains("credentials") ? ""
                                       : "  credentials: {files: {ca: a, certificate: b, privateKey: c}}\n") +
         std::string(spec) + "---\n";
}

std::string policy(std::string_view metadata, std::string_view spec = "") {
  return "apiVersion: rookery.dev/v1alpha1\nkind: UnikernelPolicy\nmetadata: {" + std::string(metadata) +
         "}\nspec: {unikernels: 1, memory: 64Mi, cpuIDs: [0]" + std::string(spec) + "}\n---\n";
}

const std::string secret =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\nstringData: {a: b}\n---\n";

std::vector<std::string> check(const std::string& text) {
  const Manifest manifest = parse(text);
  EXPECT_THAT(describe(manifest.problems), ElementsAre());
  std::vector<Problem> problems;
  checkReferences(manifest.objects, problems);
  return describe(problems);
}

TEST(References, WhatResolvesIsFine) {
  EXPECT_THAT(check(instance("eu-1", "  rootNamespace: default\n") + unikernel("") + "---\n" +
                    policy("name: p, namespace: shop")),
              ElementsAre());
  EXPECT_THAT(
      check(secret + instance("eu-1", "  allowedNamespaces: [shop]\n") + instance("eu-2") +
            unikernel("  instance: eu-1\n  argumentsFrom: [{name: X, secretKeyRef: {name: db, key: a}}]\n")),
      ElementsAre());
}

TEST(References, ToWhatHasAMistakeAreNone) {
  const Manifest manifest =
      parse(unikernel("  instance: eu-1\n  argumentsFrom: [{name: X, secretKeyRef: {name: "
                      "db, key: a}}]\n") +
            "---\n" + policy("name: p, namespace: shop"));
  std::vector<Problem> problems;
  checkReferences(manifest.objects, problems,
                  {{Kind::AlbatrossInstance, "", "eu-1"}, {Kind::Secret, "shop", "db"}});
  EXPECT_THAT(describe(problems), ElementsAre());
}

TEST(References, Instances) {
  EXPECT_THAT(check(unikernel("")),
              ElementsAre("4:1: spec.instance: there is no AlbatrossInstance; declare one"));
  EXPECT_THAT(
      check(unikernel("  instance: eu-1\n")),
      ElementsAre("6:13: spec.instance: there is no AlbatrossInstance eu-1, nor any other; declare one"));
  EXPECT_THAT(check(instance("eu-1") + instance("eu-2") + unikernel("  instance: eu\n")),
              ElementsAre("20:13: spec.instance: there is no AlbatrossInstance eu; there is eu-1, eu-2"));
  EXPECT_THAT(
      check(instance("eu-1") + instance("eu-2") + policy("name: p")),
      ElementsAre("18:1: spec.instance: there are several AlbatrossInstances; name one of eu-1, eu-2"));
  EXPECT_THAT(
      check(instance("eu-1", "  allowedNamespaces: [db]\n") + unikernel("")),
      ElementsAre(
          "12:1: spec.instance: the AlbatrossInstance eu-1 is not open to the namespace shop; add it to "
          "its spec.allowedNamespaces"));
}

std::string labelled(std::string_view name, std::string_view labels, std::string_view spec = "") {
  std::string text = instance(name, spec);
  const std::string plain = fmt::format("metadata: {{name: {}}}", name);
  text.replace(text.find(plain), plain.size(),
               fmt::format("metadata: {{name: {}, labels: {{{}}}}}", name, labels));
  return text;
}

TEST(References, SelectedInstances) {
  const std::string there = labelled("eu-1", "region: eu") + labelled("us-1", "region: us, ssd: ''");
  const auto selecting = [](std::string_view selector) {
    return unikernel(fmt::format("  instanceSelector: {}\n", selector));
  };
  EXPECT_THAT(check(there + selecting("{matchLabels: {region: eu}}")), ElementsAre());
  EXPECT_THAT(check(there + selecting("{}")), ElementsAre());
  EXPECT_THAT(
      check(there + selecting("{matchLabels: {region: eu}, matchExpressions: [{key: ssd, operator: "
                              "Exists}]}")),
      ElementsAre("20:3: spec.instanceSelector: region=eu,ssd selects no AlbatrossInstance; their labels "
                  "are: eu-1 (region=eu); us-1 (region=us, ssd=)"));
  EXPECT_THAT(
      check(labelled("eu-1", "region: eu", "  allowedNamespaces: [db]\n") + selecting("{}")),
      ElementsAre("14:21: spec.instanceSelector: none of the AlbatrossInstances that it selects is open to "
                  "the namespace shop; add it to their spec.allowedNamespaces"));
}

std::string dependant(std::string_view name, std::string_view others) {
  return fmt::format(
      "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{name: {}, namespace: shop}}\n"
      "spec: {{image: {{path: x}}, dependsOn: [{}]}}\n---\n",
      name, others);
}

TEST(References, Dependencies) {
  const std::string eu = instance("eu-1");
  EXPECT_THAT(check(eu + dependant("web", "{name: db}") + dependant("db", "")), ElementsAre());
  EXPECT_THAT(check(eu + dependant("web", "{name: db}")),
              ElementsAre("11:45: spec.dependsOn[0].name: there is no Unikernel db in the namespace shop"));
  EXPECT_THAT(
      check(eu + dependant("web", "{name: web}")),
      ElementsAre("11:26: spec.dependsOn: this unikernel depends on itself: web → web; take one of these "
                  "out"));
  EXPECT_THAT(
      check(eu + dependant("a", "{name: b}") + dependant("b", "{name: c}, {name: d}") +
            dependant("c", "{name: a}") + dependant("d", "") + dependant("e", "{name: a}")),
      ElementsAre(HasSubstr("a → b → c → a"), HasSubstr("a → b → c → a"), HasSubstr("a → b → c → a")));
}

TEST(References, AListOfManyInstancesIsCut) {
  std::string text;
  for (int i = 10; i < 35; ++i) text += instance("i" + std::to_string(i));
  const auto problems = check(text + unikernel(""));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(problems[0].ends_with("i28, i29 and 5 more")) << problems[0];
}

TEST(References, Secrets) {
  EXPECT_THAT(
      check(instance("eu-1") +
            unikernel("  argumentsFrom:\n  - {name: X, secretKeyRef: {name: db, key: a}}\n")),
      ElementsAre(
          "14:36: spec.argumentsFrom[0].secretKeyRef.name: there is no Secret db in the namespace shop"));
  EXPECT_THAT(check(secret + instance("eu-1") +
                    unikernel("  argumentsFrom:\n  - {name: X, secretKeyRef: {name: db, key: b}}\n")),
              ElementsAre("19:45: spec.argumentsFrom[0].secretKeyRef.key: the Secret shop/db has no key b"));
  const std::string credentials = "  credentials:\n    secretRef: {namespace: shop, name: db}\n";
  EXPECT_THAT(
      check(instance("eu-1", credentials)),
      ElementsAre("7:40: spec.credentials.secretRef.name: there is no Secret db in the namespace shop"));
  EXPECT_THAT(check(secret + instance("eu-1", credentials)),
              ElementsAre("12:5: spec.credentials.secretRef: the Secret shop/db has no key ca.crt",
                          "12:5: spec.credentials.secretRef: the Secret shop/db has no key tls.crt",
                          "12:5: spec.credentials.secretRef: the Secret shop/db has no key tls.key"));
}

TEST(References, Volumes) {
  const std::string volume =
      "apiVersion: rookery.dev/v1alpha1\nkind: UnikernelVolume\nmetadata: {name: data, namespace: shop}\n"
      "spec: {size: 4Mi}\n---\n";
  std::string other = unikernel("  blockDevices: [{name: disk, volumeName: data}]\n");
  const std::string one = unikernel("  blockDevices: [{name: data}]\n");
  const std::size_t name = other.find("name: web");
  ASSERT_NE(name, std::string::npos);
  other.replace(name, 9, "name: www");
  EXPECT_THAT(check(instance("eu-1") + volume + one), IsEmpty());
  EXPECT_THAT(check(instance("eu-1") + one + "---\n" + other), IsEmpty()) << "nobody declares it";
  EXPECT_THAT(check(volume), SizeIs(1)) << "there is no instance";
  EXPECT_THAT(check(instance("eu-1") + volume + one + "---\n" + other),
              UnorderedElementsAre(HasSubstr("spec.blockDevices[0].name: the Unikernel www names the "
                                             "UnikernelVolume data, too, and only one can have it"),
                                   HasSubstr("spec.blockDevices[0].volumeName: the Unikernel web names the "
                                             "UnikernelVolume data, too, and only one can have it")));
}

TEST(References, Policies) {
  EXPECT_THAT(
      check(instance("eu-1", "  rootNamespace: shop\n") + policy("name: p, namespace: shop")),
      ElementsAre(
          "11:32: metadata.namespace: shop is the rootNamespace of the AlbatrossInstance eu-1: its limits "
          "are those of the credential, and no policy can be set there; remove this one"));
  EXPECT_THAT(
      check(instance("eu-1") + policy("name: p") + policy("name: q", ", instance: eu-1") +
            policy("name: p, namespace: db")),
      ElementsAre(
          "8:1: the namespace default has another UnikernelPolicy on the AlbatrossInstance eu-1: q; keep "
          "one",
          "13:1: the namespace default has another UnikernelPolicy on the AlbatrossInstance eu-1: p; "
          "keep one"));
}

TEST(References, Placements) {
  const std::string two = instance("eu-1") + instance("eu-2");
  EXPECT_THAT(check(two + unikernel("  placement: {instanceSelector: {}, replicas: 2}\n")), ElementsAre());
  EXPECT_THAT(check(two + unikernel("  placement: {instanceSelector: {}, replicas: All}\n")), ElementsAre());
  EXPECT_THAT(check(two + unikernel("  placement: {instanceSelector: {}, replicas: 3}\n")),
              ElementsAre(HasSubstr(
                  "spec.placement.replicas: it is to run on 3 AlbatrossInstances, and 2 are selected")));
  EXPECT_THAT(check(two + unikernel("  placement: {instanceSelector: {matchLabels: {a: b}}}\n")),
              ElementsAre(HasSubstr("spec.placement.instanceSelector: a=b selects no AlbatrossInstance")));
  EXPECT_THAT(check(two + unikernel("  instance: eu-1\n  argumentsByInstance: {eu-2: [a], eu-9: [b]}\n")),
              ElementsAre(HasSubstr("there is no AlbatrossInstance eu-9; there is eu-1, eu-2")));
}

TEST(Duplicates, AreAProblemInEachPlace) {
  const Manifest one = parse(unikernel(""), "/m/a.yaml");
  const Manifest two = parse("---\n" + unikernel("") + "---\n" + unikernel(""), "/m/b.yaml");
  const Manifest other = parse(secret, "/m/c.yaml");
  std::vector<ObjectPtr> objects;
  for (const Manifest* manifest : {&one, &two, &other}) {
    objects.insert(objects.end(), manifest->objects.begin(), manifest->objects.end());
  }
  std::vector<Problem> problems;
  const std::set<ObjectKey> keys = findDuplicates(objects, problems);
  EXPECT_THAT(keys, ElementsAre(ObjectKey{Kind::Unikernel, "shop", "web"}));
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].toString(),
            "/m/a.yaml:1:1: Unikernel shop/web is declared 3 times, also at /m/b.yaml:8:1; keep one");
  EXPECT_EQ(problems[1].toString(),
            "/m/b.yaml:2:1: Unikernel shop/web is declared 3 times, also at /m/a.yaml:1:1; keep one");
  EXPECT_EQ(problems[1].reason, Reason::DuplicateObject);
}

}  // namespace
}  // namespace rookery::api
