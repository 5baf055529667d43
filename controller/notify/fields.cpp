#include "notify/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "notify/notification.h"
#include "notify/template.h"

namespace rookery::notify {

namespace {

struct SettingsField {
  std::string_view mapping, name, meaning;
};

constexpr std::string_view ofReceiver = "receivers[]", wayPrefix = "receivers[].";

// Sorted by mapping and name.
constexpr std::array settingsFields = {
    SettingsField{
        "", "between",
        "How long it is not told again of one object that it is lost: a duration, up to 24h. Default 5m."},
    SettingsField{"", "receivers", "Whom to tell: 32 at most."},
    SettingsField{"", "settle",
                  "How long something must stand before it is told: a duration, up to 24h. Default 10s."},
    SettingsField{ofReceiver, "commitStatus", "A mark beside the commit that a manifest root has."},
    SettingsField{ofReceiver, "email", "A mail by SMTP."},
    SettingsField{ofReceiver, "match",
                  "Which notifications it gets: those for which all of it holds. Without "
                  "severity and types, those that are told at least once."},
    SettingsField{ofReceiver, "matrix", "A message in a room of Matrix."},
    SettingsField{ofReceiver, "name",
                  "What logs and metrics call it: unique, as a namespace is named. Required."},
    SettingsField{ofReceiver, "perMinute", "Posts a minute, from 1 to 600. Default 20."},
    SettingsField{ofReceiver, "slack", "An incoming webhook of Slack's form."},
    SettingsField{ofReceiver, "text", "What it is told of each, with placeholders. Default `$(message)`."},
    SettingsField{ofReceiver, "title", "The line above that, with placeholders. Default `$(summary)`."},
    SettingsField{ofReceiver, "webhook", "JSON by POST."},
    SettingsField{"receivers[].commitStatus", "api",
                  "Where the forge's API is. Default https://api.github.com or https://gitlab.com/api/v4."},
    SettingsField{"receivers[].commitStatus", "context", "What the mark is called. Default `rookery`."},
    SettingsField{"receivers[].commitStatus", "forge", "`github`, `gitlab` or `gitea`. Required."},
    SettingsField{"receivers[].commitStatus", "repository", "As in `org/fleet`. Required."},
    SettingsField{"receivers[].commitStatus", "root",
                  "The manifest root, which is a checkout of it. Required."},
    SettingsField{"receivers[].commitStatus", "tokenFile",
                  "A file with a token that may write statuses. Required."},
    SettingsField{"receivers[].email", "from", "The sender's address. Required."},
    SettingsField{"receivers[].email", "passwordFile", "A file with the password of `username`."},
    SettingsField{"receivers[].email", "plain", "Whether it goes without TLS. Default false."},
    SettingsField{"receivers[].email", "server",
                  "`smtps://HOST[:PORT]`, or `smtp://HOST[:PORT]` with STARTTLS. Required."},
    SettingsField{"receivers[].email", "to", "The receivers' addresses: 1 to 50. Required."},
    SettingsField{"receivers[].email", "username", "Who logs in at the server."},
    SettingsField{
        "receivers[].match",
        "kinds",
        "Of objects: `Unikernel`, ….",
    },
    SettingsField{"receivers[].match", "labelSelector", "Of objects, as `rookery get -l` takes it."},
    SettingsField{"receivers[].match", "namespaces", "Of objects."},
    SettingsField{"receivers[].match", "severity", "`info`, `warning` or `error`: this one or a higher one."},
    SettingsField{"receivers[].match", "types", "Of notifications, as below."},
    SettingsField{"receivers[].matrix", "homeserver", "`https://HOST`. Required."},
    SettingsField{"receivers[].matrix", "room", "The room's ID, such as `!abc:example.org`. Required."},
    SettingsField{"receivers[].matrix", "tokenFile", "A file with the token of who speaks there. Required."},
    SettingsField{"receivers[].slack", "urlFile",
                  "A file with the URL, which is as good as a password. Required."},
    SettingsField{"receivers[].webhook", "bearerTokenFile", "A file with a token that is sent along."},
    SettingsField{"receivers[].webhook", "secretFile",
                  "A file with the key of the header `X-Rookery-Signature-256`."},
    SettingsField{"receivers[].webhook", "url", "`https://…` or `http://…`. This or `urlFile` is required."},
    SettingsField{"receivers[].webhook", "urlFile", "A file with the URL, where that is a secret."}};

std::string headline(std::string_view mapping) {
  if (mapping.empty()) return "The file";
  return fmt::format("`{}`", mapping);
}

}  // namespace

std::vector<std::string_view> fieldsOf(std::string_view mapping) {
  std::vector<std::string_view> names;
  for (const SettingsField& field : settingsFields) {
    if (field.mapping == mapping) names.push_back(field.name);
  }
  return names;
}

std::vector<std::string_view> wayNames() {
  std::vector<std::string_view> names;
  for (const SettingsField& field : settingsFields) {
    const std::string_view name = field.mapping.substr(std::min(wayPrefix.size(), field.mapping.size()));
    const bool isWay = field.mapping.starts_with(wayPrefix) && name != "match";
    if (isWay && (names.empty() || names.back() != name)) names.push_back(name);
  }
  return names;
}

std::string settingsReference() {
  std::string text =
      "# Notifications\n\nThe file of `rookery run --notifications`, generated by `make reference`. "
      "[The guide](../guides/notifications.md) explains it.\n";
  std::string_view mapping = "?";
  for (const SettingsField& field : settingsFields) {
    if (field.mapping != mapping)
      text += fmt::format("\n## {}\n\n| field | meaning |\n| --- | --- |\n", headline(field.mapping));
    mapping = field.mapping;
    text += fmt::format("| `{}` | {} |\n", field.name, field.meaning);
  }
  text += "\n## Types\n\n| type | severity | at least once |\n| --- | --- | --- |\n";
  for (const Type type : filterableTypes()) {
    text += fmt::format("| `{}` | {} | {} |\n", toString(type), toString(severityOf(type)),
                        matters(type) ? "yes" : "no");
  }
  text += "\n## Placeholders\n\n";
  for (const std::string_view name : placeholders()) text += fmt::format("* `$({})`\n", name);
  return text;
}

}  // namespace rookery::notify
