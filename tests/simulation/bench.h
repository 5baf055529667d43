#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "clock/clock.h"
#include "fixtures/temp_dir.h"
#include "reconcile/listener.h"
#include "simulation/disk.h"
#include "simulation/folder.h"
#include "simulation/process.h"
#include "simulation/referee.h"
#include "simulation/server.h"
#include "simulation/tally.h"

namespace rookery::simulation {

/// A controller between a folder of any manifests and two servers, eu and us, in a time of its own, where
/// nothing fails but what the manifests say. One at a time on a thread.
class Bench : private reconcile::Listener {
 public:
  /// Which files manifests can name is what a World's can: images/…, volumes/…, pki/….
  Bench();
  ~Bench() override;
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  /// What is declared from now on; each document is a file.
  void declare(const std::vector<nlohmann::json>& documents);

  /// What becomes of it, once nothing more is done.
  struct Outcome {
    std::optional<std::string> unrest = {};  // nothing: everything is as it is declared now, and Ready
    bool ready() const { return !unrest; }
    std::vector<std::string> told;  // mistakes, and what is said of objects; without indices of lists
    std::vector<api::Problem> problems;
    std::size_t commands = 0;  // that were sent for it
    std::string there;         // what is on the servers, but for the times
  };
  /// Long: at another look, too.
  enum class Patience { Short, Long };
  Outcome settle(Patience patience = Patience::Long);

  Tally tally() const;
  /// A line for each thing that happened since the last time, and what was found wrong.
  std::string story() const;
  bool wrong() const { return !wrong_.empty(); }

 private:
  void live(std::chrono::milliseconds time);
  std::unique_ptr<Server> makeServer(const char* name);
  void startProcess();
  std::optional<std::string> unrest() const;
  std::string there();

  void scanned(const source::Snapshot& snapshot) override;
  void stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb, Reason reason,
                   const std::string& message) override;
  void stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                 const reconcile::CommandResult& result) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void tell(std::string line);

  clock::Simulation time_;
  fixtures::TempDir temp_;
  Disk disk_;
  Referee referee_;
  Folder folder_;
  std::vector<std::unique_ptr<Server>> servers_;  // eu, us, and one that refuses
  std::unique_ptr<Process> process_;
  std::size_t declared_ = 0;  // objects that are shown
  std::vector<api::Problem> problems_;
  std::vector<std::string> story_;
  std::string wrong_;
};

}  // namespace rookery::simulation
