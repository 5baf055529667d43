#include "kubernetes/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "api/json_path.h"
#include "api/syntax.h"
#include "file/content.h"
#include "sentence.h"
#include "yaml/yaml.h"

namespace rookery::kubernetes {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::size_t maxFileBytes = std::size_t{4} << 20;

std::string trimmed(std::string text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  text.erase(end == std::string::npos ? 0 : end + 1);
  return text;
}

/// The whole of a file of credentials; see Config::Material::read().
Result<std::string> readFile(const fs::path& path, file::Settling* settling) {
  auto content = file::read(path, maxFileBytes, settling);
  if (content) return std::move(content->bytes);
  const bool written = content.error().kind == file::Unread::Kind::BeingWritten;
  return fail(written ? Reason::BeingWritten : Reason::CredentialInvalid,
              sentence(fmt::format("{}: {}", path.string(), content.error().why)));
}

/// Takes "https://host:port/path" apart. False: it is no such URL.
bool readServer(std::string_view url, Config& config) {
  const auto skip = [&](std::string_view scheme) {
    if (!url.starts_with(scheme)) return false;
    url.remove_prefix(scheme.size());
    return true;
  };
  if (skip("http://")) {
    config.tls = false;
    config.port = "80";
  } else if (!skip("https://")) {
    return false;
  }
  const auto slash = std::min(url.find('/'), url.size());
  config.path = url.substr(slash);
  while (config.path.ends_with('/')) config.path.pop_back();
  std::string_view authority = url.substr(0, slash);
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return false;
    config.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
  } else {
    const auto end = std::min(authority.rfind(':'), authority.size());
    config.host = authority.substr(0, end);
    authority.remove_prefix(end);
  }
  if (authority.starts_with(':')) config.port = authority.substr(1);
  return !config.host.empty() && !config.port.empty();
}

/// Reads one kubeconfig file.
class KubeconfigReader {
 public:
  KubeconfigReader(const fs::path& file, const json& document)
      : file_(file), folder_(fs::absolute(file).parent_path()), document_(document) {}

  Result<Config> read() {
    const std::string context = api::textAt(document_, "current-context");
    if (context.empty()) return bad("current-context: no context is chosen; kubectl config use-context NAME");
    const json* chosen = named("contexts", context, "context");
    if (chosen == nullptr) return bad(fmt::format("contexts: there is none called \"{}\"", context));
    const json* cluster = named("clusters", api::textAt(*chosen, "cluster"), "cluster");
    if (cluster == nullptr)
      return bad(fmt::format("clusters: there is none called \"{}\"", api::textAt(*chosen, "cluster")));
    if (const std::string nameSpace = api::textAt(*chosen, "namespace"); !nameSpace.empty())
      config_.nameSpace = nameSpace;
    if (auto read = readCluster(*cluster); !read) return std::unexpected(read.error());
    const std::string user = api::textAt(*chosen, "user");
    if (user.empty()) return config_;
    const json* known = named("users", user, "user");
    if (known == nullptr) return bad(fmt::format("users: there is none called \"{}\"", user));
    if (auto read = readUser(*known); !read) return std::unexpected(read.error());
    return config_;
  }

 private:
  std::unexpected<Error> bad(const std::string& what) const {
    return fail(Reason::CredentialInvalid, fmt::format("{}: {}.", file_.string(), what));
  }

  const json* named(const char* list, const std::string& name, const char* member) const {
    const auto found = document_.find(list);
    if (found == document_.end() || !found->is_array()) return nullptr;
    for (const json& item : *found) {
      if (api::textAt(item, "name") == name && item.contains(member)) return &item.at(member);
    }
    return nullptr;
  }

  /// `name`-data in base64, or the file that `name` says.
  Result<Config::Material> material(const json& object, const std::string& name) const {
    Config::Material found;
    if (const std::string data = api::textAt(object, name + "-data"); !data.empty()) {
      const auto decoded = api::decodeBase64(data);
      if (!decoded) return bad(fmt::format("{}-data: this is not base64", name));
      found.text = *decoded;
    } else if (const std::string path = api::textAt(object, name); !path.empty()) {
      found.file = folder_ / path;
    }
    return found;
  }

  Result<void> readCluster(const json& cluster) {
    if (!readServer(api::textAt(cluster, "server"), config_))
      return bad(
          fmt::format("cluster.server: \"{}\" is not an http or https URL", api::textAt(cluster, "server")));
    if (cluster.value("insecure-skip-tls-verify", json()) == true)
      return bad("cluster.insecure-skip-tls-verify: name the CA in certificate-authority instead");
    if (cluster.contains("proxy-url")) return bad("cluster.proxy-url: proxies are not supported");
    config_.serverName = api::textAt(cluster, "tls-server-name");
    auto ca = material(cluster, "certificate-authority");
    if (!ca) return std::unexpected(ca.error());
    config_.ca = *std::move(ca);
    return {};
  }

  Result<void> readUser(const json& user) {
    for (const char* plugin : {"exec", "auth-provider", "username", "as"}) {
      if (user.contains(plugin))
        return bad(
            fmt::format("user.{}: this is not supported; use a token or a client certificate", plugin));
    }
    config_.token.text = api::textAt(user, "token");
    if (const std::string path = api::textAt(user, "tokenFile"); !path.empty())
      config_.token = {"", folder_ / path};  // it takes precedence, as for kubectl
    auto certificate = material(user, "client-certificate");
    if (!certificate) return std::unexpected(certificate.error());
    auto key = material(user, "client-key");
    if (!key) return std::unexpected(key.error());
    if (certificate->given() != key->given())
      return bad("user: client-certificate and client-key go together");
    config_.certificate = *std::move(certificate);
    config_.privateKey = *std::move(key);
    return {};
  }

  const fs::path& file_;
  const fs::path folder_;
  const json& document_;
  Config config_;
};

}  // namespace

Result<std::string> Config::Material::read(file::Settling* settling) const {
  if (file.empty()) return trimmed(text);
  auto content = readFile(file, settling);
  if (!content) return content;
  return trimmed(*std::move(content));
}

std::string Config::url() const {
  const bool literal = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}{}", tls ? "https" : "http", literal ? "[" : "", host, literal ? "]" : "",
                     port, path);
}

Result<Config> inClusterConfig(const fs::path& folder) {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return fail(
        Reason::UsageError,
        "This process does not run in a pod (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig.");
  }
  Config config;
  config.host = host;
  config.port = port;
  config.ca.file = folder / "ca.crt";
  config.token.file = folder / "token";
  const Config::Material nameSpace{"", folder / "namespace"};
  if (auto read = nameSpace.read(); read && !read->empty()) config.nameSpace = *read;
  return config;
}

Result<Config> kubeconfig(const fs::path& file) {
  const auto text = readFile(file, nullptr);
  if (!text) return std::unexpected(text.error());
  const auto documents = yaml::parse(*text);
  if (!documents || documents->size() != 1 || !documents->front().value.is_object()) {
    return fail(Reason::CredentialInvalid, fmt::format("{}: this is not a kubeconfig file{}.", file.string(),
                                                       documents ? "" : ": " + documents.error().message));
  }
  return KubeconfigReader(file, documents->front().value).read();
}

Result<Config> defaultConfig() {
  if (std::getenv("KUBERNETES_SERVICE_HOST") != nullptr) return inClusterConfig();
  if (const char* named = std::getenv("KUBECONFIG"); named != nullptr && *named != '\0')
    return kubeconfig(named);
  const char* home = std::getenv("HOME");
  return kubeconfig(fs::path(home == nullptr ? "." : home) / ".kube/config");
}

}  // namespace rookery::kubernetes
