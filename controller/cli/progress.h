#pragma once

#include <chrono>
#include <iosfwd>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "reconcile/listener.h"

namespace rookery::cli {

/// Shows on a stream how apply gets on: a bar with bytes where the stream is a terminal, plain lines
/// elsewhere. Of what fails it shows that and for which reason; why is said once, in the end (Failures). What
/// no object can say is said here. Thread-safe.
class Progress : public reconcile::Listener {
 public:
  Progress(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}

  void stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb, Reason reason,
                   const std::string& message) override;
  void imageSent(const std::string& instance, const api::ObjectKey& object, std::uint64_t bytes,
                 std::uint64_t total) override;
  void stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                 const reconcile::CommandResult& result) override;
  void imagePulled(const image::Puller::Attempt& attempt) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void warned(const std::string& instance, Reason reason, const std::string& message) override;

  /// Whether this warning has been shown.
  bool hasWarned(const std::string& message) const;
  /// The upload that imageSent() has shown has come to its end.
  void imageSentWhole(const std::string& instance, const api::ObjectKey& object, std::uint64_t bytes,
                      std::chrono::nanoseconds duration);
  /// Leaves the stream to others: a bar that still stands there is wiped away.
  void finish();

 private:
  void line(const std::string& text);
  void drawBars();

  std::ostream& out_;
  const bool terminal_;
  mutable std::mutex mutex_;
  struct Upload {
    std::string object;
    std::uint64_t bytes = 0, total = 0;
    unsigned told = 0;  // tenths that a plain line has told
  };
  std::map<std::string, Upload> uploads_;  // by instance: each has one mutation at a time
  bool barShown_ = false;
  std::set<std::pair<api::Kind, Reason>> troubles_;  // of which an example was shown
  std::set<std::string> warned_;
};

/// "1.5 MiB"
std::string humanBytes(std::uint64_t bytes);

}  // namespace rookery::cli
