#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "clock/clock.h"
#include "plan/desired.h"
#include "plan/plan.h"
#include "reconcile/environment.h"
#include "reconcile/health.h"
#include "reconcile/kept_images.h"
#include "reconcile/last_words.h"
#include "reconcile/server_connection.h"
#include "reconcile/statistics.h"
#include "reconcile/status_reporter.h"
#include "reconcile/step_pipeline.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// What a round saw and is about to do, for who waits for all to be done.
struct RoundEnd {
  plan::DesiredPtr desired;  // that it was about
  bool finished = false;     // nothing is left to do: all is Ready, or will not become so without somebody
  bool destroyed =
      false;  // the last unikernel that was to go has gone: what is known of those can be forgotten
  std::vector<Error> errors;                                // Plan::errors
  std::vector<plan::Unpruned> unpruned;                     // Plan::unpruned
  std::map<api::ObjectKey, Error> removals;                 // Plan::removals
  std::optional<Error> failure;                             // the instance could not be observed
  std::map<api::ObjectKey, plan::Dependency> awaited = {};  // Desired::awaited, and how each stands
  std::map<api::ObjectKey, plan::Replica> replicas = {};    // Desired::replicated, those that were judged
  std::map<api::ObjectKey, plan::LoadEnd> loads = {};       // Plan::loads
  std::map<std::string, plan::PolicyUse> policies = {};     // plan::policyUse
  bool located = false;  // it was seen for the first time which server it is, or that it is another
};

/// The reconciliation of one instance: observe → plan → take what is due → observe again. All of it runs on
/// one strand, so one mutation at a time is carried out by a server; nothing of it waits for another
/// instance.
class InstanceLoop : public std::enable_shared_from_this<InstanceLoop> {
 public:
  /// `strand` is where run() will be spawned. `roundEnded` is called on it in each round: before its
  /// steps, which may take as long as it takes to send an image.
  InstanceLoop(asio::any_io_executor strand, const Environment& environment, plan::DesiredPtr desired,
               std::function<void(const RoundEnd&)> roundEnded);
  ~InstanceLoop() = default;
  InstanceLoop(const InstanceLoop&) = delete;
  InstanceLoop& operator=(const InstanceLoop&) = delete;

  /// Runs until the coroutine is cancelled; who spawns it keeps this alive until then. An image that is on
  /// its way then is not completed: the server discards it.
  asio::awaitable<void> run();

  /// Other desired state: looked at as soon as the present command has ended. From any thread.
  void update(plan::DesiredPtr desired);

  /// Looks as soon as the present command has ended. From any thread.
  void lookNow();

  /// What plan::cannotRun says of a unikernel by the last look; nothing before the first. Answers on the
  /// loop's strand. From any thread.
  void tellIfItCannotRun(api::ObjectPtr unikernel, std::function<void(std::optional<Error>)> answer);

  /// One look and what would be done; changes nothing. Who spawns it keeps this alive until it has ended.
  struct Preview {
    plan::DesiredPtr desired;
    Result<plan::Plan> plan;
  };
  asio::awaitable<Preview> preview();

 private:
  asio::awaitable<void> reconcile();
  asio::awaitable<bool> round();
  void traceRound(const Round& told);
  asio::awaitable<Result<plan::Observed>> ask();
  void addFindings(plan::Observed& observed);
  void see(plan::Observed observed);
  /// What was decided, and about what.
  struct Decision {
    plan::Plan plan;
    plan::SharedInventory before;                     // of ours, as far as it is about them
    plan::SharedInventory volumesBefore = {};         // of ours, where it is about all
    std::optional<std::set<api::ObjectKey>> changed;  // about these alone, as of others_; else about all
  };
  Decision decide(plan::Observed observed);
  Decision decideAgain(std::set<api::ObjectKey> changed);
  std::optional<std::set<api::ObjectKey>> changedAtRest(const plan::Observed& observed) const;
  void rest(const Decision& decision, const RoundEnd& end, bool nothingLeft);
  void restOthers(const Decision& decision);
  bool isResting(const plan::Observed& observed) const;
  void goOnResting(Round& told);
  asio::awaitable<std::vector<plan::Step>> follow(Decision decision, Round& told, RoundEnd& end);
  static void tell(const Decision& decision, const plan::Desired& desired, SystemTime now, Round& told);
  void publish(plan::Plan plan) const;
  void noteReached();
  void forgetReached() const;
  void recallObjects();
  asio::awaitable<void> heedWishes();
  asio::awaitable<void> heedWishes(const plan::Entry& entry);
  void missLook(Error error, Round& told, RoundEnd& end);
  asio::awaitable<bool> take(std::vector<plan::Step> steps, Round& told);
  asio::awaitable<void> sleep(SystemTime until);
  plan::SharedInventory ownInventory() const;
  plan::SharedInventory ownVolumes() const;
  bool isOwn(const albatross::Name& name, const plan::Entry& entry) const;
  struct Change {
    plan::Entry entry;
    bool gone = false;
  };
  plan::Entry mine(plan::Entry entry) const;
  std::vector<Change> changesOf(const Decision& decision) const;
  /// What could not be written down, of which kind.
  struct Failures {
    Unwritten unikernels, volumes;
  };
  asio::awaitable<Failures> persist(const Decision& decision);
  void askLastWords(const plan::Plan& plan);
  bool knowsSecretsOf(const api::ObjectKey& key, const plan::Plan& plan) const;
  asio::awaitable<void> tellRollbacks(plan::Plan& plan);
  asio::awaitable<Unwritten> keepImages(const plan::Plan& plan);
  asio::awaitable<void> keepFiles(const plan::Plan& plan);
  asio::awaitable<Failures> write(std::vector<Change> changes);
  plan::DesiredPtr judged();
  void noteOwnedElsewhere(std::map<api::ObjectKey, Error>& errors) const;
  SystemTime nextLook(const plan::Plan* plan) const;
  std::optional<Error> forbidden(const plan::Plan& plan) const;

  /// Nothing was to be done: nor is it as long as the same is desired and seen.
  struct Rest {
    plan::DesiredPtr desired;
    SystemTime until;
    RoundEnd end;
    unsigned looks = 0;  // that found the same
  };
  /// Of all but the restless, nothing was to be done: what is desired or seen otherwise is all that has to be
  /// judged (plan::decideAgain).
  struct RestOfOthers {
    plan::DesiredPtr desired;
    plan::Plan::Rest rest;
    SystemTime since;  // when all was judged
    plan::Counts counts;
    plan::Authority authority;
    std::optional<bool> restartChangesMemory;
  };

  asio::any_io_executor strand_;
  const Environment& environment_;
  std::function<void(const RoundEnd&)> roundEnded_;
  clock::Timer timer_;
  ServerConnection connection_;
  StatusReporter reporter_;
  LastWords lastWords_;
  const std::shared_ptr<HealthChecks> health_;
  KeptImages kept_;
  plan::DesiredPtr latest_;   // what update() gave last
  plan::DesiredPtr desired_;  // what the present round is about
  std::optional<plan::Observed> observed_;
  std::optional<albatross::Era> era_;     // of the server, since it was reached last
  Policies policies_;                     // as observed
  std::optional<Statistics> statistics_;  // absent: nobody wants them
  std::optional<Rest> rest_;
  std::optional<RestOfOthers> others_;
  bool news_ = false;        // health checks have said something since the last look
  bool undisputed_ = false;  // nobody else had what was desired when all was judged last
  SystemTime lookedAt_;      // when observed_ was asked for
  trace::Span span_;         // of the present round
  plan::Memory memory_;
  StepPipeline pipeline_;
  unsigned failures_ = 0;   // observations in a row that failed
  bool located_ = false;    // see RoundEnd::located
  bool destroyed_ = false;  // something of ours has gone since the controller was told
  SystemTime wake_;         // when to look again without anybody asking
};

}  // namespace rookery::reconcile
