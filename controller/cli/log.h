#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "cli/repeats.h"
#include "reconcile/listener.h"

namespace spdlog {
class logger;
}

namespace rookery::cli {

enum class LogFormat { Text, Json };

/// Writes what happens in the reconciler to standard error, one line per event: a sentence with its fields as
/// key=value, or the same as JSON. What stays the same is said once; warnings, errors and attempts that come
/// again are said at a growing distance, with how often they have come (Repeats). Whatever others wrote is
/// visible() and has a bound. Thread-safe.
class Log : public reconcile::Listener {
 public:
  /// Empty: to standard error, as it is.
  using Sink = std::function<void(std::string_view line)>;

  explicit Log(LogFormat format, Sink sink = {});
  ~Log() override;

  using Fields = std::map<std::string, std::string>;
  /// Said whenever it comes; the others as often as Repeats has it.
  void info(const std::string& message, const Fields& fields = {});
  void warn(const std::string& message, const Fields& fields = {});
  void error(const std::string& message, const Fields& fields = {});

  void scanned(const source::Snapshot& snapshot) override;
  void roundEnded(const std::string& instance, const reconcile::Round& round) override;
  void stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb, Reason reason,
                   const std::string& message) override;
  void ended(const std::string& instance, const api::ObjectKey& object, const std::string& lastLine) override;
  void stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                 const reconcile::CommandResult& result) override;
  void imagePulled(const image::Puller::Attempt& attempt) override;
  void credentialLoaded(const std::string& instance, reconcile::SystemTime notAfter) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void warned(const std::string& instance, Reason reason, const std::string& message) override;
  void revisionApplied(const std::string& instance, const std::string& root,
                       const source::Revision& revision) override;
  void volumeMoved(const std::string& instance, const api::ObjectKey& volume,
                   const std::string& message) override;
  void instanceForgotten(const std::string& instance) override;

 private:
  enum class Level { Info, Warn, Error };
  /// A mistake in a manifest, as it is told.
  struct Problem {
    Level level = Level::Error;
    Fields fields;
  };
  void tellFirst(const source::Snapshot& snapshot);
  void tellRevisions(const source::Snapshot& snapshot);
  void tellProblems(std::map<std::string, Problem> before, const std::map<std::string, Problem>& now);
  void write(Level level, const std::string& message, const Fields& fields);
  void tellFailure(Level level, const std::string& failure, const Fields& fields);
  bool tellOfCause(const std::string& message, bool isCause = true);
  bool hasTold(const std::string& cause);
  void writeRepeated(Level level, const std::string& message, const Fields& fields,
                     const std::string& sameness);

  LogFormat format_;
  std::unique_ptr<spdlog::logger> logger_;
  std::mutex mutex_;
  std::map<std::string, std::string> failures_;  // of the last round, by instance
  std::map<image::Remote, std::string> failedPulls_;
  std::map<std::string, std::string> revisions_;                           // of the roots, at the last scan
  std::map<std::string, Problem> problems_;                                // of the last scan
  bool scanned_ = false;                                                   // something was
  std::deque<std::pair<Repeats::Clock::time_point, std::string>> causes_;  // of failures, as they were told
  Repeats repeats_;
};

}  // namespace rookery::cli
