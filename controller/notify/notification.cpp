#include "notify/notification.h"

#include <fmt/format.h>

#include <array>

#include "api/age.h"
#include "api/json_path.h"
#include "api/status.h"
#include "error.h"

namespace rookery::notify {

using nlohmann::json;

namespace {

struct TypeTraits {
  Type type;
  std::string_view name;
  Severity severity;
  bool matters;
};

constexpr std::array typeTable = {
    TypeTraits{Type::Changed, "Changed", Severity::Info, false},
    TypeTraits{Type::CommitStatus, "CommitStatus", Severity::Info, true},
    TypeTraits{Type::Ended, "Ended", Severity::Warning, false},
    TypeTraits{Type::InstanceDown, "InstanceDown", Severity::Error, true},
    TypeTraits{Type::InstanceUp, "InstanceUp", Severity::Info, true},
    TypeTraits{Type::ManifestMistake, "ManifestMistake", Severity::Warning, false},
    TypeTraits{Type::PruneWaits, "PruneWaits", Severity::Warning, true},
    TypeTraits{Type::ReadyLost, "ReadyLost", Severity::Error, true},
    TypeTraits{Type::ReadyRegained, "ReadyRegained", Severity::Info, true},
    TypeTraits{Type::RevisionApplied, "RevisionApplied", Severity::Info, false},
    TypeTraits{Type::RolledBack, "RolledBack", Severity::Warning, true},
    TypeTraits{Type::Test, "Test", Severity::Info, false},
    TypeTraits{Type::Warning, "Warning", Severity::Warning, false}};

constexpr std::array severityTable = {std::pair(Severity::Info, std::string_view("info")),
                                      std::pair(Severity::Warning, std::string_view("warning")),
                                      std::pair(Severity::Error, std::string_view("error"))};

const TypeTraits& traitsOf(Type type) {
  for (const TypeTraits& traits : typeTable) {
    if (traits.type == type) return traits;
  }
  check(false, "every type of notification has a name");
  return typeTable.front();
}

std::string because(const Notification& notification) {
  return notification.reason.empty() ? "" : fmt::format(" ({})", notification.reason);
}

constexpr std::string_view removed = "is not declared any more";

/// What was told has passed, as the object has, or is about to.
bool isRemoved(const Notification& notification) {
  return notification.reason == toString(Reason::ManifestRemoved) ||
         notification.reason == toString(Reason::Pruning);
}

std::string on(const Notification& notification) {
  return notification.instance.empty() ? "" : " on " + notification.instance;
}

}  // namespace

std::string_view toString(Type type) { return traitsOf(type).name; }

std::string_view toString(Severity severity) {
  for (const auto& [each, name] : severityTable) {
    if (each == severity) return name;
  }
  check(false, "every severity has a name");
  return {};
}

std::optional<Type> typeNamed(std::string_view name) {
  for (const TypeTraits& traits : typeTable) {
    if (traits.name == name) return traits.type;
  }
  return std::nullopt;
}

std::optional<Severity> severityNamed(std::string_view name) {
  for (const auto& [severity, word] : severityTable) {
    if (word == name) return severity;
  }
  return std::nullopt;
}

const std::vector<Type>& filterableTypes() {
  static const std::vector<Type> all = [] {
    std::vector<Type> found;
    for (const TypeTraits& traits : typeTable) {
      if (traits.type != Type::CommitStatus && traits.type != Type::Test) found.push_back(traits.type);
    }
    return found;
  }();
  return all;
}

bool matters(Type type) { return traitsOf(type).matters; }

Severity severityOf(Type type) { return traitsOf(type).severity; }

std::string summaryOf(const Notification& notification) {
  const std::string object = notification.object ? notification.object->toString() : "Rookery";
  switch (notification.type) {
    case Type::Changed:
      return fmt::format("{} was changed{}{}", object, on(notification), because(notification));
    case Type::CommitStatus:
      return fmt::format("{} is {}", notification.commit, notification.state);
    case Type::Ended:
      return fmt::format("{} has ended{}", object, on(notification));
    case Type::InstanceDown:
      return fmt::format("{} cannot be used{}", object, because(notification));
    case Type::InstanceUp:
      return fmt::format("{} {}", object, isRemoved(notification) ? removed : "can be used again");
    case Type::ManifestMistake:
      return fmt::format("There is a mistake in a manifest{}", because(notification));
    case Type::PruneWaits:
      return fmt::format("{} waits for a confirmation to destroy what vanished", object);
    case Type::ReadyLost:
      return fmt::format("{} is not Ready{}{}", object, on(notification), because(notification));
    case Type::ReadyRegained:
      if (isRemoved(notification)) return fmt::format("{} {}", object, removed);
      return fmt::format("{} is Ready again{}", object, on(notification));
    case Type::RevisionApplied:
      return fmt::format("{} stands at {}", object, notification.revision);
    case Type::RolledBack:
      return fmt::format("{} was rolled back{}", object, on(notification));
    case Type::Test:
      return "Rookery tries whether its notifications arrive";
    case Type::Warning:
      return fmt::format("{}: a warning{}", object, because(notification));
  }
  check(false, "every type of notification has a summary");
  return {};
}

json toJson(const Notification& notification) {
  json value = {{"id", notification.id},
                {"time", api::toRfc3339(notification.time)},
                {"type", toString(notification.type)},
                {"severity", toString(severityOf(notification.type))},
                {"summary", summaryOf(notification)},
                {"message", notification.message}};
  if (notification.object) {
    const api::ObjectKey& key = *notification.object;
    value["object"] = {{"kind", api::toString(key.kind)}, {"name", key.name}};
    if (!key.nameSpace.empty()) value["object"]["namespace"] = key.nameSpace;
    if (!notification.labels.empty()) value["object"]["labels"] = notification.labels;
  }
  const auto add = [&](const char* member, const std::string& text) {
    if (!text.empty()) value[member] = text;
  };
  add("instance", notification.instance);
  add("reason", notification.reason);
  add("revision", notification.revision);
  add("root", notification.root);
  add("commit", notification.commit);
  add("state", notification.state);
  return value;
}

std::optional<Notification> notificationFrom(const json& value) {
  const auto type = typeNamed(api::textAt(value, "type"));
  const auto time = api::parseRfc3339(api::textAt(value, "time"));
  Notification notification{.id = api::textAt(value, "id"), .time = {}};
  if (!type || !time || notification.id.empty()) return std::nullopt;
  notification.type = *type;
  notification.time = *time;
  notification.instance = api::textAt(value, "instance");
  notification.reason = api::textAt(value, "reason");
  notification.message = api::textAt(value, "message");
  notification.revision = api::textAt(value, "revision");
  notification.root = api::textAt(value, "root");
  notification.commit = api::textAt(value, "commit");
  notification.state = api::textAt(value, "state");
  const json& object = api::memberOf(value, "object");
  if (const auto kind = api::kindNamed(api::textAt(object, "kind")))
    notification.object = {*kind, api::textAt(object, "namespace"), api::textAt(object, "name")};
  const json& labels = api::memberOf(object, "labels");
  if (labels.is_object()) {
    for (const auto& [key, label] : labels.items()) {
      if (label.is_string()) notification.labels[key] = label.get<std::string>();
    }
  }
  return notification;
}

}  // namespace rookery::notify
