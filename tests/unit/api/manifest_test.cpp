#include "api/manifest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "api/schema.h"
#include "problems.h"
#include "yaml/yaml.h"

namespace rookery::api {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using namespace std::chrono_literals;

const std::string fullInstance = R"(apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {name: eu-1, labels: {region: eu}}
spec:
  endpoint: 10.0.42.15:1025
  credentials:
    files: {ca: pki/cacert.pem, certificate: ../pki/admin.pem, privateKey: /etc/admin.key}
  serverName: server
  rootNamespace: default
  allowedNamespaces: [shop, db]
  timeouts: {connect: 1s, stream: 1h}
  maintenanceWindows: [{schedule: 0 2 * * 1-5, duration: 2h, timeZone: Europe/Berlin}]
  suspend: true
)";

const std::string fullUnikernel = R"yaml(apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata:
  name: web
  namespace: shop
  labels: {app: web}
  annotations: {example.com/note: "a\nb"}
  creationTimestamp: null
  resourceVersion: "12"
  managedFields: [{manager: kubectl, fieldsV1: {f:spec: {}}}]
spec:
  instance: eu-1
  image:
    path: images/web.hvt
    sha256: 4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C4F0C
  cpuIDs: [1, 0]
  memory: 1Gi
  networkInterfaces: [{name: service, bridge: br0, mac: "02:00:00:00:00:AB"}, {name: other}]
  blockDevices: [{name: storage, volumeName: data, sectorSize: 4096}]
  arguments: ["--ipv4=10.0.42.20/24", "--password=$(DB_PASSWORD)"]
  argumentsFrom: [{name: DB_PASSWORD, secretKeyRef: {name: db, key: password}}]
  addName: false
  failBehaviour: {restart: true, exitCodes: [2, 3]}
  runPolicy: Once
  startup: 50
  update: {strategy: OnDelete}
  adopt: Never
  minReadySeconds: 3
  prune: false
  suspend: true
status: {anything: {at: all}}
)yaml";

TEST(Manifest, DecodesAnInstance) {
  const Manifest manifest = parse(fullInstance, "/m/shop/f.yaml");
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const Object& object = *manifest.objects.at(0);
  EXPECT_EQ(object.key(), (ObjectKey{Kind::AlbatrossInstance, "", "eu-1"}));
  EXPECT_EQ(object.metadata.labels.at("region"), "eu");
  const auto& instance = object.as<AlbatrossInstance>();
  EXPECT_EQ(instance.endpoint, "10.0.42.15:1025");
  const auto& files = std::get<AlbatrossInstance::Files>(instance.credentials);
  EXPECT_EQ(files.ca, "/m/shop/pki/cacert.pem");
  EXPECT_EQ(files.certificate, "/m/pki/admin.pem");
  EXPECT_EQ(files.privateKey, "/etc/admin.key");
  EXPECT_EQ(instance.serverName, "server");
  EXPECT_EQ(instance.rootNamespace, "default");
  EXPECT_THAT(*instance.allowedNamespaces, ElementsAre("db", "shop"));
  EXPECT_EQ(instance.connectTimeout, 1s);
  EXPECT_EQ(instance.commandTimeout, 30s);
  EXPECT_EQ(instance.streamTimeout, 1h);
  EXPECT_TRUE(instance.suspend);
  ASSERT_EQ(instance.maintenanceWindows.size(), 1);
  EXPECT_EQ(instance.maintenanceWindows[0].duration, 2h);
  EXPECT_NE(instance.maintenanceWindows[0].zone, schedule::TimeZone());
}

TEST(Manifest, DecodesAUnikernel) {
  const Manifest manifest = parse(fullUnikernel);
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const Object& object = *manifest.objects.at(0);
  EXPECT_EQ(object.key().toString(), "Unikernel shop/web");
  EXPECT_EQ(object.metadata.annotations.at("example.com/note"), "a\nb");
  EXPECT_FALSE(object.manifest.unpack().contains("status"));
  const auto& unikernel = object.as<Unikernel>();
  EXPECT_EQ(unikernel.instance, "eu-1");
  EXPECT_EQ(unikernel.image.path, "/m/images/web.hvt");
  EXPECT_EQ(unikernel.image.sha256, "4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c");
  EXPECT_THAT(unikernel.cpuIDs, ElementsAre(0, 1));
  EXPECT_EQ(unikernel.memory, 1024);
  ASSERT_THAT(unikernel.networkInterfaces, SizeIs(2));
  EXPECT_EQ(unikernel.networkInterfaces[0].mac, "02:00:00:00:00:ab");
  EXPECT_EQ(unikernel.networkInterfaces[1].bridge, std::nullopt);
  EXPECT_EQ(unikernel.blockDevices.at(0).volumeName, "data");
  EXPECT_EQ(unikernel.blockDevices.at(0).sectorSize, 4096);
  EXPECT_THAT(unikernel.arguments, ElementsAre("--ipv4=10.0.42.20/24", "--password=$(DB_PASSWORD)"));
  EXPECT_EQ(unikernel.argumentsFrom.at(0).secretKeyRef.key, "password");
  EXPECT_FALSE(unikernel.addName);
  EXPECT_TRUE(unikernel.restart);
  EXPECT_THAT(unikernel.exitCodes, ElementsAre(2, 3));
  EXPECT_EQ(unikernel.runPolicy, Unikernel::RunPolicy::Once);
  EXPECT_EQ(unikernel.startup, 50);
  EXPECT_EQ(unikernel.updateStrategy, Unikernel::UpdateStrategy::OnDelete);
  EXPECT_EQ(unikernel.adopt, Unikernel::Adopt::Never);
  EXPECT_EQ(unikernel.minReadySeconds, 3);
  EXPECT_FALSE(unikernel.prune);
  EXPECT_TRUE(unikernel.suspend);
}

TEST(Manifest, DecodesWhereAUnikernelGoesAndWhen) {
  const Manifest manifest =
      parse(unikernel("  instanceSelector:\n    matchLabels: {region: eu}\n    matchExpressions:\n"
                      "    - {key: disk, operator: In, values: [ssd, nvme]}\n    - {key: old, operator: "
                      "DoesNotExist}\n"
                      "    - {key: rack, operator: NotIn, values: [r1]}\n    - {key: gpu, operator: Exists}\n"
                      "  dependsOn: [{name: db}, {name: dns}]\n"));
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const auto& decoded = manifest.objects.at(0)->as<Unikernel>();
  EXPECT_EQ(decoded.instanceSelector->toString(), "region=eu,disk in (nvme,ssd),!old,rack!=r1,gpu");
  EXPECT_THAT(decoded.dependsOn, ElementsAre("db", "dns"));
}

TEST(Manifest, DecodesAPlacementAndItsRollOut) {
  const Manifest manifest =
      parse(unikernel("  placement: {instanceSelector: {matchLabels: {region: eu}}, replicas: 3, "
                      "topologyKey: example.org/zone, "
                      "failoverAfter: 10m}\n"
                      "  update: {maxUnavailable: 2, pauseAfter: 1}\n"
                      "  arguments: [--on=$(INSTANCE_NAME)]\n"
                      "  argumentsByInstance: {eu-1: [--first], eu-2: [--name=x]}\n"
                      "  healthCheck: {http: {url: 'http://$(INSTANCE_LABEL_address)/'}}\n"));
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const auto& decoded = manifest.objects.at(0)->as<Unikernel>();
  ASSERT_TRUE(decoded.placement);
  EXPECT_EQ(decoded.placement->instanceSelector.toString(), "region=eu");
  EXPECT_EQ(decoded.placement->replicas, 3);
  EXPECT_EQ(decoded.placement->topologyKey, "example.org/zone");
  EXPECT_EQ(decoded.placement->failoverAfter, std::chrono::minutes(10));
  EXPECT_EQ(decoded.maxUnavailable, 2);
  EXPECT_EQ(decoded.pauseAfter, 1);
  EXPECT_THAT(decoded.argumentsByInstance.at("eu-1"), ElementsAre("--first"));
  EXPECT_FALSE(decoded.addName);
  const Manifest all = parse(unikernel("  placement: {instanceSelector: {}, replicas: All}\n"));
  ASSERT_THAT(describe(all.problems), IsEmpty());
  EXPECT_EQ(all.objects.at(0)->as<Unikernel>().placement->replicas, std::nullopt);
  const Manifest one = parse(unikernel("  placement: {instanceSelector: {}}\n"));
  EXPECT_EQ(one.objects.at(0)->as<Unikernel>().placement->replicas, 1);
}

TEST(Manifest, FillsInDefaults) {
  const Manifest manifest = parse(
      "{apiVersion: rookery.dev/v1alpha1, kind: Unikernel, metadata: {name: web}, spec: {image: {path: x}, "
      "memory: }}");
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const Object& object = *manifest.objects.at(0);
  EXPECT_EQ(object.metadata.nameSpace, "default");
  const auto& unikernel = object.as<Unikernel>();
  EXPECT_EQ(unikernel.memory, 32);
  EXPECT_THAT(unikernel.cpuIDs, ElementsAre(0));
  EXPECT_TRUE(unikernel.addName);
  EXPECT_TRUE(unikernel.prune);
  EXPECT_FALSE(unikernel.restart);
  EXPECT_EQ(object.manifest.unpack(), nlohmann::json::parse(R"({
    "apiVersion": "rookery.dev/v1alpha1", "kind": "Unikernel", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"image": {"path": "x"}, "memory": "32Mi", "cpuIDs": [0], "failBehaviour": {"restart": false},
             "runPolicy": "Always", "update": {"strategy": "ForceCreate", "maxUnavailable": 1},
             "adopt": "IfIdentical",
             "minReadySeconds": 3, "prune": true, "suspend": false}})"));
}

TEST(Manifest, AddNameFollowsTheArguments) {
  const std::pair<const char*, bool> specs[] = {{"  arguments: [--name=x]\n", false},
                                                {"  arguments: [--names=x, --name]\n", true},
                                                {"  arguments: [--name=x]\n  addName: true\n", true},
                                                {"  addName: false\n", false}};
  for (const auto& [spec, addName] : specs) {
    EXPECT_EQ(parse(unikernel(spec)).objects.at(0)->as<Unikernel>().addName, addName) << spec;
  }
}

TEST(Manifest, DecodesAPolicy) {
  const Manifest manifest = parse(
      "{apiVersion: rookery.dev/v1alpha1, kind: UnikernelPolicy, metadata: {name: p, namespace: shop}, spec: "
      "{unikernels: 4, memory: 1Gi, cpuIDs: [0, 1], blockStorage: 0Mi, bridges: [br1, br0]}}");
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const auto& policy = manifest.objects.at(0)->as<UnikernelPolicy>();
  EXPECT_EQ(policy.unikernels, 4);
  EXPECT_EQ(policy.memory, 1024);
  EXPECT_EQ(policy.blockStorage, 0);
  EXPECT_THAT(policy.bridges, ElementsAre("br0", "br1"));
}

std::string volume(std::string_view spec) {
  return "{apiVersion: rookery.dev/v1alpha1, kind: UnikernelVolume, metadata: {name: data}, spec: {" +
         std::string(spec) + "}}";
}

TEST(Manifest, DecodesAVolume) {
  const Manifest manifest =
      parse(volume("instance: eu-1, size: 1Gi, source: {path: data.img, compressionLevel: 9}, reclaimPolicy: "
                   "Delete"));
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const auto& decoded = manifest.objects.at(0)->as<UnikernelVolume>();
  EXPECT_EQ(decoded.instance, "eu-1");
  EXPECT_EQ(decoded.size, 1024);
  EXPECT_EQ(decoded.source->path.get().filename(), "data.img");
  EXPECT_EQ(decoded.compressionLevel, 9);
  EXPECT_EQ(decoded.reclaimPolicy, UnikernelVolume::ReclaimPolicy::Delete);
}

TEST(Manifest, AVolumeIsRetainedAndNothingIsWrittenToItUnlessItSaysSo) {
  const Manifest manifest = parse(volume("size: 4Mi"));
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const auto& decoded = manifest.objects.at(0)->as<UnikernelVolume>();
  EXPECT_EQ(decoded.source, std::nullopt);
  EXPECT_EQ(decoded.reclaimPolicy, UnikernelVolume::ReclaimPolicy::Retain);
}

constexpr std::string_view secretText = R"(apiVersion: v1
kind: Secret
metadata:
  name: db
  annotations: {a: b, kubectl.kubernetes.io/last-applied-configuration: '{"data": "aHVudGVyMg=="}'}
type: Opaque
immutable: true
data: {password: aHVudGVyMg==, user: eA==}
stringData: {user: admin}
)";

TEST(Manifest, DecodesASecretAndKeepsItSecret) {
  const Manifest manifest = parse(secretText);
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  const Object& object = *manifest.objects.at(0);
  EXPECT_EQ(object.key().toString(), "Secret default/db");
  EXPECT_THAT(object.as<Secret>().data,
              ElementsAre(std::pair("password", "hunter2"), std::pair("user", "admin")));
  EXPECT_EQ(object.manifest.unpack(),
            nlohmann::json::parse(R"({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
    "immutable": true, "metadata": {"name": "db", "namespace": "default", "annotations": {"a": "b"}}})"));
  EXPECT_THAT(object.metadata.annotations, ElementsAre(std::pair("a", "b")));
}

TEST(Manifest, NoMessageRepeatsASecret) {
  const char* const mistakes[] = {"data: {a: hunter2!}",
                                  "data: {a: 7777}",
                                  "data: hunter2",
                                  "data: [hunter2]",
                                  "stringData: {a: [hunter2]}",
                                  "stringData: {a: 7777}",
                                  "stringData: hunter2",
                                  "stringData: {\"a b\": hunter2}",
                                  "type: {a: hunter2}",
                                  "immutable: hunter2",
                                  "extra: hunter2",
                                  "stringData: {a: hunter2, a: hunter2}",
                                  "data: {a: 7777.5}"};
  for (const char* mistake : mistakes) {
    const Manifest manifest =
        parse("apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n" + std::string(mistake));
    ASSERT_THAT(manifest.problems, SizeIs(1)) << mistake;
    EXPECT_THAT(manifest.problems[0].toString(), Not(HasSubstr("hunter2"))) << mistake;
    EXPECT_THAT(manifest.problems[0].toString(), Not(HasSubstr("7777"))) << mistake;
  }
}

std::string digestOf(std::string_view text) { return parse(text).objects.at(0)->specDigest; }

TEST(Manifest, TheSpecDigestFollowsWhatIsMeant) {
  const std::string plain = digestOf(unikernel(""));
  EXPECT_THAT(plain, SizeIs(64));
  EXPECT_EQ(plain, digestOf("# moved\n" + unikernel("  memory: 32Mi\n  update: {strategy: ForceCreate}\n")));
  EXPECT_EQ(plain, digestOf(unikernel("") + "status: {a: b}\n"));
  EXPECT_NE(plain, digestOf(unikernel("  memory: 64Mi\n")));
  EXPECT_NE(plain, digestOf(unikernel("  failBehaviour: {restart: true}\n")));
  const std::string secret(secretText);
  EXPECT_EQ(digestOf(secret), digestOf(secret + "# moved\n"));
  EXPECT_NE(digestOf(secret), digestOf(secret.substr(0, secret.find("stringData"))));
}

RunDigest runDigestOf(std::string_view spec) {
  return parse(unikernel(std::string(spec))).objects.at(0)->run;
}

TEST(Manifest, TheRunDigestFollowsWhatRuns) {
  const std::string plain = runDigestOf("").current;
  EXPECT_THAT(plain, SizeIs(64));
  const std::pair<const char*, bool> specs[] = {{"  minReadySeconds: 5\n", true},
                                                {"  healthCheck: {tcp: {address: a:1}}\n", true},
                                                {"  prune: false\n", true},
                                                {"  suspend: true\n", true},
                                                {"  adopt: Always\n", true},
                                                {"  update: {strategy: OnDelete}\n", true},
                                                {"  placement: {instanceSelector: {}}\n", true},
                                                {"  memory: 64Mi\n", false},
                                                {"  arguments: [a]\n", false},
                                                {"  failBehaviour: {restart: true}\n", false},
                                                {"  runPolicy: Once\n", false},
                                                {"  instance: eu-1\n", false}};
  for (const auto& [spec, same] : specs) EXPECT_EQ(runDigestOf(spec).current == plain, same) << spec;
  const std::string elsewhere = fmt::format(
      "{{apiVersion: rookery.dev/v1alpha1, kind: Unikernel, metadata: {{name: web}}, "
      "spec: {{image: {{path: elsewhere.hvt, sha256: {}}}}}}}",
      std::string(64, 'a'));
  EXPECT_EQ(parse(elsewhere).objects.at(0)->run.current, plain) << "the content has a digest of its own";
}

// The former version's default of minReadySeconds was 0, and an API server keeps that as if it was written.
TEST(Manifest, KnowsWhatTheFormerVersionWroteOfARun) {
  const auto formerOf = [](const char* spec) {
    return runDigestOf(fmt::format("  runPolicy: Once\n{}", spec)).former;
  };
  const std::string withDefault = "718c01b0e931f10ac038743aaf88df16cbd8e5257c56656f0bf27cfe91337462";
  EXPECT_THAT(formerOf("  minReadySeconds: 0\n"), Contains(withDefault));
  EXPECT_THAT(formerOf(""), Contains(withDefault));
  EXPECT_THAT(formerOf("  minReadySeconds: 3\n"),
              Contains("163cb228c57c1aee59ea394a2e92e8b071a26071f718c37cfbe0e81e5dbab341"));
  EXPECT_THAT(formerOf("  minReadySeconds: 7\n"),
              Contains("f74a9e3a3cc0a74f1977332e1b6bd0358dd94f829db2199125f001dfb78296b0"));
  EXPECT_THAT(formerOf("  memory: 64Mi\n"), Not(Contains(withDefault)));
  EXPECT_THAT(runDigestOf("").former, IsEmpty()) << "of Always, nobody asks";
}

TEST(Manifest, KnowsWhereFieldsStand) {
  const ObjectPtr object = parse("# a file\n" + fullUnikernel).objects.at(0);
  EXPECT_EQ(object->origin.toString(), "/m/f.yaml:2:1");
  EXPECT_EQ(object->originOf("spec.image.path").toString(), "/m/f.yaml:15:11");
  EXPECT_EQ(object->originOf("spec.networkInterfaces[1].bridge").toString(), "/m/f.yaml:19:79");
  EXPECT_EQ(object->originOf("spec.unknown").toString(), "/m/f.yaml:12:1");
  EXPECT_EQ(object->originOf("").toString(), "/m/f.yaml:2:1");
}

struct Mistake {
  std::string text;
  std::vector<std::string> problems;
};

void expectProblems(const std::vector<Mistake>& mistakes) {
  for (const auto& [text, problems] : mistakes) {
    const Manifest manifest = parse(text);
    EXPECT_THAT(describe(manifest.problems), ElementsAreArray(problems)) << text;
    EXPECT_THAT(manifest.objects, IsEmpty()) << text;
    EXPECT_TRUE(manifest.parsed) << text;
  }
}

const std::string badName =
    " is not a name that both Kubernetes and Albatross take: lower-case letters, digits, \"-\" and \".\", "
    "with a letter "
    "or digit at both ends and beside each dot";

std::string fieldsOfAUnikernel() {
  std::string fields;
  for (const auto& [name, field] :
       manifestSchemaOf(Kind::Unikernel).at("properties").at("spec").at("properties").items())
    fields += (fields.empty() ? "" : ", ") + name;
  return fields;
}

TEST(Mistakes, InAUnikernel) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"  instanc: a", "6:3: spec.instanc: there is no such field; did you mean \"instance\"?"},
      {"  MEMORY: 1Mi", "6:3: spec.MEMORY: there is no such field; did you mean \"memory\"?"},
      {"  unheardOf: {}", "6:3: spec.unheardOf: there is no such field; there are " + fieldsOfAUnikernel()},
      {"  memory: 32", "6:11: spec.memory: expected a string, got the number 32; write \"32Mi\""},
      {"  memory: \"32\"", "6:11: spec.memory: \"32\" has no unit; write \"32Mi\""},
      {"  memory: 32M", "6:11: spec.memory: \"32M\" is not a whole number of Mi; write one such as \"31Mi\""},
      {"  memory: 0Mi", "6:11: spec.memory: the memory must be more than 0 and at most 16Ti"},
      {"  memory: 17Ti", "6:11: spec.memory: the memory must be more than 0 and at most 16Ti"},
      {"  memory: [32Mi]", "6:11: spec.memory: expected a string, got a list"},
      {"  memory: {a: b}", "6:11: spec.memory: expected a string, got a mapping"},
      {"  instance: eu_1", "6:13: spec.instance: \"eu_1\"" + badName + "; write \"eu-1\""},
      {"  instance: ''", "6:13: spec.instance: this must not be empty"},
      {"  networkInterfaces: [{name: ~}]", "6:24: spec.networkInterfaces[0].name: this field is required"},
      {"  cpuIDs: []", "6:11: spec.cpuIDs: this must not be empty"},
      {"  cpuIDs: [0, 1, 0]", "6:18: spec.cpuIDs[2]: 0 is listed twice; remove one"},
      {"  cpuIDs: [-1]", "6:12: spec.cpuIDs[0]: this must be from 0 to 4095, not -1"},
      {"  cpuIDs: 0", "6:11: spec.cpuIDs: expected a list, got the number 0"},
      {"  cpuIDs: [a]", "6:12: spec.cpuIDs[0]: expected a whole number, got the string \"a\""},
      {"  cpuIDs: [0.5]", "6:12: spec.cpuIDs[0]: expected a whole number, got the number 0.5"},
      {"  networkInterfaces: [{name: a}, {name: a}]",
       "6:41: spec.networkInterfaces[1].name: \"a\" is listed twice; remove one"},
      {"  networkInterfaces: [{bridge: a}]", "6:23: spec.networkInterfaces[0].name: this field is required"},
      {"  networkInterfaces: [{name: \"a\\eb\"}]",
       "6:30: spec.networkInterfaces[0].name: \"a\\u001bb\" holds a control character"},
      {"  networkInterfaces: [{name: a, mac: 03:00:00:00:00:01}]",
       "6:38: spec.networkInterfaces[0].mac: \"03:00:00:00:00:01\" is a multicast address; a device's own "
       "has an even "
       "first octet, such as 02"},
      {"  blockDevices: [{name: a}, {name: a}]",
       "6:36: spec.blockDevices[1].name: \"a\" is listed twice; remove one"},
      {"  blockDevices: [{name: a, volumeName: b}, {name: b}]",
       "6:51: spec.blockDevices[1].name: the volume \"b\" is used by another device of this unikernel "
       "already"},
      {"  blockDevices: [{name: A_}]",
       "6:25: spec.blockDevices[0].name: \"A_\" cannot be the name of a volume; say with volumeName which "
       "volume it is"},
      {"  blockDevices: [{name: a, sectorSize: 513}]",
       "6:40: spec.blockDevices[0].sectorSize: a sector size must be a power of two, such as 512 or 4096, "
       "not 513"},
      {"  arguments: [a, 5]", "6:18: spec.arguments[1]: expected a string, got the number 5; write \"5\""},
      {"  arguments: [yes]",
       "6:15: spec.arguments[0]: expected a string, got the boolean yes; write \"yes\""},
      {"  arguments: [\"a\\0b\"]", "6:15: spec.arguments[0]: an argument cannot hold a NUL character"},
      {"  arguments: [~]", "6:14: spec.arguments[0]: this field has no value; give it one or remove it"},
      {"  argumentsFrom: [{name: 9x, secretKeyRef: {name: db, key: a}}]",
       "6:26: spec.argumentsFrom[0].name: \"9x\" is not a name that $(…) can refer to: letters, digits, "
       "\"-\", \"_\" and "
       "\".\", not beginning with a digit"},
      {"  argumentsFrom: [{name: x}]", "6:19: spec.argumentsFrom[0].secretKeyRef: this field is required"},
      {"  addName: \"true\"", "6:12: spec.addName: expected true or false, got the string \"true\""},
      {"  failBehaviour: {exitCodes: [256], restart: true}",
       "6:31: spec.failBehaviour.exitCodes[0]: this must be from 0 to 255, not 256"},
      {"  failBehaviour: {exitCodes: [3]}",
       "6:19: spec.failBehaviour.exitCodes: exit codes mean nothing without restart; add restart: true"},
      {"  runPolicy: always",
       "6:14: spec.runPolicy: this must be one of Always, Once, not \"always\"; did you mean Always?"},
      {"  startup: 101", "6:12: spec.startup: this must be from 0 to 100, not 101"},
      {"  startup: 99999999999999999999",
       "6:12: spec.startup: expected a whole number, got the number 99999999999999999999"},
      {"  startup: 9223372036854775808",
       "6:12: spec.startup: this must be from 0 to 100, not 9223372036854775808"},
      {"  update: {strategy: Recreate}",
       "6:22: spec.update.strategy: this must be one of ForceCreate, OnDelete, not \"Recreate\""},
      {"  minReadySeconds: -1", "6:20: spec.minReadySeconds: this must be from 0 to 86400, not -1"},
      {"  maintenanceWindows: []", "6:23: spec.maintenanceWindows: this must not be empty"},
      {"  maintenanceWindows: [{schedule: 0 25 * * *, duration: 2h}]",
       "6:35: spec.maintenanceWindows[0].schedule: the hour must be from 0 to 23, not \"25\""},
      {"  maintenanceWindows: [{schedule: 0 2 * * *, duration: 30s}]",
       "6:56: spec.maintenanceWindows[0].duration: a maintenance window is open for at least 1m and at most "
       "168h"},
      {"  maintenanceWindows: [{schedule: 0 2 * * *, duration: 2h, timeZone: Mars/Olympus}]",
       "6:70: spec.maintenanceWindows[0].timeZone: this machine knows no time zone \"Mars/Olympus\": write "
       "one "
       "of its database (Debian's package tzdata), such as Europe/Berlin"},
      {"  suspend: true\n  suspend: false",
       "7:3: spec.suspend: this key is given twice, first in line 6; remove one"},
      {"  startup: 1\nextra: 1",
       "7:1: extra: there is no such field; there are apiVersion, kind, metadata, spec"},
  };
  for (const auto& [spec, problem] : mistakes) expectProblems({{unikernel(spec), {problem}}});
}

TEST(Manifest, DecodesAHealthCheck) {
  const auto checkOf = [](const char* spec) {
    const Manifest manifest = parse(unikernel(spec));
    EXPECT_THAT(describe(manifest.problems), IsEmpty()) << spec;
    return manifest.objects.at(0)->as<Unikernel>().healthCheck;
  };
  EXPECT_FALSE(checkOf(""));
  const auto http = checkOf(
      "  healthCheck: {http: {url: \"https://10.0.42.20/healthz\", expectedStatus: 204, insecure: true}, "
      "interval: 1m, timeout: 30s, failureThreshold: 5, rollback: true}\n");
  ASSERT_TRUE(http && std::holds_alternative<HttpCheck>(http->target));
  EXPECT_EQ(std::get<HttpCheck>(http->target).url, "https://10.0.42.20/healthz");
  EXPECT_EQ(std::get<HttpCheck>(http->target).expectedStatus, 204);
  EXPECT_TRUE(std::get<HttpCheck>(http->target).insecure);
  EXPECT_EQ(http->interval, 1min);
  EXPECT_EQ(http->timeout, 30s);
  EXPECT_EQ(http->failureThreshold, 5);
  EXPECT_TRUE(http->rollback);
  const auto tcp = checkOf("  healthCheck: {tcp: {address: \"[fd00::1]:443\"}}\n");
  ASSERT_TRUE(tcp && std::holds_alternative<TcpCheck>(tcp->target));
  EXPECT_EQ(std::get<TcpCheck>(tcp->target).address, "[fd00::1]:443");
  EXPECT_EQ(tcp->interval, 10s);
  EXPECT_EQ(tcp->timeout, 1min);
  EXPECT_EQ(tcp->failureThreshold, 3);
  EXPECT_FALSE(tcp->rollback);
  const auto dns =
      checkOf("  healthCheck: {dns: {server: \"10.0.42.53:5353\", name: example.org, type: MX}}\n");
  ASSERT_TRUE(dns && std::holds_alternative<DnsCheck>(dns->target));
  EXPECT_EQ(std::get<DnsCheck>(dns->target).server, "10.0.42.53:5353");
  EXPECT_EQ(std::get<DnsCheck>(dns->target).name, "example.org");
  EXPECT_EQ(std::get<DnsCheck>(dns->target).type, "MX");
}

TEST(Mistakes, InAHealthCheck) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"  healthCheck: {}", "6:3: spec.healthCheck: exactly one of http, tcp and dns must be given"},
      {"  healthCheck: {tcp: {address: a:1}, dns: {server: 10.0.0.1, name: a}}",
       "6:3: spec.healthCheck: exactly one of http, tcp and dns must be given"},
      {"  healthCheck: {tcp: {address: web}}",
       "6:32: spec.healthCheck.tcp.address: \"web\" has no port; write \"web:443\", say"},
      {"  healthCheck: {tcp: {address: \"[fd00::1]\"}}",
       "6:32: spec.healthCheck.tcp.address: \"[fd00::1]\" has no port; write \"[fd00::1]:443\", say"},
      {"  healthCheck: {dns: {server: 10.0.0.1, name: a..b}}",
       "6:47: spec.healthCheck.dns.name: \"a..b\" is not the name of a domain, between whose dots stand 1 to "
       "63 "
       "characters"},
      {"  healthCheck: {dns: {server: ns1, name: a}}",
       "6:31: spec.healthCheck.dns.server: \"ns1\" is not the IP address of a name server, such as "
       "\"10.0.42.53\""},
      {"  healthCheck: {dns: {server: \"10.0.0.1:x\", name: a}}",
       "6:31: spec.healthCheck.dns.server: \"x\" is not a port, which is a number from 1 to 65535"},
      {"  healthCheck: {tcp: {address: a:1}, interval: 10ms}",
       "6:48: spec.healthCheck.interval: this must be 1s to 1h"},
      {"  healthCheck: {tcp: {address: a:1}, timeout: 25h}",
       "6:47: spec.healthCheck.timeout: this must be 1s to 24h"},
      {"  runPolicy: Once\n  healthCheck: {tcp: {address: a:1}, rollback: true}",
       "7:38: spec.healthCheck.rollback: nothing can be put back of what is run once; remove it, or "
       "runPolicy: Once"},
  };
  for (const auto& [spec, problem] : mistakes) expectProblems({{unikernel(spec), {problem}}});
}

TEST(Mistakes, AllOfADocumentAreTold) {
  expectProblems(
      {{"apiVersion: rookery.dev/v1beta1\nkind: Unikernel\nmetadata: {name: Web, namespace: a.b, labels: {v: "
        "1.10}}\n"
        "spec: {image: {pathh: x, sha256: abc}, memory: 0x20, startup: -1}\n",
        {"1:13: apiVersion: this must be rookery.dev/v1alpha1 for the kind Unikernel, not "
         "\"rookery.dev/v1beta1\"",
         "3:18: metadata.name: \"Web\"" + badName + "; write \"web\"",
         "3:34: metadata.namespace: \"a.b\" is not a namespace that both Kubernetes and Albatross take: "
         "lower-case letters, digits and \"-\", with a letter or digit at both ends",
         "3:51: metadata.labels.v: expected a string, got the number 1.10; write \"1.10\"",
         "4:16: spec.image.pathh: there is no such field; did you mean \"path\"?",
         "4:34: spec.image.sha256: a SHA-256 digest is 64 hexadecimal digits; this is 3 characters",
         "4:48: spec.memory: expected a string, got the number 0x20; write \"0x20Mi\"",
         "4:63: spec.startup: this must be from 0 to 100, not -1"}}});
}

TEST(Mistakes, InAnImage) {
  const auto unikernel = [](std::string_view image) {
    return "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: web}\nspec:\n  image: " +
           std::string(image) + "\n";
  };
  const std::string pin = std::string(64, 'a');
  expectProblems(
      {{unikernel("{}"),
        {"5:3: spec.image: give path, or url with sha256, or sha256 alone for an image that rookery deploy "
         "has put "
         "into the image store"}},
       {unikernel("{path: x, url: 'http://a/x', sha256: " + pin + "}"),
        {"5:3: spec.image: only one of path and url may be given"}},
       {unikernel("{url: 'http://a/x'}"),
        {"5:11: spec.image.url: an image from a URL needs its SHA-256, which tells that it is the "
         "one that is meant; add sha256"}},
       {unikernel("{url: 'http://me:hunter2@a/x', sha256: " + pin + "}"),
        {"5:16: spec.image.url: a URL in a manifest cannot hold a user and a password, as everybody "
         "reads them; remove them"}}});
}

/// What is missing only as it has a mistake is no mistake of its own.
TEST(Mistakes, InAPartAreNotToldOfTheWhole) {
  const auto document = [](std::string_view kind, std::string_view spec) {
    return fmt::format("apiVersion: rookery.dev/v1alpha1\nkind: {}\nmetadata: {{name: a}}\nspec: {{{}}}\n",
                       kind, spec);
  };
  expectProblems(
      {{document("Unikernel", "image: {path: 7}"),
        {"4:22: spec.image.path: expected a string, got the number 7; write \"7\""}},
       {document("Unikernel", "image: {url: \"http://a/x\", sha256: 7}"),
        {"4:43: spec.image.sha256: expected a string, got the number 7; write \"7\""}},
       {document("Unikernel", "image: {path: a}, healthCheck: {tcp: []}"),
        {"4:45: spec.healthCheck.tcp: expected a mapping, got a list"}},
       {document("Unikernel", "image: {path: a}, failBehaviour: {restart: 1, exitCodes: [2]}"),
        {"4:51: spec.failBehaviour.restart: expected true or false, got the number 1"}},
       {document("UnikernelVolume", "size: 1Mi, source: {path: 7}"),
        {"4:34: spec.source.path: expected a string, got the number 7; write \"7\""}},
       {document("UnikernelVolume",
                 "size: 1Mi, instanceSelector: {matchExpressions: [{key: a, operator: In, values: b}]}"),
        {"4:88: spec.instanceSelector.matchExpressions[0].values: expected a list, got the string \"b\""}},
       {document("AlbatrossInstance", "endpoint: a, credentials: {files: b}"),
        {"4:42: spec.credentials.files: expected a mapping, got the string \"b\""}}});
}

TEST(Mistakes, InAnInstance) {
  const auto instance = [](std::string_view rest) {
    return "apiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {name: eu-1}\nspec:\n" +
           std::string(rest);
  };
  const std::string files = "  credentials: {files: {ca: a, certificate: b, privateKey: c}}\n";
  expectProblems(
      {{instance(files), {"4:1: spec.endpoint: this field is required"}},
       {instance(files + "  endpoint: unix:///run/x\n"),
        {"5:3: spec.credentials: a local server (unix:) asks for none; remove it"}},
       {instance("  endpoint: a:1\n  credentials: {}\n"),
        {"6:3: spec.credentials: exactly one of files and secretRef must be given"}},
       {instance("  endpoint: a:1\n  credentials: {files: {ca: a, certificate: b, privateKey: c}, secretRef: "
                 "{namespace: "
                 "a, name: b}}\n"),
        {"6:3: spec.credentials: exactly one of files and secretRef must be given, not both"}},
       {instance("  endpoint: a:1\n" + files + "  timeouts: {connect: 5, command: 5d, stream: 0s}\n"),
        {"7:23: spec.timeouts.connect: expected a string, got the number 5; write \"5s\"",
         "7:35: spec.timeouts.command: \"5d\" is not a duration, such as \"30s\", \"5m\" or \"1h30m\"",
         "7:47: spec.timeouts.stream: \"0s\" is not a duration of 1ms to a year"}},
       {instance("  endpoint: a:1\n" + files + "  allowedNamespaces: [a, a]\n"),
        {"7:26: spec.allowedNamespaces[1]: \"a\" is listed twice; remove one"}},
       {"apiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {name: a, namespace: "
        "b}\nspec:\n"
        "  endpoint: a:1\n" +
            files,
        {"3:21: metadata.namespace: an AlbatrossInstance has no namespace; remove it"}}});
}

TEST(Mistakes, InAPolicy) {
  expectProblems(
      {{"apiVersion: rookery.dev/v1alpha1\nkind: UnikernelPolicy\nmetadata: {name: p}\n"
        "spec: {unikernels: 0, memory: 16Mi, cpuIDs: [], blockStorage: 100}\n",
        {"4:20: spec.unikernels: this must be from 1 to 1000000, not 0",
         "4:31: spec.memory: the memory must be more than 16Mi, or no unikernel fits in",
         "4:45: spec.cpuIDs: this must not be empty",
         "4:63: spec.blockStorage: expected a string, got the number 100; write \"100Mi\""}}});
}

TEST(Mistakes, InMetadata) {
  const auto labelled = [](std::string_view metadata) {
    return "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: a, " + std::string(metadata) +
           "}\nspec: {image: {path: x}}\n";
  };
  expectProblems({{labelled("labels: {-a: b}"),
                   {"3:30: metadata.labels.-a: \"-a\" is not a key that Kubernetes takes: at most 63 "
                    "letters, digits, \"-\", \"_\" "
                    "and \".\", with a letter or digit at both ends, after an optional domain and \"/\""}},
                  {labelled("labels: {x/a: b c}"),
                   {"3:35: metadata.labels[\"x/a\"]: \"b c\" is not a label that Kubernetes takes: at most "
                    "63 letters, digits, "
                    "\"-\", \"_\" and \".\", with a letter or digit at both ends"}},
                  {labelled("labels: [a]"), {"3:29: metadata.labels: expected a mapping, got a list"}},
                  {labelled("label: {a: b}"),
                   {"3:21: metadata.label: there is no such field; did you mean \"labels\"?"}},
                  {labelled("namespace: ''"), {"3:32: metadata.namespace: this must not be empty"}}});
}

// As Kubernetes has it; a field that has a default gets it.
TEST(Manifest, NullIsTheSameAsNoSuchField) {
  const ObjectPtr bare = parse(unikernel("")).objects.at(0);
  const std::string nulls = R"yaml(
  instance: null
  startup: ~
  memory:
  cpuIDs: null
  networkInterfaces: null
  blockDevices: null
  arguments: null
  argumentsFrom: null
  addName: null
  failBehaviour: {restart: null, exitCodes: null}
  runPolicy: null
  update: {strategy: null}
  adopt: null
  minReadySeconds: null
  prune: null
  suspend: null
)yaml";
  for (const std::string& spec : {nulls, std::string("  failBehaviour: null\n  update: null\n")}) {
    const Manifest manifest = parse(unikernel(spec));
    EXPECT_THAT(describe(manifest.problems), IsEmpty());
    ASSERT_THAT(manifest.objects, SizeIs(1));
    EXPECT_EQ(manifest.objects[0]->specDigest, bare->specDigest);
    EXPECT_EQ(manifest.objects[0]->as<Unikernel>().startup, std::nullopt);
    EXPECT_EQ(manifest.objects[0]->as<Unikernel>().memory, 32);
  }
  const Manifest secret = parse(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: a, labels: {a: ~}, namespace: ~}\n"
      "type: ~\ndata: null\nstringData: {a: ~, b: c}\n");
  EXPECT_THAT(describe(secret.problems), IsEmpty());
  ASSERT_THAT(secret.objects, SizeIs(1));
  EXPECT_THAT(secret.objects[0]->as<Secret>().data, ElementsAre(testing::Pair("b", "c")));
}

TEST(Manifest, ADocumentThatIsJsonAlreadyReadsAsItsText) {
  const Manifest text = parse(unikernel("  memory: 64Mi\n  startup: null\n  arguments: [\"\\ufeff\"]\n"));
  ASSERT_THAT(text.objects, SizeIs(1));
  const Manifest value =
      readDocument(text.objects[0]->manifest.unpack(), {.root = "/m", .file = "/m/f.yaml"});
  ASSERT_THAT(value.objects, SizeIs(1));
  EXPECT_EQ(value.objects[0]->manifest, text.objects[0]->manifest);
  EXPECT_EQ(value.objects[0]->specDigest, text.objects[0]->specDigest);
  EXPECT_EQ(value.objects[0]->as<Unikernel>().image.path, "/m/web.hvt");
  nlohmann::json deep = 1;
  for (int i = 0; i < 65; ++i) deep = {{"a", std::move(deep)}};
  const Manifest refused = readDocument(deep, {});
  EXPECT_FALSE(refused.parsed);
  EXPECT_THAT(describe(refused.problems), ElementsAre("f: the value is nested more than 64 levels deep"));
}

TEST(Mistakes, InWhereAndWhen) {
  expectProblems(
      {{volume("size: 1Mi, instance: eu-1, instanceSelector: {}"),
        {"1:117: spec.instanceSelector: only one of instance and instanceSelector may be given"}},
       {volume("size: 1Mi, instanceSelector: {matchExpressions: [{key: a, operator: In}]}"),
        {"1:158: spec.instanceSelector.matchExpressions[0].operator: In needs values; give one at least"}},
       {volume("size: 1Mi, instanceSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}"),
        {"1:166: spec.instanceSelector.matchExpressions[0].values: Exists takes no values; remove them"}},
       {volume("size: 1Mi, instanceSelector: {matchLabels: {region: a b}}"),
        {"1:142: spec.instanceSelector.matchLabels.region: \"a b\" is not a label that Kubernetes takes: at "
         "most 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit at both ends"}}});
}

/// Each problem without its place.
std::vector<std::string> mistakesIn(const std::string& spec) {
  std::vector<std::string> found;
  for (const Problem& problem : parse(unikernel(spec)).problems)
    found.push_back(fmt::format("{}: {}", problem.field, problem.message));
  return found;
}

TEST(Mistakes, InAPlacement) {
  const std::pair<std::string, std::string> mistakes[] = {
      {"  instance: eu-1\n  placement: {instanceSelector: {}}\n",
       "spec.placement: only one of instance and placement may be given; remove spec.instance"},
      {"  instanceSelector: {}\n  placement: {instanceSelector: {}}\n",
       "spec.placement: only one of instanceSelector and placement may be given; remove "
       "spec.instanceSelector"},
      {"  placement: {replicas: 2}\n", "spec.placement.instanceSelector: this field is required"},
      {"  placement: {instanceSelector: {}, replicas: 0}\n",
       "spec.placement.replicas: this must be from 1 to 1024, not 0"},
      {"  placement: {instanceSelector: {}, replicas: true}\n",
       "spec.placement.replicas: expected a whole number or a string, got the boolean true"},
      {"  placement: {instanceSelector: {}, replicas: all}\n",
       "spec.placement.replicas: this does not match the pattern ^All$"},
      {"  placement: {instanceSelector: {}, failoverAfter: 1s}\n",
       "spec.placement.failoverAfter: this must be at least 10s"},
      {"  argumentsFrom: [{name: INSTANCE_NAME, secretKeyRef: {name: a, key: b}}]\n",
       "spec.argumentsFrom[0].name: $(INSTANCE_NAME) and $(INSTANCE_LABEL_…) say where a unikernel runs; "
       "give this "
       "another name"},
  };
  for (const auto& [spec, message] : mistakes) EXPECT_THAT(mistakesIn(spec), ElementsAre(message)) << spec;
}

TEST(Mistakes, InAVolume) {
  expectProblems(
      {{volume("source: {}"),
        {"1:83: spec.size: this field is required",
         "1:90: spec.source: exactly one of path and url must be given"}},
       {volume("size: 0Mi"), {"1:96: spec.size: the size must be more than 0 and at most 1Pi"}},
       {volume("size: 1.5Mi"),
        {"1:96: spec.size: \"1.5Mi\" is not a whole number of Mi; write one such as \"2Mi\""}},
       {volume("size: 1Mi, source: {url: 'https://a/b'}"),
        {"1:110: spec.source.url: content from a URL needs its SHA-256, which tells that it is the one that "
         "is meant; add sha256"}},
       {volume("size: 1Mi, source: {path: a, compressionLevel: 10}"),
        {"1:137: spec.source.compressionLevel: this must be from 0 to 9, not 10"}}});
}

TEST(Mistakes, InWhatADocumentIs) {
  expectProblems(
      {{"apiVersion: rookery.dev/v1alpha1\nkind: Unikernl\nmetadata: {name: a}\n",
        {"2:7: kind: \"Unikernl\" is not a kind that rookery knows; did you mean Unikernel?"}},
       {"apiVersion: rookery.dev/v1alpha1\nkind: Zebra\nmetadata: {name: a}\n",
        {"2:7: kind: \"Zebra\" is not a kind that rookery knows; it knows AlbatrossInstance, Unikernel, "
         "UnikernelPolicy, UnikernelVolume, Secret"}},
       {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {}\n",
        {"2:7: kind: \"Deployment\" of \"apps/v1\" is not a kind that rookery knows; keep it in another "
         "folder"}},
       {"kind: Secret\nmetadata: {name: a}\n", {"1:1: apiVersion: this field is required; write v1"}},
       {"apiVersion: v1\nkind: Unikernel\nmetadata: {name: a}\nspec:\n",
        {"1:13: apiVersion: this must be rookery.dev/v1alpha1 for the kind Unikernel, not \"v1\"",
         "4:1: spec: this field is required"}},
       {"apiVersion: ~\nkind: Secret\nmetadata: {name: a}\n",
        {"1:1: apiVersion: this field is required; write v1"}}});
}

TEST(Mistakes, LeaveTheOtherDocumentsAlone) {
  const Manifest manifest = parse(unikernel("  memory: 5\n") + "---\n" + fullInstance);
  EXPECT_TRUE(manifest.parsed);
  EXPECT_THAT(manifest.objects, SizeIs(1));
  EXPECT_THAT(manifest.invalid, ElementsAre(ObjectKey{Kind::Unikernel, "shop", "web"}));
  EXPECT_EQ(manifest.problems.at(0).object, (ObjectKey{Kind::Unikernel, "shop", "web"}));
}

// So that a typing mistake in its kind does not make an object look removed.
TEST(Mistakes, AnUnknownKindOfOursMayBeAnyOfOurs) {
  const Manifest manifest =
      parse("apiVersion: rookery.dev/v1alpha1\nkind: Unikernl\nmetadata: {name: a, namespace: b}\n");
  EXPECT_THAT(manifest.invalid,
              ElementsAre(ObjectKey{Kind::AlbatrossInstance, "", "a"}, ObjectKey{Kind::Unikernel, "b", "a"},
                          ObjectKey{Kind::UnikernelPolicy, "b", "a"},
                          ObjectKey{Kind::UnikernelVolume, "b", "a"}, ObjectKey{Kind::Secret, "b", "a"}));
  EXPECT_EQ(parse("apiVersion: rookery.dev/v1alpha1\nmetadata: {name: a, namespace: b}\n").invalid,
            manifest.invalid);
  EXPECT_THAT(parse("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n").invalid, IsEmpty());
}

TEST(Mistakes, WhatHidesWhichObjectIsMeantHidesTheFile) {
  const std::string good = unikernel("") + "---\n";
  const std::pair<std::string, std::string> cases[] = {
      {"a: b: c\n", "7:5: this is not valid YAML: illegal map value"},
      {"just text\n", "7:1: a document is a mapping with apiVersion, kind, metadata and spec"},
      {"[]\n", "7:1: a document is a mapping with apiVersion, kind, metadata and spec"},
      {"apiVersion: v1\nmetadata: {}\n",
       "7:1: kind: a document says its kind, one of AlbatrossInstance, Unikernel, UnikernelPolicy, "
       "UnikernelVolume, Secret"},
      {"apiVersion: v1\nkind: Secret\n", "7:1: metadata: this field is required"},
      {"apiVersion: v1\nkind: Secret\nmetadata: {}\n", "9:1: metadata.name: this field is required"},
      {"apiVersion: v1\nkind: Secret\nmetadata: {name: 5}\n",
       "9:18: metadata.name: expected a string, got a number"},
      {"apiVersion: v1\nkind: Secret\nmetadata: {name: a, name: b}\n",
       "9:21: metadata.name: this key is given twice, first in line 9; remove one"},
      {"apiVersion: rookery.dev/v1alpha1\nkind: Unikernl\n",
       "8:7: kind: \"Unikernl\" is not a kind that rookery knows; did you mean Unikernel?"}};
  for (const auto& [text, problem] : cases) {
    const Manifest manifest = parse(good + text);
    EXPECT_FALSE(manifest.parsed) << text;
    EXPECT_THAT(manifest.objects, IsEmpty()) << text;
    EXPECT_THAT(describe(manifest.problems), ElementsAre(problem)) << text;
  }
}

/// A List with these items, in block style: the first stands in line 4.
std::string listOf(const std::string& items, const std::string& kind = "List",
                   const std::string& apiVersion = "v1") {
  return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nitems:\n" + items;
}

const std::string itemWeb =
    "- apiVersion: rookery.dev/v1alpha1\n  kind: Unikernel\n  metadata: {name: web, namespace: shop}\n"
    "  spec:\n    image: {path: web.hvt}\n";  // 5 lines
const std::string itemDb =
    "- apiVersion: v1\n  kind: Secret\n  metadata: {name: db, namespace: shop}\n  data: {a: Yg==}\n";

TEST(List, StandsForItsItems) {
  const Manifest manifest =
      parse(listOf(itemWeb + itemDb) + "metadata: {resourceVersion: ''}\n---\n" + fullInstance);
  EXPECT_THAT(describe(manifest.problems), IsEmpty());
  EXPECT_TRUE(manifest.parsed);
  ASSERT_THAT(manifest.objects, SizeIs(3));
  EXPECT_EQ(manifest.objects[0]->key(), (ObjectKey{Kind::Unikernel, "shop", "web"}));
  EXPECT_EQ(manifest.objects[0]->origin.line, 4);
  EXPECT_EQ(manifest.objects[0]->origin.column, 3);
  EXPECT_EQ(manifest.objects[0]->originOf("spec.image.path").line, 8);
  EXPECT_EQ(manifest.objects[1]->key(), (ObjectKey{Kind::Secret, "shop", "db"}));
  EXPECT_EQ(manifest.objects[2]->key(), (ObjectKey{Kind::AlbatrossInstance, "", "eu-1"}));
}

TEST(List, MayBeOfOneKindOrEmpty) {
  const std::string bare = "- metadata: {name: web, namespace: shop}\n  spec: {image: {path: web.hvt}}\n";
  const Manifest typed = parse(listOf(bare + itemWeb, "UnikernelList", "rookery.dev/v1alpha1"));
  EXPECT_THAT(describe(typed.problems), IsEmpty());
  ASSERT_THAT(typed.objects, SizeIs(2));
  EXPECT_EQ(typed.objects[0]->manifest, typed.objects[1]->manifest);
  EXPECT_THAT(parse(listOf("- metadata: {name: db}\n", "SecretList")).objects, SizeIs(1));
  for (const std::string items : {"  []\n", "  null\n"}) {
    const Manifest empty = parse(listOf(items));
    EXPECT_THAT(describe(empty.problems), IsEmpty()) << items;
    EXPECT_TRUE(empty.parsed);
  }
}

TEST(List, ItemsMayHoldWhatAServerSets) {
  const std::string printed = R"yaml(- apiVersion: rookery.dev/v1alpha1
  kind: Unikernel
  metadata:
    name: web
    namespace: shop
    uid: 4b2b7d2e-0000-4000-8000-000000000000
    resourceVersion: "12"
    generation: 3
    creationTimestamp: "2024-01-01T00:00:00Z"
    managedFields: [{manager: kubectl, fieldsV1: {f:spec: {}}}]
  spec:
    image: {path: web.hvt}
  status: {conditions: 5, unknown: {at: all}}
)yaml";
  const Manifest manifest = parse(listOf(printed + itemDb));
  EXPECT_THAT(describe(manifest.problems), IsEmpty());
  ASSERT_THAT(manifest.objects, SizeIs(2));
  EXPECT_FALSE(manifest.objects[0]->manifest.unpack().contains("status"));
  const Manifest plain = parse(listOf(itemWeb));
  EXPECT_EQ(manifest.objects[0]->specDigest, plain.objects.at(0)->specDigest);
}

// Lines and columns are the file's, fields the item's.
TEST(List, MistakesInItemsHaveTheirPlace) {
  const std::string wrong = itemWeb + "    memory: 5\n    prune: true\n    prune: false\n";
  const Manifest manifest = parse(listOf(itemDb + wrong + "- {apiVersion: apps/v1, kind: Deployment}\n"));
  EXPECT_THAT(describe(manifest.problems),
              ElementsAre(HasSubstr("13:13: spec.memory: "),
                          "15:5: spec.prune: this key is given twice, first in line 14; remove one",
                          HasSubstr("16:31: kind: \"Deployment\" of \"apps/v1\" is not a kind")));
  EXPECT_EQ(manifest.problems.at(0).object, (ObjectKey{Kind::Unikernel, "shop", "web"}));
  EXPECT_TRUE(manifest.parsed);
  EXPECT_THAT(manifest.objects, SizeIs(1)) << "what is broken hides no other";
  EXPECT_THAT(manifest.invalid, ElementsAre(ObjectKey{Kind::Unikernel, "shop", "web"}));
}

TEST(List, WithinAListIsRefused) {
  const std::string nested =
      "- apiVersion: v1\n  kind: List\n  items:\n  - {kind: Secret, metadata: {name: a}}\n";
  const Manifest manifest = parse(listOf(itemWeb + nested));
  EXPECT_THAT(describe(manifest.problems),
              ElementsAre("9:3: a List cannot hold another List; put the items of the inner one into the "
                          "outer one"));
  EXPECT_TRUE(manifest.parsed);
  EXPECT_THAT(manifest.objects, SizeIs(1));
  EXPECT_THAT(manifest.invalid, ElementsAre(ObjectKey{Kind::Secret, "default", "a"}));
}

TEST(List, ThatHidesWhatItDeclaresHidesTheFile) {
  const std::pair<std::string, std::string> cases[] = {
      {"apiVersion: v1\nkind: List\nitem: []\n",
       "3:1: item: there is no such field; did you mean \"items\"?"},
      {listOf("  {}\n"), "4:3: items: expected a list, got a mapping"},
      {listOf("- text\n"), "4:3: an item of a List is a mapping with apiVersion, kind, metadata and spec"},
      {listOf("-\n"), "4:1: an item of a List is a mapping with apiVersion, kind, metadata and spec"},
      {listOf("- {kind: Secret, apiVersion: v1, metadata: {name: a, name: b}}\n"),
       "4:54: metadata.name: this key is given twice, first in line 4; remove one"},
      {listOf("- {kind: Secret, apiVersion: v1, metadata: {}}\n"),
       "4:34: metadata.name: this field is required"},
      {listOf("- {kind: List, items: [{kind: List}]}\n"), "4:3: a List cannot hold another List"},
      {listOf(itemWeb) + "items: []\n", "9:1: items: this key is given twice, first in line 3; remove one"}};
  for (const auto& [text, problem] : cases) {
    const Manifest manifest = parse(text + "---\n" + fullInstance);
    EXPECT_FALSE(manifest.parsed) << text;
    EXPECT_THAT(manifest.objects, IsEmpty()) << text;
    EXPECT_THAT(describe(manifest.problems), testing::Contains(HasSubstr(problem))) << text;
  }
}

TEST(List, ItsOwnMistakesHideNoItem) {
  const std::pair<std::string, std::string> cases[] = {
      {listOf(itemWeb) + "extra: 1\n", "9:1: extra: there is no such field"},
      {listOf(itemWeb, "List", "v2"), "1:13: apiVersion: this must be v1 for the kind List, not \"v2\""},
      {listOf(itemWeb, "UnikernelList"),
       "1:13: apiVersion: this must be rookery.dev/v1alpha1 for the kind UnikernelList, not \"v1\""},
      {"kind: List\nitems:\n" + itemWeb, "1:1: apiVersion: this field is required; write v1"}};
  for (const auto& [text, problem] : cases) {
    const Manifest manifest = parse(text);
    EXPECT_TRUE(manifest.parsed) << text;
    EXPECT_THAT(manifest.objects, SizeIs(1)) << text;
    EXPECT_THAT(describe(manifest.problems), ElementsAre(HasSubstr(problem))) << text;
  }
}

TEST(Mistakes, AreCountedPastAThousand) {
  std::string spec;
  for (int i = 0; i < 1'500; ++i) spec += "  k" + std::to_string(i) + ": 1\n";
  const Manifest manifest = parse(unikernel(spec));
  EXPECT_THAT(manifest.problems, SizeIs(1'001));
  EXPECT_EQ(manifest.problems.back().message, "there are 500 more mistakes");
  EXPECT_THAT(manifest.objects, IsEmpty());
}

TEST(Mistakes, LongValuesReachNeitherPatternsNorMessages) {
  const std::pair<std::string, std::string> values[] = {
      {std::string(1'000'000, 'a'),
       "6:11: spec.memory: this is 1000000 characters long; at most 32 are allowed"},
      {std::string(1'000'000, '1'),
       "6:11: spec.memory: this is 1000000 characters long; at most 32 are allowed"},
      {std::string(50, '1'), "6:11: spec.memory: expected a string, got a number; write it in quotes"}};
  for (const auto& [value, problem] : values) {
    EXPECT_THAT(describe(parse(unikernel("  memory: " + value + "\n")).problems), ElementsAre(problem));
  }
}

TEST(Manifest, TakesTenThousandDocuments) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) {
    text += "---\n{apiVersion: v1, kind: Secret, metadata: {name: s" + std::to_string(i) + "}}\n";
  }
  EXPECT_THAT(parse(text).objects, SizeIs(10'000));
}

TEST(Manifest, ReadsJsonWithSurrogates) {
  const Manifest manifest = parse(
      R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": "\ud83d\ude00"}})",
      "/m/a.json");
  ASSERT_THAT(describe(manifest.problems), IsEmpty());
  EXPECT_EQ(manifest.objects.at(0)->as<Secret>().data.at("a"), "😀");
}

TEST(Manifest, ATextOverTheLimitIsRefused) {
  const Manifest manifest = parse(std::string(yaml::maxBytes + 1, ' '));
  EXPECT_FALSE(manifest.parsed);
  EXPECT_THAT(describe(manifest.problems),
              ElementsAre("f: the text has 4194305 bytes; a manifest has at most 4194304; split it"));
}

}  // namespace
}  // namespace rookery::api
