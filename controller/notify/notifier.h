#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "clock/alarm.h"
#include "notify/courier.h"
#include "reconcile/clock.h"
#include "reconcile/listener.h"

namespace rookery::notify {

/// Tells of what happens in the reconciler: whom, the file of --notifications says, which is followed. What
/// happens is put down in a box that has a bound, and what it runs on sees to the rest: nobody waits for a
/// receiver. Thread-safe.
class Notifier : public reconcile::Listener {
 public:
  struct Options {
    std::filesystem::path file;  // empty: the settings stay as they are
    Settings settings;           // as they were read of it
    Send send;
    std::function<void(const std::string& message)> warn = [](auto&&) {};
    std::function<void(const std::string& message)> inform = [](auto&&) {};
    std::function<SystemTime()> now = reconcile::steadyClock();
  };

  /// `objects` must outlive it.
  Notifier(const reconcile::ObjectStore& objects, Options options);
  ~Notifier() override;
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// Begins to tell, also of what has happened before. `notes` and `note`: as Courier::Options has them.
  /// Before anything happens on another thread. It works on `executor`, which must be run by one thread, that
  /// which stops it; empty: on a thread of its own.
  void start(Rules::Notes notes, Courier::Note note, boost::asio::any_io_executor executor = {});
  /// Ends what is under way as it is: it is told by the next process.
  void stop();

  /// By the receivers' names, as the last pass left it.
  std::map<std::string, Courier::Count> counts() const;

  void scanned(const source::Snapshot& snapshot) override;
  void stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                 const reconcile::CommandResult& result) override;
  void ended(const std::string& instance, const api::ObjectKey& object, const std::string& lastLine) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void warned(const std::string& instance, Reason reason, const std::string& message) override;
  void revisionApplied(const std::string& instance, const std::string& root,
                       const source::Revision& revision) override;
  void objectForgotten(const api::ObjectKey& object) override;

  static constexpr std::size_t mostOccasions = 1'000, mostMistakes = 20;

 private:
  class SettingsFile;

  void pass();
  void followFile();
  /// From wherever it is called, to where it works.
  template <class... Arguments>
  std::function<void(Arguments...)> brought(std::function<void(Arguments...)> call);
  void add(Notification occasion);
  void wake();

  const reconcile::ObjectStore& objects_;
  Options options_;
  // Used where it works, once it was started
  std::optional<Courier> courier_;
  std::unique_ptr<SettingsFile> file_;  // null: there is none to follow
  mutable std::mutex mutex_;
  News news_;
  std::vector<std::function<void()>> calls_;  // that are to be made where it works
  std::set<std::string> mistakes_;            // of the last scan
  std::map<std::string, Courier::Count> counts_;
  std::unique_ptr<clock::Alarm> alarm_;  // null: it was not started
  bool stopped_ = false;
};

}  // namespace rookery::notify
