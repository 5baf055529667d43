#include "notify/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "api/checked_node.h"
#include "api/expand.h"
#include "api/schema.h"
#include "api/syntax.h"
#include "file/watched.h"
#include "notify/fields.h"
#include "notify/template.h"
#include "text.h"

namespace rookery::notify {

namespace {

using api::CheckedNode;

constexpr std::size_t mostReceivers = 32, longestSetting = 2'048, longestTemplate = 4 << 10,
                      mostAddresses = 50;

/// A string that goes into a header, a URL or a command of a protocol.
std::string lineAt(const CheckedNode& node, const std::string& name) {
  const CheckedNode member = node.member(name);
  std::string text = member.text();
  if (text.empty() || text.size() > longestSetting || text != visible(text))
    member.refuse(fmt::format("must be a printable line of 1 to {} bytes.", longestSetting));
  return text;
}

std::string urlAt(const CheckedNode& node, const std::string& name,
                  std::span<const std::string_view> schemes) {
  std::string url = lineAt(node, name);
  const bool known = std::ranges::any_of(schemes, [&](std::string_view scheme) {
    return url.starts_with(scheme) && url.size() > scheme.size();
  });
  if (!known || url.contains(' '))
    node.member(name).refuse(fmt::format("must be a URL that begins with {}.", fmt::join(schemes, " or ")));
  while (url.ends_with('/')) url.pop_back();
  return url;
}

constexpr std::string_view httpSchemes[] = {"https://", "http://"}, smtpSchemes[] = {"smtps://", "smtp://"};

class SettingsReader {
 public:
  SettingsReader(std::filesystem::path file, const ReadSecret& readSecret)
      : folder_(file.parent_path()), readSecret_(readSecret) {
    settings_.files.push_back(std::move(file));
  }

  void read(const CheckedNode& root) {
    checkMembers(root, fieldsOf(""));
    if (root.has("settle")) settings_.rules.settle = durationAt(root, "settle");
    if (root.has("between")) settings_.rules.between = durationAt(root, "between");
    if (!root.has("receivers")) return;
    const CheckedNode receivers = root.member("receivers");
    checkList(receivers);
    if (receivers.value.size() > mostReceivers)
      receivers.refuse(fmt::format("must be {} at most.", mostReceivers));
    std::set<std::string> names;
    for (std::size_t i = 0; i < receivers.value.size(); ++i) {
      settings_.receivers.push_back(receiverOf(receivers.item(i)));
      if (!names.insert(settings_.receivers.back().name).second)
        receivers.item(i).member("name").refuse("is there twice.");
    }
  }

  Settings take() && { return std::move(settings_); }
  /// Of a secret that could not be read.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  static std::chrono::milliseconds durationAt(const CheckedNode& node, const std::string& name) {
    const CheckedNode member = node.member(name);
    const auto duration = api::parseDuration(member.text());
    if (!duration) member.refuse(duration.error().message);
    if (*duration > std::chrono::hours(24)) member.refuse("must be 24h at most.");
    return *duration;
  }

  Receiver receiverOf(const CheckedNode& node) {
    checkMembers(node, fieldsOf("receivers[]"));
    const std::vector<std::string_view> ways = wayNames();
    const auto chosen =
        std::ranges::count_if(ways, [&](std::string_view way) { return node.has(std::string(way)); });
    if (chosen != 1) node.refuse(fmt::format("must have exactly one of {}.", fmt::join(ways, ", ")));
    Receiver receiver{.name = nameOf(node), .way = wayOf(node)};
    if (node.has("match")) receiver.filter = filterOf(node.member("match"));
    if (node.has("title")) receiver.title = templateAt(node, "title");
    if (node.has("text")) receiver.text = templateAt(node, "text");
    if (node.has("perMinute")) {
      const CheckedNode rate = node.member("perMinute");
      const auto given = rate.value.is_number_integer() ? rate.value.get<std::int64_t>() : 0;
      if (given < 1 || given > 600) rate.refuse("must be a whole number from 1 to 600.");
      receiver.perMinute = static_cast<unsigned>(given);
    }
    return receiver;
  }

  static std::string nameOf(const CheckedNode& node) {
    std::string name = node.member("name").text();
    if (const auto complaint = api::checkNamespace(name))
      node.member("name").refuse(fmt::format("{} {}", quote(name), *complaint));
    return name;
  }

  decltype(Receiver::way) wayOf(const CheckedNode& node) {
    if (node.has("webhook")) return webhookOf(node.member("webhook"));
    if (node.has("slack")) return slackOf(node.member("slack"));
    if (node.has("matrix")) return matrixOf(node.member("matrix"));
    if (node.has("email")) return emailOf(node.member("email"));
    return commitStatusOf(node.member("commitStatus"));
  }

  Webhook webhookOf(const CheckedNode& node) {
    checkMembers(node, fieldsOf("receivers[].webhook"));
    if (node.has("url") == node.has("urlFile")) node.refuse("must have either url or urlFile.");
    Webhook webhook{.url = node.has("url") ? urlAt(node, "url", httpSchemes) : secretUrlAt(node, "urlFile")};
    if (node.has("secretFile")) webhook.secret = secretAt(node, "secretFile");
    if (node.has("bearerTokenFile")) webhook.bearer = secretAt(node, "bearerTokenFile");
    return webhook;
  }

  Slack slackOf(const CheckedNode& node) {
    checkMembers(node, fieldsOf("receivers[].slack"));
    return {.url = secretUrlAt(node, "urlFile")};
  }

  Matrix matrixOf(const CheckedNode& node) {
    checkMembers(node, fieldsOf("receivers[].matrix"));
    Matrix matrix{
        .homeserver = urlAt(node, "homeserver", httpSchemes), .room = lineAt(node, "room"), .token = {}};
    if (!matrix.room.starts_with('!'))
      node.member("room").refuse(
          "must be the ID of a room, such as \"!abc:example.org\"; an alias (#…) is none.");
    matrix.token = secretAt(node, "tokenFile");
    return matrix;
  }

  Email emailOf(const CheckedNode& node) {
    checkMembers(node, fieldsOf("receivers[].email"));
    Email email{
        .server = urlAt(node, "server", smtpSchemes), .from = addressOf(node.member("from")), .to = {}};
    const CheckedNode to = node.member("to");
    checkList(to);
    if (to.value.empty() || to.value.size() > mostAddresses)
      to.refuse(fmt::format("must be 1 to {} addresses.", mostAddresses));
    for (std::size_t i = 0; i < to.value.size(); ++i) email.to.push_back(addressOf(to.item(i)));
    if (node.has("plain")) {
      if (!node.member("plain").value.is_boolean()) node.member("plain").refuse("must be true or false.");
      email.plain = node.member("plain").value.get<bool>();
    }
    if (node.has("username") != node.has("passwordFile"))
      node.refuse("must have both username and passwordFile, or none of them.");
    if (!node.has("username")) return email;
    if (email.plain) node.member("plain").refuse("a password must not travel without TLS.");
    email.username = lineAt(node, "username");
    email.password = secretAt(node, "passwordFile");
    return email;
  }

  static std::string addressOf(const CheckedNode& node) {
    std::string address = node.text();
    const bool odd = address.empty() || address.size() > 254 || address != visible(address) ||
                     address.find_first_of(" <>\"(),;") != std::string::npos || !address.contains('@');
    if (odd) node.refuse("must be an e-mail address without a name, such as ops@example.org.");
    return address;
  }

  CommitStatusWay commitStatusOf(const CheckedNode& node) {
    using Forge = CommitStatusWay::Forge;
    checkMembers(node, fieldsOf("receivers[].commitStatus"));
    CommitStatusWay way;
    const std::string forge = node.member("forge").text();
    if (forge == "github") {
      way.api = "https://api.github.com";
    } else if (forge == "gitlab") {
      way.forge = Forge::GitLab;
      way.api = "https://gitlab.com/api/v4";
    } else if (forge == "gitea") {
      way.forge = Forge::Gitea;
      if (!node.has("api")) node.refuse("needs api, such as https://gitea.example.org/api/v1.");
    } else {
      node.member("forge").refuse("must be github, gitlab or gitea.");
    }
    if (node.has("api")) way.api = urlAt(node, "api", httpSchemes);
    way.repository = lineAt(node, "repository");
    way.token = secretAt(node, "tokenFile");
    if (node.has("context")) way.context = lineAt(node, "context");
    way.root = (folder_ / lineAt(node, "root")).lexically_normal();
    if (!way.root.has_filename()) way.root = way.root.parent_path();
    return way;
  }

  static Filter filterOf(const CheckedNode& node) {
    checkMembers(node, fieldsOf("receivers[].match"));
    Filter filter;
    if (node.has("severity")) {
      filter.severity = severityNamed(node.member("severity").text());
      if (!filter.severity) node.member("severity").refuse("must be info, warning or error.");
    }
    if (node.has("types")) {
      const CheckedNode types = node.member("types");
      checkList(types);
      for (std::size_t i = 0; i < types.value.size(); ++i) {
        const auto type = typeNamed(types.item(i).text());
        if (!type || std::ranges::find(filterableTypes(), *type) == filterableTypes().end())
          types.item(i).refuse(fmt::format("is no type; known are {}.", fmt::join(knownTypes(), ", ")));
        filter.types.insert(*type);
      }
    }
    if (node.has("kinds")) {
      std::vector<std::string_view> known;
      for (const api::Kind kind : api::customKinds()) known.push_back(api::toString(kind));
      for (const std::string& kind : readWords(node.member("kinds"), known, "kind"))
        filter.kinds.insert(*api::kindNamed(kind));
    }
    if (node.has("namespaces")) {
      const CheckedNode namespaces = node.member("namespaces");
      checkList(namespaces);
      for (std::size_t i = 0; i < namespaces.value.size(); ++i) {
        const CheckedNode item = namespaces.item(i);
        if (const auto complaint = api::checkNamespace(item.text()))
          item.refuse(fmt::format("{} {}", quote(item.text()), *complaint));
        filter.namespaces.insert(item.text());
      }
    }
    if (node.has("labelSelector")) {
      auto selector = api::LabelSelector::parse(node.member("labelSelector").text());
      if (!selector) node.member("labelSelector").refuse(selector.error().message);
      filter.labels = *std::move(selector);
    }
    return filter;
  }

  static std::vector<std::string_view> knownTypes() {
    std::vector<std::string_view> names;
    for (const Type type : filterableTypes()) names.push_back(toString(type));
    return names;
  }

  static std::string templateAt(const CheckedNode& node, const std::string& name) {
    const CheckedNode member = node.member(name);
    std::string text = member.text();
    if (text.size() > longestTemplate)
      member.refuse(fmt::format("must have {} bytes at most.", longestTemplate));
    if (const auto unknown = unknownPlaceholder(text))
      member.refuse(
          fmt::format("$({}) is no placeholder; known are {}.", *unknown, fmt::join(placeholders(), ", ")));
    return text;
  }

  /// What a file holds, without the line break at its end.
  std::string secretAt(const CheckedNode& node, const std::string& name) {
    const std::filesystem::path file = folder_ / lineAt(node, name);
    settings_.files.push_back(file);
    auto secret = readSecret_(file);
    if (!secret) {
      failure_ = secret.error();
      node.member(name).refuse(secret.error().message);
    }
    std::string text(trimmed(*secret));
    if (text.empty() || text.size() > longestSetting || text != visible(text))
      node.member(name).refuse("the file must hold one printable line.");
    return text;
  }

  std::string secretUrlAt(const CheckedNode& node, const std::string& name) {
    std::string url = secretAt(node, name);
    if ((!url.starts_with("https://") && !url.starts_with("http://")) || url.contains(' '))
      node.member(name).refuse("the file must hold a URL that begins with https:// or http://.");
    return url;
  }

  const std::filesystem::path folder_;
  const ReadSecret& readSecret_;
  Settings settings_;
  std::optional<Error> failure_;
};

/// What it is told for counts: that it is over is as grave as it was.
Severity weightOf(Type type) {
  return type == Type::ReadyRegained || type == Type::InstanceUp ? Severity::Error : severityOf(type);
}

}  // namespace

bool Filter::matches(const Notification& notification) const {
  const Type type = notification.type;
  if (!types.empty() && !types.contains(type)) return false;
  if (severity && weightOf(type) < *severity) return false;
  if (types.empty() && !severity && !matters(type)) return false;
  const auto& object = notification.object;
  if (!kinds.empty() && (!object || !kinds.contains(object->kind))) return false;
  if (!namespaces.empty() && (!object || !namespaces.contains(object->nameSpace))) return false;
  return labels.matches(notification.labels);
}

bool Receiver::wants(const Notification& notification) const {
  const auto* commits = std::get_if<CommitStatusWay>(&way);
  if (notification.type == Type::CommitStatus || commits != nullptr)
    return notification.type == Type::CommitStatus && commits != nullptr &&
           commits->root.native() == notification.root;
  return filter.matches(notification);
}

Result<Settings> parseSettings(std::string_view text, const std::filesystem::path& name,
                               const ReadSecret& readSecret) {
  SettingsReader reader(name, readSecret);
  const auto read =
      api::readChecked(text, name.string(), "receivers", [&](const CheckedNode& root) { reader.read(root); });
  if (read) return std::move(reader).take();
  const bool written = reader.failure() && reader.failure()->reason == Reason::BeingWritten;
  return fail(written ? Reason::BeingWritten : read.error().reason, read.error().message);
}

Result<Settings> readSettings(const std::filesystem::path& file, file::Settling* settling) {
  const std::filesystem::path path = std::filesystem::absolute(file).lexically_normal();
  const auto text =
      file::readCredentialFile(path, fmt::format("notifications file {}", path.string()), settling);
  if (!text) return std::unexpected(text.error());
  return parseSettings(*text, path, [&](const std::filesystem::path& secret) {
    return file::readCredentialFile(secret, fmt::format("secret {}", secret.string()), settling);
  });
}

}  // namespace rookery::notify
