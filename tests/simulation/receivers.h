#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "notify/courier.h"

namespace rookery::simulation {

using api::SystemTime;

/// Those whom the controller tells of what happens: how they take it, and whether they are told what they
/// have to be. What that is, is found out from what the controller says of its objects, and by its own rules.
class Receivers {
 public:
  /// What becomes of what is sent.
  enum class Mood { Takes, IsDown, IsSlow, Hangs, Refuses, Fails, PutsOff, LosesItsAnswer };
  static constexpr int moods = static_cast<int>(Mood::LosesItsAnswer) + 1;

  struct World {
    std::function<SystemTime()> now;
    std::function<bool()> survives;  // the controller, a moment at which it touches somebody
    /// Until when something may not have been written that was to be.
    std::function<SystemTime()> diskTroubledUntil;
    std::function<void(const std::string& line)> tell;
    std::function<void(const std::string& what)> violated;
    std::function<void(std::string_view text)> checkSecrecy;
  };
  explicit Receivers(World world) : world_(std::move(world)) {}

  static notify::Settings settings();
  /// As notify::Send, on the executor of a process.
  void send(const boost::asio::any_io_executor& executor, const notify::Receiver& receiver,
            const notify::Request& request, const std::function<void(const notify::Outcome&)>& done);
  /// Of the one that is told what matters; the other one, who is told everything, always takes it.
  Mood mood = Mood::Takes;

  // What the controller says
  void controllerEnds();
  void forgets(const api::ObjectKey& object);
  void stands(const api::ObjectKey& object, bool ready, Reason reason);
  void pruneWaits(const std::string& instance, const std::string& message);

  /// What they do not know yet.
  std::optional<std::string> unrest() const;
  /// They were told all that they had to be told so far; in peace.
  void check();
  /// What they hold to be in trouble, as text.
  std::string fixpoint() const;

 private:
  using Level = notify::Rules::Level;
  struct Told {
    Level level;
    SystemTime time;
  };
  struct Object {
    std::optional<Level> level;  // as this controller says
    SystemTime since;
    std::vector<Told> told;
    bool certain = true;  // that every controller will know what was told last
  };
  /// It stood like that for so long that this had to be told.
  struct Stood {
    api::ObjectKey object;
    Level level;
    SystemTime until;
  };
  struct Wait {
    std::string instance, message;
    SystemTime since;
  };

  void take(const notify::Receiver& receiver, const std::string& body);
  void learn(const notify::Notification& notification);
  bool diskIsSound(SystemTime since) const { return world_.diskTroubledUntil() < since; }
  void endsToStand(const api::ObjectKey& key, const Object& object);
  static Level toldOf(const Object& object, SystemTime until = SystemTime::max());

  const World world_;
  std::map<api::ObjectKey, Object> objects_;
  std::vector<Stood> stood_;
  std::vector<Wait> waits_;
  std::vector<notify::Notification> pruneWaits_;  // that were told
  std::map<std::string, std::string> seen_;       // messages by id
};

}  // namespace rookery::simulation
