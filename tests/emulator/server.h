#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "albatross/wire.h"
#include "emulator/consoles.h"
#include "emulator/faults.h"
#include "emulator/resources.h"

namespace rookery::emulator {

/// What the emulated machine has. It is what the policy of the root shows.
struct Machine {
  std::int64_t memory = 16'384;  // MB
  std::int64_t cpus = 4;
  std::int64_t block = 65'536;  // MB
  std::set<std::string> bridges;
  albatross::Era release = albatross::Era::Current;  // whose forms it knows, and older ones
};

/// A command with what came along in its certificate chain.
struct Request {
  std::vector<std::pair<Path, albatross::Policy>> policies;  // from the root down
  albatross::Name name;
  albatross::Command command;
  std::string content = {};  // of a block set: what was streamed
  bool local = false;        // from a client on the server's machine, who may set policies
};

/// What the server says; nothing: it closes without a word.
using Answer = std::optional<std::variant<albatross::Success, albatross::Failure>>;

/// What a restart of the server brings back.
struct State {
  std::vector<std::pair<Path, albatross::Policy>> policies;  // outer before inner
  std::vector<std::pair<albatross::Name, std::int64_t>> blocks;
  std::vector<std::pair<albatross::Name, std::string>> contents = {};  // of block devices
  std::vector<std::pair<albatross::Name, Configuration>> unikernels;
};

/// Called when the daemon writes its state to disk, which is not after every change: a unikernel that was
/// killed by a force-create which then failed is still in what was written before.
struct ServerHooks {
  std::function<void(const Resources&)> dump = [](const Resources&) {};
  std::function<void(const Resources&)> blocksChanged = [](const Resources&) {};
  std::function<void(const albatross::Name& domain)> policyAdded = [](const albatross::Name&) {};
};

/// An Albatross server as seen from its clients: domains, policies, unikernels, block devices, consoles,
/// statistics. It has no sockets, no threads and no clock: whoever owns it says what time it is. Guests run
/// until they are destroyed, or do by themselves what their arguments say: `exit=CODE after=MILLISECONDS`
/// ends them, `say=TEXT` prints a line at the start, `every=MILLISECONDS` prints "tick N" as often. Not
/// thread-safe.
class Server {
 public:
  explicit Server(const Machine& machine, ServerHooks hooks = {});

  /// Brings back policies and block devices, and starts the unikernels in the order of their start-up. What
  /// the rules refuse is left out.
  void restore(const State& state, albatross::Time now);

  using Done = std::function<void(Answer)>;

  /// Carries out one command. `done` is called at most once: now, or in a tick() when the old process has to
  /// end first, or never: when another command for that name has taken its place meanwhile, or more is
  /// written to a block device than fits on it. It must not call the server.
  void submit(Request request, albatross::Time now, Done done);

  /// Lets time pass: processes end, and are started again where their failure behaviour says so.
  void tick(albatross::Time now);

  /// When the next process ends: the latest moment for the next tick.
  std::optional<albatross::Time> nextEvent() const;

  Resources& resources() { return resources_; }
  Consoles& consoles() { return consoles_; }
  /// What there is to tell of all that runs at or below a path, with the names of list replies.
  std::vector<std::pair<albatross::Name, albatross::data::Statistics>> statistics(const Path& path,
                                                                                  albatross::Time now) const;
  Faults& faults() { return faults_; }

 private:
  using ExitCode = std::optional<int>;  // none: a signal
  using Waiter = std::function<void(albatross::Time, ExitCode)>;

  Verdict applyPolicies(const Request& request);
  Answer handle(const albatross::Name& name, const albatross::PolicyCommand& command);
  void handle(const albatross::Name& name, albatross::UnikernelCommand command, albatross::Time now,
              const Done& done);
  void handle(Request& request, const albatross::BlockCommand& command, const Done& done);
  Answer blocks(const albatross::Name& name) const;
  void set(Request& request, bool compressed, const Done& done);
  Answer dump(const albatross::Name& name, std::int64_t compressionLevel) const;
  Answer handle(const albatross::Name& name, const albatross::ConsoleCommand& command) const;
  Answer handle(const albatross::StatsCommand& command) const;

  Answer info(const albatross::Name& name, albatross::Era era) const;
  Answer get(const albatross::Name& name, std::int64_t compressionLevel) const;
  void forceCreate(const albatross::Name& name, Configuration configuration, albatross::Time now,
                   const Done& done);
  void restart(const albatross::Name& name, const std::optional<albatross::Arguments>& arguments,
               albatross::Time now, const Done& done);
  void destroy(const albatross::Name& name, albatross::Time now, const Done& done);

  Answer create(const albatross::Name& name, const Configuration& configuration, albatross::Time now,
                bool dump);
  std::expected<std::string, albatross::Failure> prepare(const Configuration& configuration);
  void registerRestart(const albatross::Name& name, const Configuration& configuration);
  void replaceWhenStopped(const albatross::Name& name, Configuration configuration, albatross::Time now,
                          const Done& done);
  Answer stopRestarting(const albatross::Name& name, bool dump);
  void stop(Unikernel& unikernel, albatross::Time now) const;
  void ended(const albatross::Name& name, albatross::Time now);
  void printTicks(albatross::Time now);

  Machine machine_;
  ServerHooks hooks_;
  Faults faults_;
  Resources resources_;
  Consoles consoles_;
  // By the name on the wire, in which `shop:` and `:shop` differ.
  std::map<std::string, Waiter> waiters_;  // who is to be told when a unikernel's process has ended
  std::set<std::string>
      restarting_;  // ended with a waiter; cleared by a restart, or by a destroy of what is not there
  albatross::Time lastStarted_{};
  std::uint64_t virtualMachines_ = 0;
};

/// Whether a command changes something on the server.
bool isMutation(const albatross::Command& command);

}  // namespace rookery::emulator
