#include "notify/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/uid.h"
#include "plan/inventory.h"
#include "text.h"

namespace rookery::notify {

namespace {

constexpr std::string_view levelNote = "ready/", pruneNote = "prune/";
constexpr std::size_t longestMessage = 4 << 10;

std::string levelKey(const api::ObjectKey& object) { return std::string(levelNote) + object.toString(); }

std::string pruneKeys(const std::string& instance) { return fmt::format("{}{}/", pruneNote, instance); }

/// A set, by its ID that the message names: how many others there are changes.
std::string pruneKey(const std::string& instance, std::string_view message) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string_view id;
  while (!message.empty()) {
    const std::size_t start = message.find_first_of(digits);
    if (start == std::string_view::npos) break;
    message.remove_prefix(start);
    const std::size_t length = std::min(message.find_first_not_of(digits), message.size());
    if (length == plan::confirmationIdLength) id = message.substr(0, length);
    message.remove_prefix(length);
  }
  return pruneKeys(instance) + std::string(id);
}

/// The object is kept from being Ready on purpose, or nobody can tell how it is.
bool saysNothing(Reason reason) {
  static constexpr std::array such = {
      Reason::Completed,           Reason::ImageBeingRead,    Reason::ImagePulling, Reason::InDoubt,
      Reason::InstanceUnavailable, Reason::InstanceSuspended, Reason::LeaseLost,    Reason::Observed,
      Reason::PruneGuard,          Reason::Reconciling,       Reason::Suspended,    Reason::UpdateOnDelete};
  return std::ranges::find(such, reason) != such.end();
}

/// What a key of a level is about; nothing: it is none.
std::optional<api::ObjectKey> objectOf(std::string_view key) {
  if (!key.starts_with(levelNote)) return std::nullopt;
  key.remove_prefix(levelNote.size());
  const std::size_t blank = key.find(' ');
  const auto kind = api::kindNamed(key.substr(0, blank));
  if (blank == std::string_view::npos || !kind) return std::nullopt;
  key.remove_prefix(blank + 1);
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return api::ObjectKey{*kind, "", std::string(key)};
  return api::ObjectKey{*kind, std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

bool isInstance(const api::ObjectKey& object) { return object.kind == api::Kind::AlbatrossInstance; }

}  // namespace

Rules::Rules(Options options, const Notes& told) : options_(options) {
  for (const auto& [key, value] : told) {
    if (key.starts_with(levelNote) || key.starts_with(pruneNote)) told_.emplace(key, value);
  }
}

std::string_view Rules::wordOf(Level level) {
  if (level == Level::Lost) return "lost";
  return level == Level::RolledBack ? "rolledBack" : "calm";
}

std::optional<Rules::Level> Rules::levelOf(bool ready, Reason reason) {
  if (reason == Reason::RolledBack) return Level::RolledBack;
  if (ready || reason == Reason::Pruning) return Level::Calm;
  return saysNothing(reason) ? std::nullopt : std::optional(Level::Lost);
}

void Rules::note(std::string key, std::optional<std::string> value) {
  if (value) {
    told_[key] = *value;
  } else if (told_.erase(key) == 0) {
    return;
  }
  notes_[std::move(key)] = std::move(value);
}

void Rules::ready(const ReadyNews& news, SystemTime now) {
  if (isInstance(news.object) && news.reason != Reason::PruneGuard) {
    const std::string keys = pruneKeys(news.object.name);
    std::vector<std::string> ended;
    for (auto told = told_.lower_bound(keys); told != told_.end() && told->first.starts_with(keys); ++told)
      ended.push_back(told->first);
    for (std::string& key : ended) note(std::move(key), std::nullopt);
  }
  const std::optional<Level> level = levelOf(news.ready, news.reason);
  if (!level) return;
  const auto known = trackers_.find(news.object);
  if (known == trackers_.end()) {
    Tracker tracker{.now = *level, .since = now, .lostLast = {}, .news = news};
    const auto told = told_.find(levelKey(news.object));
    if (told != told_.end()) tracker.told = told->second == "rolledBack" ? Level::RolledBack : Level::Lost;
    if (tracker.told != Level::Calm || tracker.now != Level::Calm)
      trackers_.emplace(news.object, std::move(tracker));
    return;
  }
  Tracker& tracker = known->second;
  if (tracker.now != *level) tracker.since = now;
  tracker.now = *level;
  tracker.news = news;
}

void Rules::pruneWaits(const std::string& instance, const std::string& message, SystemTime now) {
  std::string key = pruneKey(instance, message);
  if (told_.contains(key)) return;
  note(std::move(key), "waits");
  occasions_.push_back({.id = api::newUid(),
                        .time = now,
                        .type = Type::PruneWaits,
                        .object = api::ObjectKey{api::Kind::AlbatrossInstance, "", instance},
                        .instance = instance,
                        .reason = std::string(toString(Reason::PruneGuard)),
                        .message = visible(message, longestMessage)});
}

void Rules::occasion(Notification notification, SystemTime now) {
  notification.message = visible(notification.message, longestMessage);
  const std::string sameness =
      fmt::format("{} {} {}", toString(notification.type),
                  notification.object ? notification.object->toString() : "", notification.message);
  const auto told = repetitions_.find(sameness);
  if (told != repetitions_.end() && now - told->second < repetition) return;
  if (occasions_.size() >= mostOccasions) {
    ++dropped_;
    return;
  }
  if (repetitions_.size() >= mostRepetitions)
    std::erase_if(repetitions_, [&](const auto& item) { return now - item.second >= repetition; });
  if (repetitions_.size() >= mostRepetitions) repetitions_.clear();
  repetitions_[sameness] = now;
  notification.id = api::newUid();
  notification.time = now;
  occasions_.push_back(std::move(notification));
}

void Rules::keepOnly(const std::function<bool(const api::ObjectKey&)>& isKnown, SystemTime now) {
  std::map<api::ObjectKey, Tracker> ended;  // what was told to be otherwise than calm
  for (const auto& [key, told] : told_) {
    const auto object = objectOf(key);
    if (object && !isKnown(*object)) ended[*object].news.object = *object;
  }
  for (auto& [object, tracker] : ended) {
    if (const auto known = trackers_.find(object); known != trackers_.end())
      tracker.news = known->second.news;
    tracker.news.reason = Reason::ManifestRemoved;
    tracker.news.message = fmt::format("{} is not declared any more.", object.toString());
    occasions_.push_back(notificationOf(tracker, now));
    note(levelKey(object), std::nullopt);
  }
  std::erase_if(trackers_, [&](const auto& item) { return !isKnown(item.first); });
}

SystemTime Rules::dueOf(const Tracker& tracker) const {
  const SystemTime settled = tracker.since + options_.settle;
  const bool again = tracker.now != Level::Calm && tracker.lostLast;
  return again ? std::max(settled, *tracker.lostLast + options_.between) : settled;
}

Notification Rules::notificationOf(const Tracker& tracker, SystemTime now) {
  const ReadyNews& news = tracker.news;
  Type type = isInstance(news.object) ? Type::InstanceUp : Type::ReadyRegained;
  if (tracker.now == Level::Lost) type = isInstance(news.object) ? Type::InstanceDown : Type::ReadyLost;
  if (tracker.now == Level::RolledBack) type = Type::RolledBack;
  return {.id = api::newUid(),
          .time = now,
          .type = type,
          .object = news.object,
          .labels = news.labels,
          .instance = isInstance(news.object) ? news.object.name : news.instance,
          .reason = std::string(toString(news.reason)),
          .message = visible(news.message, longestMessage),
          .revision = news.revision};
}

std::vector<Notification> Rules::take(SystemTime now) {
  std::vector<Notification> taken = std::exchange(occasions_, {});
  for (auto item = trackers_.begin(); item != trackers_.end();) {
    Tracker& tracker = item->second;
    if (tracker.now != tracker.told && dueOf(tracker) <= now) {
      taken.push_back(notificationOf(tracker, now));
      tracker.told = tracker.now;
      const bool calm = tracker.told == Level::Calm;
      if (!calm) tracker.lostLast = now;
      note(levelKey(item->first), calm ? std::nullopt : std::optional<std::string>(wordOf(tracker.told)));
    }
    const bool calm = tracker.told == Level::Calm && tracker.now == Level::Calm;
    const bool forgotten = calm && (!tracker.lostLast || now - *tracker.lostLast >= options_.between);
    item = forgotten ? trackers_.erase(item) : std::next(item);
  }
  return taken;
}

std::optional<SystemTime> Rules::due() const {
  std::optional<SystemTime> next;
  if (!occasions_.empty()) next = SystemTime::min();
  for (const auto& [object, tracker] : trackers_) {
    if (tracker.now == tracker.told) continue;
    const SystemTime at = dueOf(tracker);
    next = std::min(next.value_or(at), at);
  }
  return next;
}

std::optional<Rules::Trouble> Rules::troubleOf(
    const std::function<bool(const api::ObjectKey&)>& concerned) const {
  for (const auto& [object, tracker] : trackers_) {
    if (tracker.told != Level::Calm && concerned(object)) return Trouble{object, tracker.news.message};
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, std::optional<std::string>>> Rules::takeNotes() {
  auto notes = std::exchange(notes_, {});
  return {std::make_move_iterator(notes.begin()), std::make_move_iterator(notes.end())};
}

}  // namespace rookery::notify
