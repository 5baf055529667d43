#include "simulation/fleet.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <utility>

namespace rookery::simulation {

namespace {

std::string placeOf(const Fleet::Unikernel& unikernel) {
  constexpr std::string_view all = "instanceSelector: {matchExpressions: [{key: site, operator: Exists}]}";
  if (unikernel.placement == Fleet::Unikernel::Placement::None)
    return fmt::format("instance: {}", unikernel.server);
  if (unikernel.placement == Fleet::Unikernel::Placement::Everywhere)
    return fmt::format("placement: {{{}, replicas: 2}}", all);
  return fmt::format("placement: {{{}, replicas: 1, failoverAfter: {}s}}", all,
                     std::chrono::seconds(Fleet::failoverAfter).count());
}

std::string documentOf(const api::ObjectKey& key, const Fleet::Unikernel& unikernel) {
  std::string text = fmt::format(
      "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{name: {}, namespace: {}}}\nspec:\n"
      "  {}\n  image: {{path: images/{}.hvt}}\n  memory: {}Mi\n"
      "  networkInterfaces: [{{name: service, bridge: br0}}]\n",
      key.name, key.nameSpace, placeOf(unikernel), imageNameOf(unikernel), unikernel.memory);
  if (unikernel.volume) text += "  blockDevices: [{name: storage, volumeName: data}]\n";
  if (unikernel.secret) {
    text += fmt::format(
        "  argumentsFrom: [{{name: PASSWORD, secretKeyRef: {{name: login, key: password}}}}]\n"
        "  arguments: [\"--edit={}\", \"--password=$(PASSWORD)\", \"say=I know $(PASSWORD)\"]\n",
        unikernel.edit);
  } else {
    text += fmt::format("  arguments: [\"--edit={}\"]\n", unikernel.edit);
  }
  if (unikernel.checked) {
    const bool isPlaced = unikernel.placement != Fleet::Unikernel::Placement::None;
    text += fmt::format(
        "  healthCheck: {{tcp: {{address: \"{}:80\"}}, interval: 10s, timeout: 60s, rollback: {}}}\n",
        Fleet::addressOf(key, isPlaced ? "$(INSTANCE_NAME)" : ""), unikernel.rollback);
  }
  if (unikernel.once) text += "  runPolicy: Once\n";
  if (unikernel.adoptAlways) text += "  adopt: Always\n";
  if (unikernel.suspend) text += "  suspend: true\n";
  return text;
}

}  // namespace

std::string imageNameOf(const Fleet::Unikernel& unikernel) {
  return std::string(1, unikernel.image) + (unikernel.volume ? "-with-storage" : "");
}

Fleet::Fleet(std::filesystem::path pki) : pki_(std::move(pki)) {
  const auto add = [this](const std::string& nameSpace, const std::string& name, const std::string& server,
                          const std::string& file) -> Unikernel& {
    return unikernels[{api::Kind::Unikernel, nameSpace, name}] = {.server = server, .file = file};
  };
  add("sys", "dns", "eu", "sys.yaml").checked = true;
  add("shop", "web", "eu", "shop.yaml");
  Unikernel& cart = add("shop", "cart", "eu", "shop.yaml");
  cart.checked = cart.rollback = true;
  add("shop", "job", "us", "shop.yaml").once = true;
  Unikernel& edge = add("shop", "edge", "us", "edge.yaml");
  edge.checked = edge.rollback = true;
  Unikernel& main = add("db", "main", "eu", "db.yaml");
  main.secret = main.volume = true;
  volume = Volume{.server = "eu"};
  add("db", "replica", "us", "db.yaml");
  Unikernel& twin = add("shop", "twin", "", "twin.yaml");
  twin.placement = Unikernel::Placement::Everywhere;
  twin.checked = twin.rollback = true;
  add("shop", "nomad", "", "shop.yaml").placement = Unikernel::Placement::Somewhere;
  policyMemory = {{"shop", 512}, {"db", 512}};
  servers = {std::begin(serverNames), std::end(serverNames)};
}

std::set<std::string> Fleet::homesOf(const Unikernel& unikernel) const {
  if (unikernel.placement == Unikernel::Placement::Somewhere) return {};
  if (unikernel.placement == Unikernel::Placement::Everywhere) return {servers.begin(), servers.end()};
  return {unikernel.server};
}

void Fleet::declareAll() { unikernels.merge(Fleet(pki_).unikernels); }

void Fleet::declareOne() {
  for (const auto& [missing, first] : Fleet(pki_).unikernels) {
    if (unikernels.try_emplace(missing, first).second) return;
  }
}

void Fleet::renameFile(const std::string& from) {
  const std::string file = from;  // which may be one of theirs
  const std::string to = file.starts_with("new-") ? file.substr(4) : "new-" + file;
  for (auto& [key, each] : unikernels) {
    if (each.file == file) each.file = to;
  }
}

std::map<std::string, std::string> Fleet::files() const {
  std::map<std::string, std::string> files = {{"instances.yaml", instances()}, {"policies.yaml", policies()}};
  for (const auto& [key, unikernel] : unikernels) files[unikernel.file] += documentOf(key, unikernel);
  if (!volume) return files;
  files["volumes.yaml"] = fmt::format(
      "apiVersion: rookery.dev/v1alpha1\nkind: UnikernelVolume\nmetadata: {{name: data, namespace: db}}\n"
      "spec: {{instance: {}, size: 2Mi, source: {{path: volumes/{}.img}}}}\n",
      volume->server, volume->content);
  return files;
}

std::string Fleet::instances() const {
  std::string text;
  int port = 1;
  for (const std::string& server : servers) {
    text += fmt::format(
        "---\napiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {{name: {}, labels: "
        "{{site: {}}}}}\n"
        "spec:\n  endpoint: 127.0.0.1:{}\n  rootNamespace: sys\n  timeouts: {{stream: {}s}}\n"
        "  credentials: {{files: {{ca: {}, certificate: {}, privateKey: {}}}}}\n",
        server, server, port++, stream.count(), (pki_ / "cert.pem").string(), (pki_ / "cert.pem").string(),
        (pki_ / "key.pem").string());
  }
  return text;
}

std::string Fleet::policies() const {
  std::string text = fmt::format(
      "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: login, namespace: db}}\nstringData: {{password: "
      "{}-{}}}\n",
      secretMark, password);
  for (const auto& [nameSpace, memory] : policyMemory) {
    for (const std::string& server : servers) {
      text += fmt::format(
          "---\napiVersion: rookery.dev/v1alpha1\nkind: UnikernelPolicy\nmetadata: {{name: {}, namespace: "
          "{}}}\nspec: {{instance: {}, unikernels: 8, memory: {}Mi, cpuIDs: [0, 1], bridges: [br0], "
          "blockStorage: 64Mi}}\n",
          server, nameSpace, server, memory);
    }
  }
  return text;
}

}  // namespace rookery::simulation
