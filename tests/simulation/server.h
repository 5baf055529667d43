#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "albatross/client/client.h"
#include "emulator/server.h"
#include "simulation/call_fault.h"
#include "simulation/referee.h"

namespace rookery::simulation {

/// An emulated server at the other end of a network without sockets: calls take their time, are broken off
/// and run into the product's deadlines as those of the real client do.
class Server {
 public:
  struct World {
    Referee& referee;
    std::function<SystemTime()> now;
    /// A moment at which the controller may die; false: it has.
    std::function<bool()> survives;
    /// What goes wrong with a call that is about to begin.
    std::function<CallFault(bool mutation)> fault;
    /// It is on the disk that the command is about to be sent.
    std::function<bool(const std::string& serverKey, const emulator::Request& command)> isOnDisk;
    /// Another server than `server` runs it, and it is ours there.
    std::function<bool(const std::string& server, const albatross::Name& name)> runsElsewhere;
    std::function<void(const std::string& line)> tell;
  };
  Server(std::string name, World world, const emulator::Machine& machine);

  std::unique_ptr<albatross::Client> connect(albatross::Timeouts timeouts);

  const std::string& name() const { return name_; }
  emulator::Server& emulated() { return *emulated_; }
  const std::string& key() const { return key_; }

  // The network
  bool refuses = false;                                  // connections
  bool unreachable = false;                              // nothing comes through, nor back
  bool stalls = false;                                   // what is subscribed to: nothing more is told
  std::uint64_t connectionLife = 0;                      // all connections of another have ended
  std::deque<CallFault> mutationFaults, questionFaults;  // of the next calls
  std::string dumped;                                    // what was on the last volume of which it told that

  // The machine
  void pass(SystemTime now);
  /// It starts again, with what it wrote down now, or at some earlier time, or with nothing.
  enum class Remembers { All, Earlier, Nothing };
  void restart(Remembers remembers);
  /// Another machine stands behind the address; or the first one again.
  void exchange();
  bool isExchanged() const { return spare_ != nullptr && key_ != name_; }
  /// Somebody else has a command carried out.
  emulator::Answer submit(emulator::Request request);
  std::map<albatross::Name, albatross::UnikernelInfo> running();
  /// Of what runs.
  std::vector<std::pair<albatross::Name, albatross::data::Statistics>> statistics();

 private:
  class Client;
  friend class Call;

  emulator::State written() const;

  /// What was answered last to a question, and after how many changes.
  struct Told {
    emulator::Answer answer;
    std::uint64_t changes;
  };

  const std::string name_;
  const World world_;
  const emulator::Machine machine_;
  std::string key_;
  std::unique_ptr<emulator::Server> emulated_, spare_;
  std::optional<emulator::State> earlier_;
  std::map<std::pair<std::size_t, albatross::Name>, Told> told_;  // by the kind of question, and of what
  std::uint64_t calls_ = 0;
};

}  // namespace rookery::simulation
