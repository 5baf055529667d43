#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "albatross/client/client.h"
#include "emulator/server.h"
#include "simulation/referee.h"

namespace rookery::simulation {

/// What goes wrong with one call.
struct CallFault {
  enum class Kind {
    None,
    StallConnecting,  // the handshake never comes to its end
    Cut,              // the connection breaks after so many frames of an image, or before the command
    StallStream,      // no more frames are taken after so many
    LoseCommand,      // the connection breaks when all has been sent, before it has arrived
    LoseReply,        // the same when it was carried out
    StallReply,       // it is carried out, and no answer ever comes
  };
  static constexpr int kinds = 7;
  Kind kind = Kind::None;
  int frames = 0;
};

/// An emulated server at the other end of a network without sockets: calls take their time, are broken off
/// and run into the product's deadlines as those of the real client do.
class Server {
 public:
  struct World {
    Referee& referee;
    std::function<SystemTime()> now;
    /// A moment at which the controller may die; false: it has.
    std::function<bool()> survives;
    /// It is on the disk that the command is about to be sent.
    std::function<bool(const std::string& serverKey, const emulator::Request& command)> isOnDisk;
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

  const std::string name_;
  const World world_;
  const emulator::Machine machine_;
  std::string key_;
  std::unique_ptr<emulator::Server> emulated_, spare_;
  std::optional<emulator::State> earlier_;
  std::uint64_t calls_ = 0;
};

}  // namespace rookery::simulation
