#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "notify/notification.h"

namespace rookery::notify {

/// How the Ready condition of an object stands.
struct ReadyNews {
  api::ObjectKey object;
  bool ready = false;
  Reason reason = Reason::Reconciling;
  std::string message;
  std::map<std::string, std::string> labels = {};
  std::string instance = {};
  std::string revision = {};
};

/// What of all that happens is told. Pure: the time comes in.
///
/// Of an object's Ready condition the level counts and not the edge: what is told is that it stands otherwise
/// than was told last, once it has stood so for `settle`; that it is lost again, no sooner than `between`
/// after that was told before. So who flaps is told of less often, and what was told last is true in the end.
/// What was told is to be remembered beyond the process (takeNotes()), and given to the next.
class Rules {
 public:
  struct Options {
    std::chrono::milliseconds settle{10'000};
    std::chrono::milliseconds between{300'000};
  };
  /// By key: what takeNotes() gave.
  using Notes = std::map<std::string, std::string>;
  /// What is told of a Ready condition. What is being removed is calm.
  enum class Level { Calm, Lost, RolledBack };
  /// Nothing: the object stands as it stood.
  static std::optional<Level> levelOf(bool ready, Reason reason);

  Rules(Options options, const Notes& told);

  void setOptions(Options options) { options_ = options; }

  void ready(const ReadyNews& news, SystemTime now);
  /// The prune guard waits for a word about a set, which the message names.
  void pruneWaits(const std::string& instance, const std::string& message, SystemTime now);
  /// What comes now and then. The same once more within `repetition` is not told.
  void occasion(Notification notification, SystemTime now);
  /// Nothing more is told of what is neither declared nor still there, but that what was told has passed.
  void keepOnly(const std::function<bool(const api::ObjectKey&)>& isKnown, SystemTime now);

  /// What is to be told now.
  std::vector<Notification> take(SystemTime now);
  /// When there will be something to tell if nothing else happens.
  std::optional<SystemTime> due() const;
  /// Whether something that a manifest root declares was told to be in trouble, and what.
  struct Trouble {
    api::ObjectKey object;
    std::string message;
  };
  std::optional<Trouble> troubleOf(const std::function<bool(const api::ObjectKey&)>& concerned) const;

  /// What is to be remembered otherwise than before; nothing in place of a value: no more.
  std::vector<std::pair<std::string, std::optional<std::string>>> takeNotes();

  static constexpr std::chrono::minutes repetition{10};
  static constexpr std::size_t mostRepetitions = 1'000, mostOccasions = 1'000;
  /// Occasions that were not told, as there were too many at a time.
  std::size_t dropped() const { return dropped_; }

 private:
  struct Tracker {
    Level told = Level::Calm, now = Level::Calm;
    SystemTime since;                    // it stands so
    std::optional<SystemTime> lostLast;  // when it was told last that it is not calm, in this process
    ReadyNews news;
  };
  static std::string_view wordOf(Level level);
  static Notification notificationOf(const Tracker& tracker, SystemTime now);
  SystemTime dueOf(const Tracker& tracker) const;
  void note(std::string key, std::optional<std::string> value);

  Options options_;
  std::map<std::string, std::string> told_;        // by key: levels, and sets that wait
  std::map<api::ObjectKey, Tracker> trackers_;     // what is not calm, or was not until a moment ago
  std::map<std::string, SystemTime> repetitions_;  // when an occasion was told
  std::vector<Notification> occasions_;
  std::size_t dropped_ = 0;
  std::map<std::string, std::optional<std::string>> notes_;
};

}  // namespace rookery::notify
