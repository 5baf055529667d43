#include "simulation/receivers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <ranges>
#include <utility>

#include "clock/clock.h"
#include "plan/inventory.h"
#include "simulation/fleet.h"

namespace rookery::simulation {

using namespace std::chrono_literals;
using notify::Notification;
using notify::Outcome;
using notify::Type;
using Level = notify::Rules::Level;

namespace {

constexpr notify::Rules::Options rules{.settle = 5s, .between = 20s};
constexpr auto aMoment = 3s;  // in which what is to be told is on the disk and on its way
const std::string theOneThatMatters = "ops";

std::optional<Level> levelOf(Type type) {
  switch (type) {
    case Type::InstanceDown:
    case Type::ReadyLost:
      return Level::Lost;
    case Type::InstanceUp:
    case Type::ReadyRegained:
      return Level::Calm;
    case Type::RolledBack:
      return Level::RolledBack;
    default:
      return std::nullopt;
  }
}

std::string_view wordOf(Level level) {
  constexpr std::array<std::string_view, 3> levels = {"calm", "lost", "rolled back"};
  return levels.at(static_cast<std::size_t>(level));
}

/// Of a set that waits to be pruned.
std::string idIn(std::string_view message) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string id;
  for (const auto word : message | std::views::split(' ')) {
    std::string_view text(word.begin(), word.end());
    while (!text.empty() && !digits.contains(text.back())) text.remove_suffix(1);
    if (text.size() == plan::confirmationIdLength && text.find_first_not_of(digits) == std::string_view::npos)
      id = text;
  }
  return id;
}

}  // namespace

notify::Settings Receivers::settings() {
  const std::string secret = std::string(Fleet::secretMark) + "-of-a-receiver";
  const notify::Webhook hook{.url = "https://ops.example.org/", .secret = secret, .bearer = secret};
  return {.receivers =
              {{.name = theOneThatMatters, .way = hook, .perMinute = 60},
               {.name = "log", .way = hook, .filter = {.severity = notify::Severity::Info}, .perMinute = 60}},
          .rules = rules,
          .files = {}};
}

void Receivers::send(const boost::asio::any_io_executor& executor, const notify::Receiver& receiver,
                     const notify::Request& request, const std::function<void(const Outcome&)>& done) {
  world_.checkSecrecy(request.url + request.body);
  const Mood here = receiver.name == theOneThatMatters ? mood : Mood::Takes;
  const bool arrives = here == Mood::Takes || here == Mood::IsSlow || here == Mood::LosesItsAnswer;
  if (!world_.survives()) return;
  if (arrives) take(receiver, request.body);
  if (!world_.survives()) return;
  const auto answers = [&](long status, std::chrono::seconds later = 0s) {
    return notify::outcomeOf(receiver, status, later, "");
  };
  const Outcome silence{.end = Outcome::End::Failed, .answer = "no answer", .retryAfter = {}};
  const std::map<Mood, std::pair<std::chrono::milliseconds, Outcome>> outcomes = {
      {Mood::Takes, {3ms, answers(200)}},         {Mood::IsDown, {1ms, silence}},
      {Mood::IsSlow, {20s, answers(200)}},        {Mood::Hangs, {30s, silence}},
      {Mood::Refuses, {3ms, answers(403)}},       {Mood::Fails, {3ms, answers(503)}},
      {Mood::PutsOff, {3ms, answers(429, 120s)}}, {Mood::LosesItsAnswer, {3ms, silence}}};
  const auto& [after, outcome] = outcomes.at(here);
  const auto timer = std::make_shared<clock::Timer>(executor, after);
  timer->async_wait([timer, done, outcome](boost::system::error_code) { done(outcome); });
}

void Receivers::take(const notify::Receiver& receiver, const std::string& body) {
  const auto posted = nlohmann::json::parse(body);
  for (const auto& each : posted.at("notifications")) {
    const auto notification = notify::notificationFrom(each);
    if (!notification) return world_.violated("what is told cannot be read: " + each.dump());
    const auto [known, isNew] = seen_.try_emplace(receiver.name + notification->id, each.dump());
    if (!isNew && known->second != each.dump())
      world_.violated("something else is told by the same id: " + each.dump());
    if (isNew && receiver.name == theOneThatMatters) learn(*notification);
  }
}

void Receivers::learn(const Notification& notification) {
  world_.tell(fmt::format("{} is told: {} {}", theOneThatMatters, toString(notification.type),
                          notification.object ? notification.object->toString() : ""));
  if (!notify::matters(notification.type)) world_.violated("routine is told to who did not ask for it");
  if (notification.type == Type::PruneWaits) pruneWaits_.push_back(notification);
  const auto level = levelOf(notification.type);
  if (!level || !notification.object) return;
  Object& object = objects_[*notification.object];
  if (!object.told.empty() && object.told.back().time > notification.time)
    world_.violated(notification.object->toString() + " is told of in another order than it happened in");
  object.told.push_back({*level, notification.time});
  object.certain = diskIsSound(world_.now());
}

void Receivers::controllerEnds() {
  std::erase_if(waits_, [&](const Wait& wait) { return world_.now() - wait.since < aMoment; });
  for (auto& [key, object] : objects_) {
    endsToStand(key, object);
    object.level.reset();
  }
}

/// It is not there any more: what was told of it has passed.
void Receivers::forgets(const api::ObjectKey& key) { stands(key, true, Reason::ManifestRemoved); }

void Receivers::stands(const api::ObjectKey& key, bool ready, Reason reason) {
  const auto level = notify::Rules::levelOf(ready, reason);
  Object& object = objects_[key];
  if (!level || object.level == level) return;
  endsToStand(key, object);
  object.level = level;
  object.since = world_.now();
}

void Receivers::endsToStand(const api::ObjectKey& key, const Object& object) {
  const SystemTime now = world_.now();
  const bool owed = object.level && now - object.since > rules.settle + rules.between + aMoment &&
                    diskIsSound(object.since) && object.certain;
  if (owed) stood_.push_back({key, *object.level, now});
}

void Receivers::pruneWaits(const std::string& instance, const std::string& message) {
  if (diskIsSound(world_.now())) waits_.push_back({instance, message, world_.now()});
}

/// As they were told of it by then. The time that is told is the second in which it was.
Receivers::Level Receivers::toldOf(const Object& object, SystemTime until) {
  Level level = Level::Calm;
  for (const Told& told : object.told) {
    if (told.time <= until - 1s) level = told.level;
  }
  return level;
}

std::optional<std::string> Receivers::unrest() const {
  for (const auto& [key, object] : objects_) {
    if (!object.level || !object.certain) continue;
    if (toldOf(object) != *object.level)
      return fmt::format("{} does not know that {} is {}", theOneThatMatters, key.toString(),
                         wordOf(*object.level));
  }
  return std::nullopt;
}

void Receivers::check() {
  for (const Stood& stood : std::exchange(stood_, {})) {
    const Level told = toldOf(objects_.at(stood.object), stood.until);
    if (told != stood.level)
      world_.violated(fmt::format(
          "{} was {} until {:.3f}, and told to be {}", stood.object.toString(), wordOf(stood.level),
          std::chrono::duration<double>(stood.until.time_since_epoch()).count(), wordOf(told)));
  }
  for (const Wait& wait : std::exchange(waits_, {})) {
    const bool told = std::ranges::any_of(pruneWaits_, [&](const Notification& each) {
      return each.instance == wait.instance && idIn(each.message) == idIn(wait.message);
    });
    if (!told) world_.violated("nobody was told that a prune waits: " + wait.message);
  }
  for (auto& [key, object] : objects_) {
    if (object.told.size() > 1) object.told.erase(object.told.begin(), object.told.end() - 1);
  }
}

std::string Receivers::fixpoint() const {
  std::string text;
  for (const auto& [key, object] : objects_) {
    const Level level = toldOf(object);
    if (level != Level::Calm) text += fmt::format("{} was told to be {}\n", key.toString(), wordOf(level));
  }
  return text;
}

}  // namespace rookery::simulation
