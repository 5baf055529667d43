#include "notify/notifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "file/watched.h"
#include "plan/verb.h"
#include "sentence.h"

namespace rookery::notify {

namespace {

/// How often the file is looked at.
constexpr std::chrono::milliseconds longestWait{1'000};

api::ObjectKey instanceKey(const std::string& name) { return {api::Kind::AlbatrossInstance, "", name}; }

}  // namespace

/// The file of --notifications, and those that it names, while they change.
class Notifier::SettingsFile {
 public:
  using Clock = file::WatchedFiles::Clock;

  SettingsFile(std::filesystem::path file, std::vector<std::filesystem::path> named)
      : file_(std::move(file)),
        watched_(std::make_unique<file::WatchedFiles>(std::move(named), Clock::now())) {}

  /// Other settings than before. Those that are of no use are said to `warn`.
  std::optional<Settings> changed(const std::function<void(const std::string&)>& warn) {
    if (!watched_->due(Clock::now())) return std::nullopt;
    auto settings = readSettings(file_, &watched_->settling());
    if (!settings) {
      if (watched_->isNews(settings.error()))
        warn(
            sentences({"The notifications file as it was before stays in force.", settings.error().message}));
      return std::nullopt;
    }
    watched_->settled();
    watched_ = std::make_unique<file::WatchedFiles>(settings->files, Clock::now());
    return *std::move(settings);
  }

 private:
  const std::filesystem::path file_;
  std::unique_ptr<file::WatchedFiles> watched_;
};

Notifier::Notifier(const reconcile::ObjectStore& objects, Options options)
    : objects_(objects), options_(std::move(options)) {
  if (!options_.file.empty()) file_ = std::make_unique<SettingsFile>(options_.file, options_.settings.files);
}

Notifier::~Notifier() { stop(); }

template <class... Arguments>
std::function<void(Arguments...)> Notifier::brought(std::function<void(Arguments...)> call) {
  return [this, call = std::move(call)](Arguments... arguments) {
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back([call, ... kept = std::decay_t<Arguments>(arguments)] { call(kept...); });
    }
    wake();
  };
}

void Notifier::start(Rules::Notes notes, Courier::Note note, boost::asio::any_io_executor executor) {
  courier_.emplace(
      objects_,
      Courier::Options{
          .settings = std::move(options_.settings),
          .notes = std::move(notes),
          .send =
              [this](const Receiver& receiver, Request request, std::function<void(const Outcome&)> done) {
                options_.send(receiver, std::move(request), brought(std::move(done)));
              },
          .note =
              [this, note = std::move(note)](std::string key, std::optional<std::string> value,
                                             std::function<void()> written) {
                note(std::move(key), std::move(value), written ? brought(std::move(written)) : [] {});
              },
          .warn = options_.warn,
          .inform = options_.inform});
  counts_ = courier_->counts();
  alarm_ = clock::Alarm::make(std::move(executor), [this] { pass(); });
  wake();
}

void Notifier::stop() {
  if (alarm_ && !std::exchange(stopped_, true)) alarm_->stop();
}

void Notifier::followFile() {
  if (!file_) return;
  if (auto settings = file_->changed(options_.warn)) {
    courier_->configure(*std::move(settings));
    options_.inform("The notifications file was read again.");
  }
}

void Notifier::pass() {
  followFile();
  News news;
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    news = std::exchange(news_, {});
    calls = std::exchange(calls_, {});
  }
  for (const auto& call : calls) call();
  const SystemTime now = options_.now();
  courier_->hear(std::move(news), now);
  courier_->work(now);
  {
    const std::lock_guard lock(mutex_);
    counts_ = courier_->counts();
  }
  std::optional<SystemTime> due = courier_->due();
  if (file_) due = std::min(due.value_or(SystemTime::max()), now + longestWait);
  if (due) alarm_->set(clock::Steady::now() + std::max<SystemTime::duration>(*due - now, {}));
}

std::map<std::string, Courier::Count> Notifier::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Notifier::wake() {
  if (alarm_) alarm_->set(clock::Steady::now());
}

void Notifier::add(Notification occasion) {
  {
    const std::lock_guard lock(mutex_);
    if (news_.occasions.size() < mostOccasions) {
      news_.occasions.push_back(std::move(occasion));
    } else {
      ++news_.dropped;
    }
  }
  wake();
}

void Notifier::scanned(const source::Snapshot& snapshot) {
  News::Scan scan{.declared = snapshot.declared, .synced = snapshot.synced, .revisions = {}, .mistakes = {}};
  for (const source::Root& root : snapshot.roots) {
    if (root.revision) scan.revisions.emplace(root.path.native(), *root.revision);
  }
  std::set<std::string> mistakes;
  std::vector<Notification> told;
  for (const api::Problem& problem : snapshot.problems) {
    if (problem.reason == Reason::BeingWritten) continue;  // which passes
    std::string text = problem.toString();
    scan.mistakes.emplace(problem.origin.root.native(), text);
    if (mistakes.size() >= mostMistakes) continue;
    mistakes.insert(text);
    told.push_back({.id = {},
                    .time = {},
                    .type = Type::ManifestMistake,
                    .object = problem.object,
                    .reason = std::string(toString(problem.reason)),
                    .message = std::move(text)});
  }
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(told, [&](const Notification& each) { return mistakes_.contains(each.message); });
    mistakes_ = std::move(mistakes);
    news_.scan = std::move(scan);
  }
  for (Notification& mistake : told) add(std::move(mistake));
  wake();
}

void Notifier::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                         const reconcile::CommandResult& result) {
  if (result.error) return;  // its Ready condition tells
  add({.id = {},
       .time = {},
       .type = Type::Changed,
       .object = object,
       .instance = instance,
       .reason = std::string(toString(verb)),
       .message = fmt::format("{} on {} succeeded.", toString(verb), instance)});
}

void Notifier::ended(const std::string& instance, const api::ObjectKey& object, const std::string& lastLine) {
  add({.id = {},
       .time = {},
       .type = Type::Ended,
       .object = object,
       .instance = instance,
       .message = fmt::format("The last line of its console: {}", lastLine)});
}

void Notifier::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                            const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    news_.ready[object] = {.object = object, .ready = ready, .reason = reason, .message = message};
  }
  wake();
}

void Notifier::warned(const std::string& instance, Reason reason, const std::string& message) {
  if (reason == Reason::PruneGuard && !instance.empty()) {
    {
      const std::lock_guard lock(mutex_);
      if (news_.pruneWaits.size() < mostOccasions) news_.pruneWaits.emplace_back(instance, message);
    }
    return wake();
  }
  Notification warning{.id = {},
                       .time = {},
                       .type = Type::Warning,
                       .instance = instance,
                       .reason = std::string(toString(reason)),
                       .message = message};
  if (!instance.empty()) warning.object = instanceKey(instance);
  add(std::move(warning));
}

void Notifier::revisionApplied(const std::string& instance, const std::string& root,
                               const source::Revision& revision) {
  {
    const std::lock_guard lock(mutex_);
    news_.applied = true;
  }
  add({.id = {},
       .time = {},
       .type = Type::RevisionApplied,
       .object = instanceKey(instance),
       .instance = instance,
       .message = fmt::format("All that {} declares there is as it is declared.", root),
       .revision = revision.toString()});
}

/// Its view is gone, which the courier sees.
void Notifier::objectForgotten(const api::ObjectKey& /*object*/) { wake(); }

}  // namespace rookery::notify
