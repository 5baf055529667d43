#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"

/// What people and other programs are told of, and how: rules and texts are pure; what is told leaves by the
/// ways of delivery.h.
namespace rookery::notify {

using api::SystemTime;

/// What happened. `matters()` says which are told at least once.
enum class Type {
  Changed,          // a step that changes something succeeded
  CommitStatus,     // how far a commit is carried out: for forges alone
  Ended,            // a unikernel ended that nobody told to
  InstanceDown,     // an AlbatrossInstance cannot be used
  InstanceUp,       // it can be again
  ManifestMistake,  // a mistake in a manifest
  PruneWaits,       // the prune guard waits for somebody's word
  ReadyLost,        // an object is not Ready, and that is no progress
  ReadyRegained,    // it is Ready again, or not to be any more
  RevisionApplied,  // all on an instance is as it is declared at a commit
  RolledBack,       // an object runs what it ran before
  Test,             // somebody tries whether this arrives
  Warning,          // anything else that the log warns of
};
enum class Severity { Info, Warning, Error };

std::string_view toString(Type type);          // "ReadyLost", …
std::string_view toString(Severity severity);  // "info", "warning", "error"
std::optional<Type> typeNamed(std::string_view name);
std::optional<Severity> severityNamed(std::string_view name);

/// Those that a filter may name.
const std::vector<Type>& filterableTypes();

/// Told at least once, also after a restart.
bool matters(Type type);
Severity severityOf(Type type);

/// One thing to be told. Nothing in it is secret; texts are visible() and bounded.
struct Notification {
  std::string id;  // the same each time that it is sent: who has seen it may pass it over
  SystemTime time;
  Type type = Type::Warning;
  std::optional<api::ObjectKey> object = {};
  std::map<std::string, std::string> labels = {};  // of the object
  std::string instance = {};
  std::string reason = {};  // a word of reasons.def
  std::string message = {};
  std::string revision = {};  // as source::Revision writes it; empty: not known
  // Of a CommitStatus
  std::string root = {}, commit = {};
  std::string state = {};  // "pending", "success" or "failure"
  friend bool operator==(const Notification&, const Notification&) = default;
};

/// "Unikernel shop/web is not Ready (CrashLoopBackOff)": what happened in one line.
std::string summaryOf(const Notification& notification);

nlohmann::json toJson(const Notification& notification);
/// Nothing: it is none.
std::optional<Notification> notificationFrom(const nlohmann::json& value);

}  // namespace rookery::notify
