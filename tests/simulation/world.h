#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "clock/clock.h"
#include "fixtures/temp_dir.h"
#include "reconcile/listener.h"
#include "simulation/disk.h"
#include "simulation/disturbance.h"
#include "simulation/fleet.h"
#include "simulation/folder.h"
#include "simulation/history.h"
#include "simulation/process.h"
#include "simulation/readers.h"
#include "simulation/receivers.h"
#include "simulation/referee.h"
#include "simulation/server.h"
#include "simulation/tally.h"

namespace rookery::simulation {

/// What was found wrong; the message says what happened when.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The whole controller on one thread, between a folder that people work in and servers that it does not own
/// alone, in a time, on a network and on a disk of its own. The same actions are the same history.
class World : private reconcile::Listener {
 public:
  /// `shape`: makes another fleet of the usual one.
  explicit World(const std::function<void(Fleet&)>& shape = {});
  ~World() override;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Lets it all happen, then mends everything and waits for peace. Throws Wrong, unless all that must hold
  /// held, the declared state was reached in the end, and nothing was sent after that.
  void run(const std::vector<Action>& actions);

  /// People change what is to be.
  void change(const std::function<void(Fleet&)>& edit);
  /// Lets something happen.
  void apply(const Action& action);
  /// Waits for what is declared, with what is to go wrong meanwhile, and for quiet after that.
  struct Settled {
    Moments moments;       // until then
    std::size_t left = 0;  // of what was to go wrong: it has not, as there was no such moment
  };
  /// Throws as run() does.
  Settled settle(std::vector<Disturbance> disturbances = {});
  /// All that counts of what is there in the end, but for the times, as text.
  std::string fixpoint();

  Tally tally() const;
  const Readers::Tally& read() const { return readers_.tally(); }
  /// A line for each thing that happened.
  const std::vector<std::string>& story() const { return story_; }
  /// Begins it anew.
  void forget() { story_.clear(); }

 private:
  using Time = clock::Steady::time_point;
  using milliseconds = std::chrono::milliseconds;

  // Time
  SystemTime now() const;
  SystemTime wallTime() const { return now() + wallOffset_; }
  void live(Time time);
  Time nextEvent(Time latest);
  bool runsElsewhere(const std::string& server, const albatross::Name& name);
  Process::World processWorld();
  void setDisk(Disk::Trouble trouble);
  bool isOnDisk(const std::string& serverKey, const emulator::Request& command);
  void startProcess();
  void endProcess(bool powerCut);
  bool survives();

  // What happens
  void noteChange(const Fleet& before);
  bool applyEdit(const Action& action);
  bool applyMishap(const Action& action);
  bool applyToServers(const Action& action);
  bool applyStranger(const Action& action);
  bool applyReaders(const Action& action);
  bool applyToMachine(const Action& action);
  void mendFolder();
  void mendServers();
  void mendMachine();
  void publish();
  void writeImage(char image, bool whole) const;
  void stranger(Server& server, const albatross::Name& name, albatross::UnikernelCommand command);
  albatross::Arguments strangersArguments();
  std::pair<const api::ObjectKey, Fleet::Unikernel>& chosen(const Action& action);
  Server& chosenServer(const Action& action) { return *servers_.at(action.which % servers_.size()); }
  Server& serverOf(const std::string& name);
  Server& theServerOf(const Action& action);
  std::string chosenFile(const Action& action) const;
  void probe(const probe::Target& target, milliseconds patience, const probe::Prober::Done& done);
  Result<void> askAt(const std::string& address);
  bool answers(const std::string& server, const api::ObjectKey& key);

  // The end
  void makePeace();
  void reach(milliseconds step, const std::function<std::optional<std::string>()>& trouble);
  void awaitPeace(milliseconds lasting, const std::function<std::optional<std::string>()>& trouble);
  void checkLossIsSeen();
  void checkFailover();
  void checkDump();
  std::set<std::string> runningOn(const api::ObjectKey& key);
  void makeBadUpdates();
  std::optional<std::string> whyNotTakenBack(const api::ObjectKey& key, const Fleet::Unikernel& before);
  std::optional<std::string> whyNotStopped(const api::ObjectKey& key, const api::Status& status);
  std::optional<std::string> unrest();
  std::optional<std::string> unrestOfVolume(const Fleet::Volume& volume);
  std::optional<std::string> whyNotAsDeclared(const api::ObjectKey& key, const Fleet::Unikernel& unikernel);
  std::optional<std::string> whyNotAsDeclared(const std::string& server, const api::ObjectKey& key,
                                              const Fleet::Unikernel& unikernel);
  std::optional<std::string> unrestOf(const api::ObjectKey& key, const Fleet::Unikernel& unikernel);
  void checkForeigners();
  void checkStateHoldsNoSecret();

  // What is told
  void roundEnded(const std::string& instance, const reconcile::Round& round) override;
  void stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb, Reason reason,
                   const std::string& message) override;
  void stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                 const reconcile::CommandResult& result) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void objectForgotten(const api::ObjectKey& object) override;
  void warned(const std::string& instance, Reason reason, const std::string& message) override;
  void checkSecrecy(std::string_view text);
  void checkTruth(const std::string& instance);
  void checkReady(const std::string& instance, const reconcile::ObjectView& view, const std::string& digest,
                  bool current);

  void tell(std::string line);
  void violated(const std::string& what);

  clock::Simulation time_;
  boost::asio::io_context nobody_;  // runs while there is no controller
  fixtures::TempDir temp_;
  Disk disk_;
  Referee referee_;
  Receivers receivers_;
  Time diskTroubledUntil_;
  Fleet fleet_;
  Folder folder_;
  std::vector<std::unique_ptr<Server>> servers_;
  struct Foreigner {
    std::string server;
    albatross::Name name;
    albatross::UnikernelInfo info;
  };
  std::vector<Foreigner> foreigners_;
  std::unique_ptr<Process> process_;
  Readers readers_{{.checkSecrecy = [this](std::string_view text) { checkSecrecy(text); },
                    .violated = [this](const std::string& what) { violated(what); }}};
  Time startAt_;           // when the next process starts, where there is none
  bool dying_ = false;     // its present handler is its last
  bool powerCut_ = false;  // takes the machine with it
  Disturbances disturbances_;
  SystemTime::duration wallOffset_{0};
  std::int64_t meddled_ = 0;
  enum class Probes { Answered, Fail, Hang } probes_ = Probes::Answered;
  /// Which lives of what this controller was told are well.
  std::set<std::tuple<std::string, api::ObjectKey, std::optional<albatross::Time>>> healthy_;
  std::map<api::ObjectKey, Fleet::Unikernel> before_;  // the last change from a good image
  std::size_t cases_ = 0;
  std::vector<std::string> story_;
  std::optional<std::string> wrong_;
};

}  // namespace rookery::simulation
