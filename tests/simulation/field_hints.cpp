#include "simulation/field_hints.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "error.h"
#include "image/digest.h"
#include "image/image.h"
#include "simulation/materials.h"
#include "yaml/yaml.h"

namespace rookery::simulation {

using nlohmann::json;

namespace {

/// By kind and path; below Any, what holds of all paths that end so. `setup` also holds of what is below;
/// `told`: what those may be told who are not told of the field.
constexpr std::string_view hints = R"(
Any:
  metadata.labels: {quiet: true, values: [{tier: one}, {tier: two}], wrong: [{"-": one}, {tier: "-"}]}
  metadata.labels{}: {quiet: true, wrong: ["-"]}
  metadata.annotations: {quiet: true, values: [{note: one}, {note: two}], wrong: [{"-": one}]}
  metadata.annotations{}: {quiet: true}
  metadata.generateName: &ignored {quiet: true}
  metadata.uid: *ignored
  metadata.resourceVersion: *ignored
  metadata.generation: *ignored
  metadata.creationTimestamp: *ignored
  metadata.deletionTimestamp: *ignored
  metadata.deletionGracePeriodSeconds: *ignored
  metadata.selfLink: *ignored
  metadata.finalizers: *ignored
  metadata.finalizers[]: *ignored
  metadata.ownerReferences: {quiet: true, values: [[{name: one}], [{name: two}]]}
  metadata.managedFields: {quiet: true, values: [[{manager: one}], [{manager: two}]]}

  instanceSelector: {leaves: true, values: [{matchLabels: {site: eu}}, {matchLabels: {site: us}}]}
  instanceSelector.matchLabels: {leaves: true, values: [{site: eu}, {site: us}], vain: [{site: none}], wrong: [{"-": eu}]}
  instanceSelector.matchLabels{}: {leaves: true, values: [eu, us], vain: [none], wrong: ["-"]}
  instanceSelector.matchExpressions:
    leaves: true
    values: [[{key: site, operator: In, values: [eu]}], [{key: site, operator: In, values: [us]}]]
  instanceSelector.matchExpressions[].key: {leaves: true, values: [site], vain: [none], wrong: ["-"]}
  instanceSelector.matchExpressions[].operator: {leaves: true, values: [In, NotIn], wrong: [Exists], told: matchExpressions.values}
  instanceSelector.matchExpressions[].values: {leaves: true, values: [[eu], [us]], vain: [[none]], wrong: [["-"]]}
  instanceSelector.matchExpressions[].values[]: {leaves: true, values: [eu, us], vain: [none], wrong: ["-"]}

  maintenanceWindows:
    quiet: true
    values: [[{schedule: 0 2 * * *, duration: 2h}], [{schedule: 0 3 * * 1-5, duration: 1h, timeZone: Europe/Berlin}]]
  maintenanceWindows[].schedule: {quiet: true, values: [0 2 * * *, "*/5 * * * *"], wrong: [61 * * * *, 0 2 * *, never]}
  maintenanceWindows[].duration: {quiet: true, values: [1m, 168h], wrong: [59s, 169h]}
  maintenanceWindows[].timeZone: {quiet: true, values: [Europe/Berlin, UTC], wrong: [Mars/Phobos]}

AlbatrossInstance:
  spec.endpoint: {quiet: true, values: ["127.0.0.1:1", "localhost:1"], vain: ["127.0.0.1:3"], told: connection broke, wrong: ["127.0.0.1:65536", "a:b:c"]}
  spec.credentials:
    quiet: true
    values:
    - files: {ca: pki/one.pem, certificate: pki/one.pem, privateKey: pki/one.key}
    - secretRef: {namespace: shop, name: eu}
    wrong: [{}]
  spec.credentials.files: {quiet: true, values: [{ca: pki/one.pem, certificate: pki/one.pem, privateKey: pki/one.key},
                                                 {ca: pki/two.pem, certificate: pki/two.pem, privateKey: pki/two.key}]}
  spec.credentials.files.ca: &certificate {quiet: true, values: [pki/one.pem, pki/two.pem], vain: [pki/none.pem]}
  spec.credentials.files.certificate: *certificate
  spec.credentials.files.privateKey: {quiet: true, values: [pki/one.key, pki/two.key], vain: [pki/none.key]}
  spec.credentials.secretRef:
    setup: {spec: {credentials: {files: null, secretRef: {namespace: shop, name: eu}}}}
    quiet: true
    values: [{namespace: shop, name: eu}, {namespace: shop, name: eu-too}]
  spec.credentials.secretRef.namespace: {quiet: true, values: [shop], vain: [none]}
  spec.credentials.secretRef.name: {quiet: true, values: [eu, eu-too], vain: [none, login]}
  spec.serverName: {quiet: true}
  spec.rootNamespace: {quiet: true, values: [sys, top]}
  spec.allowedNamespaces: {quiet: true, values: [[shop], [shop, db]], vain: [[db]]}
  spec.allowedNamespaces[]: {quiet: true, values: [shop], vain: [db]}
  spec.timeouts: &timeouts {quiet: true}
  spec.timeouts.connect: *timeouts
  spec.timeouts.command: *timeouts
  spec.timeouts.stream: *timeouts
  spec.maxConcurrentUpdates: {quiet: true}
  spec.observe: {quiet: true, values: [false]}
  spec.suspend: {quiet: true, values: [false], vain: [true], told: is suspended}

UnikernelPolicy:
  spec.instance: {leaves: true, values: [eu, us], vain: [nowhere]}
  spec.instanceSelector: {setup: {spec: {instance: null}}, told: spec.instance}
  spec.instanceSelector.matchExpressions:
    setup: {spec: {instance: null, instanceSelector: {matchExpressions: [{key: site, operator: In, values: [eu]}]}}}
  spec.unikernels: {values: [8, 9]}
  spec.memory: {values: [512Mi, 640Mi], wrong: [16Mi, 512.5Mi]}
  spec.cpuIDs: {values: [[0, 1], [0, 1, 2]]}
  spec.cpuIDs[]: {values: [0, 1]}
  spec.blockStorage: {values: [64Mi, 128Mi]}
  spec.bridges: {values: [[br0, br1], [br0, br1, br2]]}
  spec.bridges[]: {values: [br0, br1]}

UnikernelVolume:
  spec.instance: {leaves: true, values: [eu, us], vain: [nowhere]}
  spec.instanceSelector: {setup: {spec: {instance: null}}, told: spec.instance}
  spec.instanceSelector.matchExpressions:
    setup: {spec: {instance: null, instanceSelector: {matchExpressions: [{key: site, operator: In, values: [eu]}]}}}
  spec.size: {values: [2Mi], vain: [3Mi], wrong: [1.5Mi, 0Mi]}
  spec.source: {leaves: true, values: [{path: volumes/p.img}, {path: volumes/q.img}], wrong: [{}]}
  spec.source.path: {values: [volumes/p.img, volumes/q.img], vain: [volumes/none.img]}
  spec.source.url:
    quiet: true
    pulled: true
    setup: {spec: {source: {path: null, url: "https://example.org/p.img", sha256: DIGEST_P}}}
    values: ["https://example.org/p.img"]
    wrong: ["ftp://example.org/p.img"]
  spec.source.sha256: {quiet: true, values: [DIGEST_P], vain: [DIGEST_A]}
  spec.source.compressionLevel: {quiet: true}
  spec.reclaimPolicy: {quiet: true}

Unikernel:
  spec.instance: {leaves: true, values: [eu, us], vain: [nowhere]}
  spec.instanceSelector: {setup: {spec: {instance: null}}, told: spec.instance}
  spec.instanceSelector.matchExpressions:
    setup: {spec: {instance: null, instanceSelector: {matchExpressions: [{key: site, operator: In, values: [eu]}]}}}
  spec.placement:
    setup: {spec: {instance: null}}
    told: spec.instance
    leaves: true
    values: [{instanceSelector: {matchLabels: {site: eu}}}, {instanceSelector: {}, replicas: 2}]
  spec.placement.instanceSelector: {setup: {spec: {instance: null}}}
  spec.placement.instanceSelector.matchExpressions:
    setup:
      spec: {instance: null, placement: {instanceSelector: {matchExpressions: [{key: site, operator: In, values: [eu]}]}}}
  spec.placement.replicas: {setup: {spec: {instance: null, placement: {instanceSelector: {}}}}, leaves: true, values: [1, 2, All]}
  spec.placement.topologyKey: {quiet: true, values: [site], wrong: ["-"]}
  spec.placement.failoverAfter: {quiet: true, wrong: [9s]}
  spec.image: {values: [{path: images/a.hvt}, {path: images/b.hvt}], wrong: [{}]}
  spec.image.path: {values: [images/a.hvt, images/b.hvt], vain: [images/none.hvt]}
  spec.image.url:
    quiet: true
    pulled: true
    setup: {spec: {image: {path: null, url: "https://example.org/a.hvt", sha256: DIGEST_A}}}
    values: ["https://example.org/a.hvt"]
    wrong: ["ftp://example.org/a.hvt"]
  spec.image.sha256: {quiet: true, values: [DIGEST_A], vain: [DIGEST_B]}
  spec.image.compressionLevel: {quiet: true}
  spec.cpuIDs: {values: [[0], [1], [0, 1]], vain: [[9]]}
  spec.cpuIDs[]: {values: [0, 1], vain: [9]}
  spec.memory: {vain: [999Mi], wrong: [0Mi, 0.5Mi, 17Ti]}
  spec.networkInterfaces: {values: [[{name: service, bridge: br0}], [{name: service, bridge: br1}]], vain: [[], [{name: other, bridge: br0}]]}
  spec.networkInterfaces[].name: {values: [service], vain: [other]}
  spec.networkInterfaces[].bridge: {values: [br0, br1], vain: [br9]}
  spec.networkInterfaces[].mac: {wrong: ["01:00:00:00:00:01"]}
  spec.blockDevices: &devices
    setup: {spec: {image: {path: images/a-with-storage.hvt}, blockDevices: [{name: storage, volumeName: data}]}}
    values: [[{name: storage, volumeName: data}], [{name: storage, volumeName: spare}]]
    vain: [[{name: storage, volumeName: none}]]
  spec.blockDevices[].name: {values: [storage], vain: [other]}
  spec.blockDevices[].volumeName: {values: [data, spare], vain: [none]}
  spec.blockDevices[].sectorSize: {values: [512, 4096], wrong: [1000]}
  spec.addName: {quiet: true, leaves: true}
  spec.arguments: {wrong: [["a\0b"]]}
  spec.arguments[]: {wrong: ["a\0b"]}
  spec.argumentsByInstance: {values: [{eu: [one]}, {eu: [two]}], wrong: [{"-": [one]}]}
  spec.argumentsByInstance{}: {wrong: [["a\0b"]]}
  spec.argumentsFrom:
    setup: {spec: {arguments: [--password=$(PASSWORD)]}}
    values: [[{name: PASSWORD, secretKeyRef: {name: login, key: password}}],
             [{name: PASSWORD, secretKeyRef: {name: login, key: pin}}]]
  spec.argumentsFrom[].name: {values: [PASSWORD, OTHER], wrong: [INSTANCE_NAME]}
  spec.argumentsFrom[].secretKeyRef: {values: [{name: login, key: password}, {name: login-too, key: password}]}
  spec.argumentsFrom[].secretKeyRef.name: {values: [login, login-too], vain: [none]}
  spec.argumentsFrom[].secretKeyRef.key: {values: [password, pin], vain: [none]}
  spec.dependsOn: {quiet: true, values: [[{name: dep}], [{name: dep-too}]]}
  spec.dependsOn[].name: {quiet: true, values: [dep, dep-too]}
  spec.failBehaviour: {values: [{restart: true}, {restart: true, exitCodes: [2]}], wrong: [{exitCodes: [2]}]}
  spec.failBehaviour.exitCodes: {setup: {spec: {failBehaviour: {restart: true}}}}
  spec.runPolicy: {quiet: true}
  spec.update: &update {quiet: true}
  spec.update.strategy: *update
  spec.update.maxUnavailable: *update
  spec.update.pauseAfter: *update
  spec.adopt: {quiet: true}
  spec.healthCheck: {quiet: true, values: [{tcp: {address: "10.0.0.1:80"}}, {http: {url: "http://10.0.0.1/"}}], wrong: [{}]}
  spec.healthCheck.http: {quiet: true, setup: &http {spec: {healthCheck: {tcp: null, http: {url: "http://10.0.0.1/"}}}}}
  spec.healthCheck.http.url: {quiet: true, values: ["http://10.0.0.1/", "https://web.shop/healthz"], wrong: ["ftp://10.0.0.1/"]}
  spec.healthCheck.http.expectedStatus: {quiet: true}
  spec.healthCheck.http.insecure: {quiet: true}
  spec.healthCheck.tcp: {quiet: true}
  spec.healthCheck.tcp.address: {quiet: true, values: ["10.0.0.1:80", "web.shop:443"], wrong: ["10.0.0.1", "10.0.0.1:65536"]}
  spec.healthCheck.dns: {quiet: true, setup: {spec: {healthCheck: {tcp: null, dns: {server: 10.0.0.1, name: example.org}}}}}
  spec.healthCheck.dns.server: {quiet: true, values: [10.0.0.1, "10.0.0.2:53"], wrong: [web.shop]}
  spec.healthCheck.dns.name: {quiet: true, values: [example.org, example.net.], wrong: [a..b]}
  spec.healthCheck.dns.type: {quiet: true}
  spec.healthCheck.interval: {quiet: true, wrong: [999ms, 61m]}
  spec.healthCheck.timeout: {quiet: true, wrong: [999ms, 25h]}
  spec.healthCheck.failureThreshold: {quiet: true}
  spec.healthCheck.rollback: {quiet: true}
  spec.minReadySeconds: {quiet: true, values: [0, 30], told: counts as ready once}
  spec.prune: {quiet: true}
  spec.suspend: {quiet: true, values: [false], edges: [true], told: is suspended}

Secret:
  type: {quiet: true}
  immutable: {quiet: true}
  data: {values: [{password: b25l}, {password: dHdv}], wrong: [{password: "%"}, {"a/b": b25l}]}
  data{}: {values: [b25l, dHdv], wrong: ["%"]}
  stringData: {values: [{password: three}, {password: four}], wrong: [{"a/b": one}]}
  stringData{}: {setup: {stringData: {password: three}}}
)";

/// The first of a kind is what is tried; the others are what can be referred to.
constexpr std::string_view fleetOfFields = R"(
{apiVersion: rookery.dev/v1alpha1, kind: AlbatrossInstance, metadata: {name: eu, labels: {site: eu}}, spec: {endpoint: "127.0.0.1:1",
  credentials: {files: {ca: pki/one.pem, certificate: pki/one.pem, privateKey: pki/one.key}}}}
---
{apiVersion: rookery.dev/v1alpha1, kind: AlbatrossInstance, metadata: {name: us, labels: {site: us}}, spec: {endpoint: "127.0.0.1:2",
  credentials: {files: {ca: pki/one.pem, certificate: pki/one.pem, privateKey: pki/one.key}}}}
---
{apiVersion: rookery.dev/v1alpha1, kind: UnikernelPolicy, metadata: {name: limits, namespace: db}, spec: {instance: us,
  unikernels: 8, memory: 512Mi, cpuIDs: [0, 1], bridges: [br0, br1], blockStorage: 64Mi}}
---
{apiVersion: rookery.dev/v1alpha1, kind: UnikernelPolicy, metadata: {name: eu, namespace: shop}, spec: {instance: eu,
  unikernels: 8, memory: 512Mi, cpuIDs: [0, 1], bridges: [br0, br1], blockStorage: 64Mi}}
---
{apiVersion: rookery.dev/v1alpha1, kind: UnikernelPolicy, metadata: {name: us, namespace: shop}, spec: {instance: us,
  unikernels: 8, memory: 512Mi, cpuIDs: [0, 1], bridges: [br0, br1], blockStorage: 64Mi}}
---
{apiVersion: v1, kind: Secret, metadata: {name: login, namespace: shop}, data: {password: b25l, pin: dHdv}}
---
{apiVersion: v1, kind: Secret, metadata: {name: login-too, namespace: shop}, stringData: {password: other}}
---
{apiVersion: rookery.dev/v1alpha1, kind: UnikernelVolume, metadata: {name: data, namespace: shop}, spec: {instance: eu,
  size: 2Mi, source: {path: volumes/p.img}}}
---
{apiVersion: rookery.dev/v1alpha1, kind: UnikernelVolume, metadata: {name: spare, namespace: shop}, spec: {instance: eu, size: 1Mi}}
---
{apiVersion: rookery.dev/v1alpha1, kind: Unikernel, metadata: {name: web, namespace: shop}, spec: {instance: eu,
  image: {path: images/a.hvt}, networkInterfaces: [{name: service, bridge: br0}]}}
---
{apiVersion: rookery.dev/v1alpha1, kind: Unikernel, metadata: {name: dep, namespace: shop}, spec: {instance: eu,
  image: {path: images/c.hvt}, networkInterfaces: [{name: service, bridge: br0}], arguments: [--password=$(PASSWORD)],
  argumentsFrom: [{name: PASSWORD, secretKeyRef: {name: login, key: password}}]}}
---
{apiVersion: rookery.dev/v1alpha1, kind: Unikernel, metadata: {name: dep-too, namespace: shop}, spec: {instance: eu,
  image: {path: images/d.hvt}, networkInterfaces: [{name: service, bridge: br0}]}}
)";

/// Patterns that say what is meant, and no more.
const std::string durations = R"(^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$)";
const std::string quantities = R"(^[0-9]+(\.[0-9]+)?([KMGTPE]i|[kMGTPE])$)";
const std::string macs = R"(^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$)";

std::vector<json> read(std::string text) {
  const auto replace = [&](std::string_view mark, const std::string& by) {
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark))
      text.replace(at, mark.size(), by);
  };
  const auto digest = [](const std::string& bytes) {
    image::Sha256 hash;
    hash.update(bytes);
    return image::toHex(hash.finish());
  };
  replace("DIGEST_A", image::toHex(digestOfImage('a')));
  replace("DIGEST_B", image::toHex(digestOfImage('b')));
  replace("DIGEST_P", digest(contentOf('p')));
  auto documents = yaml::parse(text);
  check(documents.has_value(), "what is known of fields is YAML");
  std::vector<json> values;
  for (auto& document : *documents) values.push_back(std::move(document.value));
  return values;
}

const json& allHints() {
  static const json all = read(std::string(hints)).at(0);
  return all;
}

const std::vector<json>& wholeFleet() {
  static const std::vector<json> all = [] {
    std::vector<json> documents = read(std::string(fleetOfFields));
    for (const char* name : {"eu", "eu-too"}) {
      const auto& good = credentials().good;
      documents.push_back(
          {{"apiVersion", "v1"},
           {"kind", "Secret"},
           {"metadata", {{"name", name}, {"namespace", "shop"}}},
           {"stringData",
            {{"ca.crt", good.certificate}, {"tls.crt", good.certificate}, {"tls.key", good.privateKey}}}});
    }
    return documents;
  }();
  return all;
}

bool isAtOrBelow(const std::string& path, const std::string& around) {
  return path.starts_with(around) &&
         (path.size() == around.size() || std::string_view(".[{").contains(path[around.size()]));
}

}  // namespace

json hintOf(api::Kind kind, const std::string& path) {
  json hint = json::object();
  for (const auto& [end, known] : allHints().at("Any").items()) {
    if (path == end || path.ends_with("." + end)) hint.merge_patch(known);
  }
  const json& own = allHints().at(std::string(api::toString(kind)));
  if (own.contains(path)) hint.merge_patch(own.at(path));
  return hint;
}

json setupOf(api::Kind kind, const std::string& path) {
  std::string nearest;
  json setup = json::object();
  for (const auto& [around, hint] : allHints().at(std::string(api::toString(kind))).items()) {
    if (!hint.contains("setup") || !isAtOrBelow(path, around) || around.size() < nearest.size()) continue;
    nearest = around;
    setup = hint.at("setup");
  }
  return setup;
}

bool isIdentity(const std::string& path) {
  static const std::set<std::string> all = {"apiVersion",         "kind", "metadata", "metadata.name",
                                            "metadata.namespace", "spec"};
  return all.contains(path);
}

std::vector<json> textsOfPattern(const std::string& pattern) {
  if (pattern == durations) return {"20s", "90s"};
  if (pattern == quantities) return {"48Mi", "64Mi"};
  if (pattern == macs) return {"02:00:00:00:00:01", "02:00:00:00:00:02"};
  return {};
}

std::vector<json> mistakesOfPattern(const std::string& pattern) {
  if (pattern == durations) return {"20", "s", "-1s", "1d", "1 s"};
  if (pattern == quantities) return {"48", "Mi", "-1Mi", "48 Mi", "48MiB"};
  return {};
}

json documentOf(api::Kind kind) {
  return *std::ranges::find(wholeFleet(), json(api::toString(kind)),
                            [](const json& document) { return document.at("kind"); });
}

std::vector<json> othersThan(api::Kind kind) {
  std::vector<json> others;
  for (const json& document : wholeFleet()) {
    if (document != documentOf(kind)) others.push_back(document);
  }
  return others;
}

}  // namespace rookery::simulation
