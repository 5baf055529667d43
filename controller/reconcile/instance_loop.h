#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "albatross/client/client.h"
#include "image/lookout.h"
#include "plan/desired.h"
#include "plan/plan.h"
#include "reconcile/clock.h"
#include "reconcile/listener.h"
#include "reconcile/object_store.h"
#include "reconcile/rivals.h"
#include "reconcile/state.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// What an instance's loop shares with the others; must outlive it.
struct Environment {
  State& state;
  ObjectStore& objects;
  Listener& listener;
  std::chrono::milliseconds resync{30'000};
  /// What waits, waits by this one; so do the times that are told. Nobody sets it (clock.h).
  std::function<SystemTime()> now = steadyClock();
  /// What certificates are valid by.
  std::function<SystemTime()> wallTime = std::chrono::system_clock::now;
  std::function<std::unique_ptr<albatross::Client>(albatross::ClientOptions)> connect =
      albatross::makeTlsClient;
  /// What may be done at all, by instance; empty: everything that plan decides. A step that may not ends the
  /// work there.
  std::function<bool(const std::string& instance, const plan::Step&)> permit = {};
  /// Folders besides the manifest roots that images may lie in.
  std::vector<std::filesystem::path> imageRoots = {};
  /// Reads the images that manifests name by path; null: whoever resolves a snapshot does. When find() says
  /// something else, somebody calls Controller::redistribute().
  image::Lookout* lookout = nullptr;
  /// Says whether a credential file is whole; null: the controller finds out by itself.
  file::Settling* settling = nullptr;
  /// The folder that the API writes, if there is one: see ImagePlaces.
  std::filesystem::path apiStore = {};
  /// Pulls the images that manifests name by URL. When find() says something else, somebody calls
  /// Controller::redistribute().
  image::Puller* puller = nullptr;
  /// Whether an instance is this process's to command ("": whether it speaks for the objects on none); empty:
  /// all are. Asked before each command; when it changes, somebody calls Controller::redistribute(). From any
  /// thread.
  std::function<bool(const std::string& instance)> holds = {};
  /// What instances have on the same server; null: each is taken to have its own.
  Rivals* rivals = nullptr;
  /// What is remembered is not this process's any more (State::held): it has to stop. From any thread, and
  /// more than once.
  std::function<void(const Error& error)> stateLost = {};
};

/// What a round saw and is about to do, for who waits for all to be done.
struct RoundEnd {
  plan::DesiredPtr desired;  // that it was about
  bool finished = false;     // nothing is left to do: all is Ready, or will not become so without somebody
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
  InstanceLoop(asio::any_io_executor strand, const Environment& environment, plan::DesiredPtr desired,
               std::function<void(const RoundEnd&)> roundEnded);
  ~InstanceLoop();
  InstanceLoop(const InstanceLoop&) = delete;
  InstanceLoop& operator=(const InstanceLoop&) = delete;

  /// Runs until the coroutine is cancelled; who spawns it keeps this alive until then. An image that is on
  /// its way then is not completed: the server discards it.
  asio::awaitable<void> run();

  /// Other desired state: looked at as soon as the present command has ended. From any thread.
  void update(plan::DesiredPtr desired);

  /// One look and what would be done; changes nothing. Who spawns it keeps this alive until it has ended.
  struct Preview {
    plan::DesiredPtr desired;
    Result<plan::Plan> plan;
  };
  asio::awaitable<Preview> preview();

 private:
  asio::awaitable<bool> round();
  asio::awaitable<Result<plan::Plan>> look();
  asio::awaitable<std::optional<plan::Step>> follow(plan::Plan plan, Round& told, RoundEnd& end);
  void recallObjects();
  asio::awaitable<void> heedWishes();
  void missLook(Error error, Round& told, RoundEnd& end);
  asio::awaitable<void> take(plan::Step step);
  asio::awaitable<albatross::CallResult> carryOut(const plan::Step& step);
  asio::awaitable<void> sleep(SystemTime until);
  Result<void> connect();
  plan::Authority authority() const;
  plan::Inventory ownInventory() const;
  plan::Entry mine(plan::Entry entry) const;
  using Unwritten = std::map<albatross::Name, Error>;
  asio::awaitable<Unwritten> persist(const plan::Memory& memory);
  asio::awaitable<Result<void>> persistEntry(const albatross::Name& name, const plan::Memory& memory);
  Result<void> mayCommand() const;
  void publish(const plan::Plan& plan, const Unwritten& unwritten);
  api::Status instanceStatus(const Unwritten& unwritten) const;
  plan::DesiredPtr judged();
  void publishUnavailable(const Error& error);
  SystemTime nextLook(const plan::Plan* plan) const;
  void warn(const std::vector<Error>& errors);
  std::optional<Error> forbidden(const plan::Plan& plan) const;

  class Upload;

  asio::any_io_executor strand_;
  const Environment& environment_;
  std::function<void(const RoundEnd&)> roundEnded_;
  asio::steady_timer timer_;
  plan::DesiredPtr latest_;   // what update() gave last
  plan::DesiredPtr desired_;  // what the present round is about
  std::optional<albatross::Pem> loadedPem_;
  std::shared_ptr<const albatross::Credential> credential_;
  std::unique_ptr<albatross::Client> client_;
  std::optional<plan::Observed> observed_;
  plan::Memory memory_;
  unsigned failures_ = 0;           // observations in a row that failed
  std::unique_ptr<Upload> upload_;  // of the step that is being taken
  bool located_ = false;            // see RoundEnd::located
  bool destroyed_ = false;          // something of ours has gone since the controller was told
  std::set<std::string> warned_;    // messages of the last plan's errors
  SystemTime wake_;                 // when to look again without anybody asking
};

}  // namespace rookery::reconcile
