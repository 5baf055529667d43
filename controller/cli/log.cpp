#include "cli/log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/status.h"
#include "plan/unikernel_state.h"
#include "text.h"
#include "yaml/writer.h"

namespace rookery::cli {

using nlohmann::json;

namespace {

std::string seconds(std::chrono::nanoseconds duration) {
  return fmt::format("{:.3f}", std::chrono::duration<double>(duration).count());
}

/// What one message, and one field, may take.
constexpr std::size_t longestText = 4 << 10;

std::string shown(const std::string& text) { return visible(text, longestText); }

/// OpenTelemetry's name for it in logs that are no OTLP.
const char* const traceIdKey = "trace_id";

/// What makes two lines the same: how long something took does not.
std::string samenessOf(const std::string& message, const Log::Fields& fields) {
  std::string sameness = message.substr(0, longestText);
  for (const auto& [key, value] : fields) {
    if (key != "seconds" && key != "bytes" && key != traceIdKey)
      sameness += '\0' + key + '=' + value.substr(0, longestText);
  }
  return sameness;
}

/// What the attempts at one step have in common, until one succeeds.
std::string attemptOf(const std::string& instance, const api::ObjectKey& object, plan::Verb verb) {
  return fmt::format("{} of {} on {}", toString(verb), object.toString(), instance);
}

/// Hands finished lines to a function.
class FunctionSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(Log::Sink take) : take_(std::move(take)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    take_({line.data(), line.size()});
  }
  void flush_() override {}

 private:
  const Log::Sink take_;
};

spdlog::sink_ptr sinkTo(Log::Sink sink) {
  if (sink) return std::make_shared<FunctionSink>(std::move(sink));
  return std::make_shared<spdlog::sinks::stderr_sink_mt>();
}

}  // namespace

Log::Log(LogFormat format, Sink sink) : format_(format) {
  logger_ = std::make_unique<spdlog::logger>("rookery", sinkTo(std::move(sink)));
  const char* pattern = format == LogFormat::Json ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %-5l %v";
  logger_->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  logger_->flush_on(spdlog::level::info);
}

Log::~Log() = default;

void Log::info(const std::string& message, const Fields& fields) { write(Level::Info, message, fields); }
void Log::warn(const std::string& message, const Fields& fields) {
  writeRepeated(Level::Warn, message, fields, samenessOf(message, fields));
}
void Log::error(const std::string& message, const Fields& fields) {
  writeRepeated(Level::Error, message, fields, samenessOf(message, fields));
}

void Log::writeRepeated(Level level, const std::string& message, const Fields& fields,
                        const std::string& sameness) {
  std::optional<std::uint64_t> times;
  {
    const std::lock_guard lock(mutex_);
    times = repeats_.occurred(sameness, Repeats::Clock::now());
  }
  if (!times) return;
  if (*times == 1) return write(level, message, fields);
  Fields more = fields;
  more["repeated"] = fmt::format("{} times", *times);
  write(level, message, more);
}

void Log::write(Level level, const std::string& message, const Fields& fields) {
  const auto severity = level == Level::Info   ? spdlog::level::info
                        : level == Level::Warn ? spdlog::level::warn
                                               : spdlog::level::err;
  if (format_ == LogFormat::Text) {
    std::string line = shown(message);
    for (const auto& [key, value] : fields)
      line += fmt::format(" {}={}", key, yaml::dump(json(shown(value))));
    logger_->log(severity, "{}", line);
    return;
  }
  json line = {{"time", api::toRfc3339(std::chrono::system_clock::now())},
               {"level", std::string(spdlog::level::to_string_view(severity).data())},
               {"message", shown(message)}};
  for (const auto& [key, value] : fields) line[key] = shown(value);
  logger_->log(severity, "{}", yaml::dump(line));
}

/// Says why something failed; what follows from it need not say it again.
void Log::tellFailure(Level level, const std::string& failure, const Fields& fields) {
  tellOfCause(failure);
  writeRepeated(level, failure, fields, samenessOf(failure, fields));
}

/// Whether a message quotes a cause that was told lately. If not, and if it is one, it is told now.
bool Log::tellOfCause(const std::string& message, bool isCause) {
  constexpr std::size_t most = 100;
  constexpr std::chrono::minutes lately{10};
  const auto now = Repeats::Clock::now();
  const std::lock_guard lock(mutex_);
  while (!causes_.empty() && (causes_.size() > most || now - causes_.front().first > lately))
    causes_.pop_front();
  const bool told = std::ranges::any_of(
      causes_, [&](const auto& cause) { return message.find(cause.second) != std::string::npos; });
  if (!told && isCause) causes_.emplace_back(now, message.substr(0, longestText));
  return told;
}

/// Whether just this was told, as a cause and lately.
bool Log::hasTold(const std::string& cause) {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(causes_, [&](const auto& told) { return told.second == cause; });
}

/// What there was to be read at the start, or that there was nothing.
void Log::tellFirst(const source::Snapshot& snapshot) {
  const auto count = [&](api::Kind kind) {
    return std::to_string(std::ranges::count(snapshot.objects, kind, &api::Object::kind));
  };
  const auto mistakes = std::ranges::count_if(
      snapshot.problems, [](const api::Problem& problem) { return problem.reason != Reason::BeingWritten; });
  info("The manifests have been read.", {{"objects", std::to_string(snapshot.objects.size())},
                                         {"instances", count(api::Kind::AlbatrossInstance)},
                                         {"unikernels", count(api::Kind::Unikernel)},
                                         {"policies", count(api::Kind::UnikernelPolicy)},
                                         {"volumes", count(api::Kind::UnikernelVolume)},
                                         {"files", std::to_string(snapshot.files)},
                                         {"mistakes", std::to_string(mistakes)}});
  if (!snapshot.objects.empty() || !snapshot.problems.empty()) return;
  std::vector<std::string> roots;
  roots.reserve(snapshot.roots.size());
  for (const source::Root& root : snapshot.roots) roots.push_back(root.path.string());
  warn(
      fmt::format("No manifest was found in {}. One that is put there, as YAML with apiVersion {}, is read "
                  "at once.",
                  fmt::join(roots, ", "), api::groupVersion));
}

/// Which commits the roots have that are checkouts, each once.
void Log::tellRevisions(const source::Snapshot& snapshot) {
  for (const source::Root& root : snapshot.roots) {
    const std::string revision = root.revision ? root.revision->toString() : "";
    std::string before;
    {
      const std::lock_guard lock(mutex_);
      before = std::exchange(revisions_[root.path.string()], revision);
    }
    if (before == revision) continue;
    Fields fields = {{"root", root.path.string()}};
    if (!before.empty()) fields["before"] = before;
    if (revision.empty()) {
      info("The commit that the manifests have cannot be told any more.", fields);
    } else {
      fields["revision"] = revision;
      info("The manifests have this commit.", fields);
    }
  }
}

void Log::scanned(const source::Snapshot& snapshot) {
  std::map<std::string, Problem> now;
  const auto add = [&now](Level level, const api::Problem& problem) {
    Fields fields = {{"reason", std::string(toString(problem.reason))}};
    if (problem.object) fields["object"] = problem.object->toString();
    now.try_emplace(problem.toString(), level, std::move(fields));
  };
  for (const api::Problem& problem : snapshot.problems)
    add(problem.reason == Reason::BeingWritten ? Level::Info : Level::Error, problem);
  for (const api::Problem& warning : snapshot.warnings) add(Level::Warn, warning);
  std::map<std::string, Problem> before;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(problems_, now);
    first = snapshot.synced && !std::exchange(scanned_, true);
  }
  if (first) tellFirst(snapshot);
  tellRevisions(snapshot);
  tellProblems(std::move(before), now);
}

/// What is new, and what is over. What passes by itself is not mended.
void Log::tellProblems(std::map<std::string, Problem> before, const std::map<std::string, Problem>& now) {
  for (const auto& [text, problem] : now) {
    if (before.erase(text) > 0) continue;
    if (problem.level == Level::Info) {
      info(text, problem.fields);
    } else {
      writeRepeated(problem.level, text, problem.fields, samenessOf(text, problem.fields));
    }
  }
  for (const auto& [text, problem] : before) {
    if (problem.level != Level::Info) info("mended: " + text, problem.fields);
    const std::lock_guard lock(mutex_);
    repeats_.forget(samenessOf(text, problem.fields));
  }
}

void Log::roundEnded(const std::string& instance, const reconcile::Round& round) {
  const std::string failure = round.error ? round.error->message : "";
  {
    const std::lock_guard lock(mutex_);
    std::string& before = failures_[instance];
    if (before == failure) return;
    before = failure;
  }
  if (round.error && hasTold(failure)) return;  // by the instance that is not Ready for it
  if (round.error) {
    Fields fields = {{"instance", instance}, {"reason", std::string(toString(round.error->reason))}};
    if (!round.traceId.empty()) fields[traceIdKey] = round.traceId;
    tellFailure(Level::Error, failure, fields);
  } else {
    writeRepeated(Level::Info, "The instance answers again.", {{"instance", instance}},
                  "answers " + instance);
  }
}

void Log::stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                      Reason reason, const std::string& message) {
  writeRepeated(Level::Info, message,
                {{"instance", instance},
                 {"object", object.toString()},
                 {"verb", std::string(toString(verb))},
                 {"reason", std::string(toString(reason))}},
                attemptOf(instance, object, verb));
}

void Log::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                    const reconcile::CommandResult& result) {
  Fields fields = {{"instance", instance},
                   {"object", object.toString()},
                   {"verb", std::string(toString(verb))},
                   {"seconds", seconds(result.duration)}};
  if (result.bytes > 0) fields["bytes"] = std::to_string(result.bytes);
  if (!result.name.empty()) fields["name"] = result.name;
  if (!result.traceId.empty()) fields[traceIdKey] = result.traceId;
  if (!result.error) {
    info(fmt::format("{} on {} succeeded.", toString(verb), instance), fields);
    const std::lock_guard lock(mutex_);
    return repeats_.forget(attemptOf(instance, object, verb));
  }
  fields["reason"] = toString(result.error->reason);
  tellFailure(Level::Error, result.error->message, fields);
}

void Log::ended(const std::string& instance, const api::ObjectKey& object, const std::string& lastLine) {
  warn("A unikernel has ended.",
       {{"instance", instance}, {"object", object.toString()}, {"lastLine", lastLine}});
}

void Log::imagePulled(const image::Puller::Attempt& attempt) {
  const std::string failure = attempt.error ? attempt.error->message : "";
  {
    const std::lock_guard lock(mutex_);
    std::string& before = failedPulls_[attempt.remote];
    if (attempt.error && before == failure) return;
    before = failure;
    if (!attempt.error) failedPulls_.erase(attempt.remote);
  }
  Fields fields = {{"image", attempt.remote.name()}, {"sha256", attempt.remote.sha256}};
  if (attempt.error) {
    fields["reason"] = toString(attempt.error->reason);
    return tellFailure(Level::Warn, failure, fields);
  }
  fields["bytes"] = std::to_string(attempt.bytes);
  fields["seconds"] = seconds(attempt.duration);
  info("The image was pulled.", fields);
}

void Log::credentialLoaded(const std::string& instance, reconcile::SystemTime notAfter) {
  info("The credential was loaded.", {{"instance", instance}, {"expires", api::toRfc3339(notAfter)}});
}

void Log::readyChanged(const api::ObjectKey& object, bool ready, Reason reason, const std::string& message) {
  // That is said once of each set that is withheld, which may be of thousands.
  if (reason == Reason::PruneGuard && object.kind == api::Kind::Unikernel) return;
  Fields fields = {{"object", object.toString()},
                   {"ready", ready ? "true" : "false"},
                   {"reason", std::string(toString(reason))}};
  const bool calm = ready || plan::isProgress(reason);
  const bool isInstance = object.kind == api::Kind::AlbatrossInstance;
  if (isInstance) fields["instance"] = object.name;
  // What is on its way is nobody's cause, and says what is so now. An instance is the cause.
  const bool told = !ready && tellOfCause(message, !calm) && !isInstance;
  const std::string said = told ? "It is not Ready, for the cause that was told." : message;
  const Level level = isInstance ? Level::Error : Level::Warn;
  writeRepeated(calm ? Level::Info : level, said, fields, samenessOf(message, fields));
}

void Log::warned(const std::string& instance, Reason reason, const std::string& message) {
  Fields fields = {{"reason", std::string(toString(reason))}};
  if (!instance.empty()) fields["instance"] = instance;
  warn(message, fields);
}

void Log::revisionApplied(const std::string& instance, const std::string& root,
                          const source::Revision& revision) {
  info("All is as it is declared at this commit.",
       {{"instance", instance}, {"root", root}, {"revision", revision.toString()}});
}

void Log::volumeMoved(const std::string& instance, const api::ObjectKey& volume, const std::string& message) {
  warn(message, {{"instance", instance},
                 {"object", volume.toString()},
                 {"reason", std::string(toString(Reason::Moved))}});
}

void Log::instanceForgotten(const std::string& instance) {
  const std::lock_guard lock(mutex_);
  failures_.erase(instance);
}

}  // namespace rookery::cli
