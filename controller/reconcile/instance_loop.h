#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reconcile/environment.h"
#include "reconcile/plan.h"
#include "reconcile/server_connection.h"
#include "reconcile/status_reporter.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// What a round saw and is about to do, for who waits for all to be done.
struct RoundEnd {
  DesiredPtr desired;     // that it was about
  bool finished = false;  // nothing is left to do: all is Ready, or will not become so without somebody
  bool destroyed =
      false;  // the last unikernel that was to go has gone: what is known of those can be forgotten
  std::vector<Error> errors;                 // Plan::errors
  std::map<api::ObjectKey, Error> removals;  // Plan::removals
  std::optional<Error> failure;              // the instance could not be observed
  bool located = false;  // it was seen for the first time which server it is, or that it is another
};

/// The reconciliation of one instance: observe → plan → take the next step → observe again. All of it runs on
/// one strand, so one mutation at a time is on its way to a server; nothing of it waits for another instance.
class InstanceLoop : public std::enable_shared_from_this<InstanceLoop> {
 public:
  /// `strand` is where run() will be spawned. `roundEnded` is called on it in each round: before its step,
  /// which may take as long as it takes to send an image.
  InstanceLoop(asio::any_io_executor strand, const Environment& environment, DesiredPtr desired,
               std::function<void(const RoundEnd&)> roundEnded);
  ~InstanceLoop() = default;
  InstanceLoop(const InstanceLoop&) = delete;
  InstanceLoop& operator=(const InstanceLoop&) = delete;

  /// Runs until the coroutine is cancelled; who spawns it keeps this alive until then. An image that is on
  /// its way then is not completed: the server discards it.
  asio::awaitable<void> run();

  /// Other desired state: looked at as soon as the present command has ended. From any thread.
  void update(DesiredPtr desired);

  /// One look and what would be done; changes nothing. Who spawns it keeps this alive until it has ended.
  struct Preview {
    DesiredPtr desired;
    Result<Plan> plan;
  };
  asio::awaitable<Preview> preview();

 private:
  asio::awaitable<bool> round();
  asio::awaitable<Result<Plan>> look();
  asio::awaitable<std::optional<Step>> follow(Plan plan, Round& told, RoundEnd& end);
  void recallObjects();
  asio::awaitable<void> heedWishes();
  void missLook(Error error, Round& told, RoundEnd& end);
  asio::awaitable<void> take(Step step);
  asio::awaitable<void> sleep(SystemTime until);
  Inventory ownInventory() const;
  Entry mine(Entry entry) const;
  asio::awaitable<Unwritten> persist(const Memory& memory);
  DesiredPtr judged();
  SystemTime nextLook(const Plan* plan) const;
  std::optional<Error> forbidden(const Plan& plan) const;

  asio::any_io_executor strand_;
  const Environment& environment_;
  std::function<void(const RoundEnd&)> roundEnded_;
  asio::steady_timer timer_;
  ServerConnection connection_;
  StatusReporter reporter_;
  DesiredPtr latest_;   // what update() gave last
  DesiredPtr desired_;  // what the present round is about
  std::optional<Observed> observed_;
  Memory memory_;
  unsigned failures_ = 0;   // observations in a row that failed
  bool located_ = false;    // see RoundEnd::located
  bool destroyed_ = false;  // something of ours has gone since the controller was told
  SystemTime wake_;         // when to look again without anybody asking
};

}  // namespace rookery::reconcile
