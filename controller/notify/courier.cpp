#include "notify/courier.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/json_path.h"
#include "api/uid.h"
#include "yaml/writer.h"

namespace rookery::notify {

using nlohmann::json;

namespace {

constexpr std::string_view messageNote = "message/", commitNote = "commit/";

std::string messageKey(std::uint64_t number) { return fmt::format("{}{:016x}", messageNote, number); }

std::optional<std::uint64_t> numberOf(std::string_view key) {
  if (!key.starts_with(messageNote)) return std::nullopt;
  key.remove_prefix(messageNote.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number, 16);
  if (error != std::errc() || end != key.data() + key.size()) return std::nullopt;
  return number;
}

}  // namespace

Courier::Courier(const reconcile::ObjectStore& objects, Options options)
    : objects_(objects), options_(std::move(options)), rules_(options_.settings.rules, options_.notes) {
  configure(std::move(options_.settings));
  restore(std::exchange(options_.notes, {}));
}

void Courier::restore(const Rules::Notes& notes) {
  for (const auto& [key, value] : notes) {
    if (key.starts_with(commitNote)) commits_[key.substr(commitNote.size())] = value;
    const auto number = numberOf(key);
    if (!number) continue;
    next_ = std::max(next_, *number + 1);
    const json message = json::parse(value, nullptr, false);
    auto notification = notificationFrom(api::memberOf(message, "notification"));
    const auto way = ways_.find(api::textAt(message, "receiver"));
    if (!notification || way == ways_.end()) {
      note(key, std::nullopt);
    } else {
      giveUp(way->second, way->second.queue.add(*number, *std::move(notification)), "too many wait");
    }
  }
  for (auto& [name, way] : ways_) way.queue.written(next_);
}

void Courier::configure(Settings settings) {
  rules_.setOptions(settings.rules);
  std::map<std::string, Way> before = std::exchange(ways_, {});
  for (Receiver& receiver : settings.receivers) {
    Queue::Limits limits = options_.limits;
    limits.perMinute = receiver.perMinute;
    const std::string name = receiver.name;
    if (auto known = before.extract(name); !known.empty()) {
      known.mapped().receiver = std::move(receiver);
      known.mapped().queue.setLimits(limits);
      ways_.insert(std::move(known));
    } else {
      ways_.emplace(name, Way{.receiver = std::move(receiver), .queue = Queue(name, limits)});
    }
  }
  for (auto& [name, way] : before) giveUp(way, way.queue.numbers(), "it is not named any more");
}

void Courier::giveUp(Way& way, const Queue::Numbers& numbers, std::string_view why) {
  for (const std::uint64_t number : numbers) note(messageKey(number), std::nullopt);
  way.count.dropped += numbers.size();
  if (!numbers.empty())
    options_.warn(fmt::format("Notifications for the receiver {} are given up: {}.", way.receiver.name, why));
}

/// What else is known of the object.
void Courier::complete(ReadyNews& news) const {
  const reconcile::ObjectViewPtr view = objects_.find(news.object);
  if (view == nullptr) return;
  news.labels = view->object->metadata.labels;
  news.instance = view->status.instance.value_or("");
  const auto revision = scan_.revisions.find(view->object->origin.root.native());
  if (revision != scan_.revisions.end()) news.revision = revision->second.toString();
}

std::string Courier::rootOf(const api::ObjectKey& object) const {
  const reconcile::ObjectViewPtr view = objects_.find(object);
  return view == nullptr ? std::string() : view->object->origin.root.native();
}

void Courier::hear(News news, SystemTime now) {
  if (news.empty()) return;
  if (news.scan) {
    scan_ = *std::move(news.scan);
  }
  for (auto& [object, ready] : news.ready) {
    complete(ready);
    rules_.ready(ready, now);
  }
  for (const auto& [instance, message] : news.pruneWaits) rules_.pruneWaits(instance, message, now);
  for (Notification& occasion : news.occasions) {
    if (occasion.object) {
      ReadyNews about{.object = *occasion.object, .message = {}};
      complete(about);
      occasion.labels = std::move(about.labels);
      if (occasion.revision.empty()) occasion.revision = std::move(about.revision);
    }
    rules_.occasion(std::move(occasion), now);
  }
  judgeCommits(now);
}

/// "pending", "success" or "failure", and why.
std::pair<std::string, std::string> Courier::stateOf(const std::string& root,
                                                     const source::Revision& revision) const {
  if (const auto mistake = scan_.mistakes.find(root); mistake != scan_.mistakes.end())
    return {"failure", mistake->second};
  const auto trouble = rules_.troubleOf([&](const api::ObjectKey& object) { return rootOf(object) == root; });
  if (trouble)
    return {"failure", fmt::format("{} is not Ready: {}", trouble->object.toString(), trouble->message)};
  std::size_t applied = 0, all = 0;
  for (const auto& view : objects_.list(api::Kind::AlbatrossInstance, std::nullopt).views) {
    const auto source = std::ranges::find(view->status.sources, root, &api::SourceStatus::root);
    if (source == view->status.sources.end()) continue;
    ++all;
    if (source->lastAppliedRevision == revision.toString()) ++applied;
  }
  if (all > 0 && applied == all)
    return {"success", fmt::format("All is as declared, on {} instance{}.", all, all == 1 ? "" : "s")};
  if (all == 0) return {"pending", "Nothing was carried out yet."};
  return {"pending", fmt::format("Carried out on {} of {} instance{}.", applied, all, all == 1 ? "" : "s")};
}

/// Of each commit that somebody wants to be told of, how far it is; told where that is otherwise than before.
void Courier::judgeCommits(SystemTime now) {
  std::vector<Notification> told;
  std::vector<std::string> changed;
  for (const auto& [root, revision] : scan_.revisions) {
    Notification status{.id = api::newUid(), .time = now, .type = Type::CommitStatus, .root = root};
    const auto wants = [&](const auto& item) { return item.second.receiver.wants(status); };
    if (std::ranges::none_of(ways_, wants)) continue;
    status.commit = revision.commit;
    status.revision = revision.toString();
    std::tie(status.state, status.message) = stateOf(root, revision);
    const std::string sameness = fmt::format("{} {}", revision.commit, status.state);
    if (std::exchange(commits_[root], sameness) == sameness) continue;
    changed.push_back(root);
    told.push_back(std::move(status));
  }
  post(told);
  for (const std::string& root : changed) note(std::string(commitNote) + root, commits_[root]);
}

/// To whom it may concern.
void Courier::post(const std::vector<Notification>& notifications) {
  for (const Notification& notification : notifications) {
    for (auto& [name, way] : ways_) {
      if (!way.receiver.wants(notification)) continue;
      const std::uint64_t number = next_++;
      note(messageKey(number), yaml::dump(json{{"receiver", name}, {"notification", toJson(notification)}}));
      giveUp(way, way.queue.add(number, notification), "too many wait");
    }
  }
}

void Courier::note(std::string key, std::optional<std::string> value) {
  notes_.emplace_back(std::move(key), std::move(value));
}

/// What was posted so far is sent once all of it is on the disk: who was told of something by a process that
/// has forgotten that would never be told that it has passed.
void Courier::writeDown() {
  auto notes = std::exchange(notes_, {});
  const bool posted = std::exchange(noted_, next_) != next_;
  for (std::size_t i = 0; i < notes.size(); ++i) {
    std::function<void()> written;
    if (posted && i + 1 == notes.size()) {
      written = [this, end = next_] {
        for (auto& [name, way] : ways_) way.queue.written(end);
      };
    }
    options_.note(std::move(notes[i].first), std::move(notes[i].second), std::move(written));
  }
}

void Courier::getOn(SystemTime now) {
  for (const Ended& ended : std::exchange(ended_, {})) {
    const auto way = ways_.find(ended.receiver);
    if (way != ways_.end() && way->second.underWay == ended.attempt) end(way->second, ended.outcome, now);
  }
}

/// There is no view of what a scan has just brought, nor a scan that has what is still to be removed.
void Courier::forgetGone(SystemTime now) {
  if (!scan_.synced || !objects_.synced()) return;
  rules_.keepOnly(
      [this](const api::ObjectKey& object) {
        return scan_.declared.contains(object) || objects_.find(object) != nullptr;
      },
      now);
}

void Courier::work(SystemTime now) {
  getOn(now);
  forgetGone(now);
  const std::vector<Notification> told = rules_.take(now);
  post(told);  // before it is noted that they were told: a crash in between tells them again
  for (auto& [key, value] : rules_.takeNotes()) note(std::move(key), std::move(value));
  if (!told.empty()) judgeCommits(now);
  for (auto& [name, way] : ways_) giveUp(way, way.queue.expire(now), "they have waited for too long");
  writeDown();
  for (auto& [name, way] : ways_) {
    if (const Queue::Batch batch = way.queue.take(now); !batch.empty()) start(way, batch);
  }
}

void Courier::start(Way& way, const Queue::Batch& batch) {
  std::vector<Notification> together;
  for (const auto& [number, notification] : batch) together.push_back(notification);
  way.underWay = ++attempts_;
  options_.send(way.receiver, requestFor(way.receiver, together),
                [this, name = way.receiver.name, attempt = attempts_](const Outcome& outcome) {
                  ended_.push_back({name, attempt, outcome});
                });
}

void Courier::end(Way& way, const Outcome& outcome, SystemTime now) {
  if (outcome.end == Outcome::End::Sent) {
    const Queue::Numbers numbers = way.queue.sent();
    for (const std::uint64_t number : numbers) note(messageKey(number), std::nullopt);
    way.count.sent += numbers.size();
    if (!std::exchange(way.failure, {}).empty())
      options_.inform(fmt::format("The receiver {} can be told of things again.", way.receiver.name));
    return;
  }
  ++way.count.failed;
  const bool refused = outcome.end == Outcome::End::Refused;
  if (std::exchange(way.failure, outcome.answer) != outcome.answer) {
    options_.warn(fmt::format("The receiver {} cannot be told: {}. {}", way.receiver.name, outcome.answer,
                              refused ? "What matters is tried again, with `rookery notify test` one can try "
                                        "it at once."
                                      : "It is tried again."));
  }
  giveUp(way, way.queue.failed(refused, outcome.retryAfter, now), "it refuses them");
}

std::optional<SystemTime> Courier::due() const {
  std::optional<SystemTime> next = rules_.due();
  for (const auto& [name, way] : ways_) {
    if (const auto at = way.queue.due()) next = std::min(next.value_or(*at), *at);
  }
  return next;
}

std::map<std::string, Courier::Count> Courier::counts() const {
  std::map<std::string, Count> all;
  for (const auto& [name, way] : ways_) {
    all[name] = way.count;
    all[name].waiting = way.queue.size();
  }
  return all;
}

}  // namespace rookery::notify
