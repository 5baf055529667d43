#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "reconcile/listener.h"

namespace spdlog {
class logger;
}

namespace rookery::cli {

enum class LogFormat { Text, Json };

/// Writes what happens in the reconciler to standard error, one line per event: a sentence with its fields as
/// key=value, or the same as JSON. What stays the same is said once. Thread-safe.
class Log : public reconcile::Listener {
 public:
  explicit Log(LogFormat format);
  ~Log() override;

  using Fields = std::map<std::string, std::string>;
  void info(const std::string& message, const Fields& fields = {});
  void warn(const std::string& message, const Fields& fields = {});
  void error(const std::string& message, const Fields& fields = {});

  void scanned(const source::Snapshot& snapshot) override;
  void roundEnded(const std::string& instance, const reconcile::Round& round) override;
  void stepStarted(const std::string& instance, const api::ObjectKey& object, reconcile::Verb verb,
                   Reason reason, const std::string& message) override;
  void stepEnded(const std::string& instance, const api::ObjectKey& object, reconcile::Verb verb,
                 const reconcile::CommandResult& result) override;
  void imagePulled(const image::Puller::Attempt& attempt) override;
  void credentialLoaded(const std::string& instance, reconcile::SystemTime notAfter) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void warned(const std::string& instance, Reason reason, const std::string& message) override;
  void instanceForgotten(const std::string& instance) override;

 private:
  enum class Level { Info, Warn, Error };
  void write(Level level, const std::string& message, const Fields& fields);

  LogFormat format_;
  std::unique_ptr<spdlog::logger> logger_;
  std::mutex mutex_;
  std::map<std::string, std::string> failures_;  // of the last round, by instance
  std::map<image::Remote, std::string> failedPulls_;
  std::set<std::string> problems_;  // of the last scan
};

}  // namespace rookery::cli
