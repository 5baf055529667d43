#include "cli/log.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "api/status.h"

namespace rookery::cli {

using nlohmann::json;

namespace {

std::string seconds(std::chrono::nanoseconds duration) {
  return fmt::format("{:.3f}", std::chrono::duration<double>(duration).count());
}

/// A message may quote what came from a server or a file: nothing in it may look like a line of its own.
std::string oneLine(const std::string& text) {
  std::string line = text;
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

}  // namespace

Log::Log(LogFormat format) : format_(format) {
  logger_ = std::make_unique<spdlog::logger>("rookery", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  const char* pattern = format == LogFormat::Json ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %-5l %v";
  logger_->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  logger_->flush_on(spdlog::level::info);
}

Log::~Log() = default;

void Log::info(const std::string& message, const Fields& fields) { write(Level::Info, message, fields); }
void Log::warn(const std::string& message, const Fields& fields) { write(Level::Warn, message, fields); }
void Log::error(const std::string& message, const Fields& fields) { write(Level::Error, message, fields); }

void Log::write(Level level, const std::string& message, const Fields& fields) {
  const auto severity = level == Level::Info   ? spdlog::level::info
                        : level == Level::Warn ? spdlog::level::warn
                                               : spdlog::level::err;
  if (format_ == LogFormat::Text) {
    std::string line = oneLine(message);
    for (const auto& [key, value] : fields)
      line += fmt::format(" {}={}", key,
                          json(oneLine(value)).dump(-1, ' ', false, json::error_handler_t::replace));
    logger_->log(severity, "{}", line);
    return;
  }
  json line = {{"time", api::toRfc3339(std::chrono::system_clock::now())},
               {"level", std::string(spdlog::level::to_string_view(severity).data())},
               {"message", message}};
  for (const auto& [key, value] : fields) line[key] = value;
  logger_->log(severity, "{}", line.dump(-1, ' ', false, json::error_handler_t::replace));
}

void Log::scanned(const source::Snapshot& snapshot) {
  std::set<std::string> now;
  for (const api::Problem& problem : snapshot.problems) now.insert(problem.toString());
  std::set<std::string> before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(problems_, now);
  }
  for (const std::string& problem : now) {
    if (!before.contains(problem)) error(problem);
  }
  for (const std::string& problem : before) {
    if (!now.contains(problem)) info("mended: " + problem);
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
  if (round.error) {
    error(failure, {{"instance", instance}, {"reason", std::string(toString(round.error->reason))}});
  } else {
    info("The instance answers again.", {{"instance", instance}});
  }
}

void Log::stepStarted(const std::string& instance, const api::ObjectKey& object, reconcile::Verb verb,
                      Reason reason, const std::string& message) {
  info(message, {{"instance", instance},
                 {"object", object.toString()},
                 {"verb", std::string(toString(verb))},
                 {"reason", std::string(toString(reason))}});
}

void Log::stepEnded(const std::string& instance, const api::ObjectKey& object, reconcile::Verb verb,
                    const reconcile::CommandResult& result) {
  Fields fields = {{"instance", instance},
                   {"object", object.toString()},
                   {"verb", std::string(toString(verb))},
                   {"seconds", seconds(result.duration)}};
  if (result.bytes > 0) fields["bytes"] = std::to_string(result.bytes);
  if (!result.error) return info("done", fields);
  fields["reason"] = toString(result.error->reason);
  error(result.error->message, fields);
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
    return warn(failure, fields);
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
  write(ready || reconcile::isProgress(reason) ? Level::Info : Level::Warn, message,
        {{"object", object.toString()},
         {"ready", ready ? "true" : "false"},
         {"reason", std::string(toString(reason))}});
}

void Log::warned(const std::string& instance, Reason reason, const std::string& message) {
  Fields fields = {{"reason", std::string(toString(reason))}};
  if (!instance.empty()) fields["instance"] = instance;
  warn(message, fields);
}

void Log::instanceForgotten(const std::string& instance) {
  const std::lock_guard lock(mutex_);
  failures_.erase(instance);
}

}  // namespace rookery::cli
