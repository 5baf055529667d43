#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulator/server.h"
#include "plan/desired.h"
#include "unit/plan/known.h"
#include "unit/plan/scene.h"

namespace rookery::simulation {

using api::SystemTime;

/// What the simulation found wrong; the message says what happened when.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One instance's reconciliation against an emulated server, in a time and with a fate of its own: the same
/// seed is the same history. What the controller decides is the product's (plan, sending, committing,
/// answered); the order in which it is written down and sent is the one of InstanceLoop. Everything that the
/// controller knows but for its inventory is lost whenever it dies, which it does between any two of those.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed);

  /// A history of changes and faults, then peace: throws a Violation unless everything is as declared in the
  /// end, and stays so without another command.
  void run();

 private:
  struct Crash {};  // the controller dies

  // The world's side
  void mishap();
  void editManifests();
  void interfere();
  void reboot();
  void advance(SystemTime::duration duration);
  emulator::Answer ask(emulator::Request request);
  std::optional<emulator::Answer> submit(emulator::Request request, std::chrono::milliseconds deadline);
  std::map<albatross::Name, albatross::UnikernelInfo> running();

  // The controller's side
  void live(SystemTime until);
  bool round();
  bool look(plan::Observed& observed);
  void die();
  void noteStrangers(const plan::Observed& observed);
  void take(const plan::Step& step, const plan::Observed& observed);
  albatross::CallResult send(const plan::Step& step);
  void persist(const plan::Inventory& inventory);
  void persistEntry(const albatross::Name& name);
  void mayCrash();
  bool chance(double probability);
  std::size_t pick(std::size_t count);

  // What must always hold, and what must hold in the end
  void checkStep(const plan::Step& step);
  void checkPeace();
  void checkAgain(const plan::Observed& observed, const plan::Memory& memory, const plan::Plan& plan);
  void fail(const std::string& what) const;

  void declareAll();
  void declare(const std::string& path,
               const std::function<void(api::Unikernel&, plan::DesiredUnikernel&)>& edit = {});
  void declarePolicy(const std::string& nameSpace, std::int64_t memory);

  std::mt19937_64 random_;
  double faults_ = 0.2;                        // how likely something goes wrong where it can
  std::map<std::string, std::string> images_;  // bytes by digest
  std::vector<image::Image> library_;

  emulator::Machine machine_;
  std::unique_ptr<emulator::Server> server_;
  std::optional<emulator::State> backup_;  // what a reboot brings back
  std::set<albatross::Name> foreign_;      // not ours, never to be touched
  std::map<albatross::Name, albatross::UnikernelInfo> foreignInfo_;
  std::int64_t meddled_ = 0;
  std::map<albatross::Name, std::int64_t> unseen_;     // what somebody started since a look was written down
  std::map<albatross::Name, std::int64_t> strangers_;  // and what was so when a new controller looked first

  std::optional<plan::Known> known_;  // by judging only what has to be
  SystemTime knownSince_;             // when all was judged
  plan::Scene scene_;                 // desired, volatile memory, time
  plan::Inventory disk_;
  std::optional<bool> diskRestartChangesMemory_;
  std::size_t writes_ = 0;  // to the disk
  bool looked_ = false;     // since the last step
  bool alive_ = false;      // the controller has looked since it began
  bool resting_ = false;    // the last look left nothing to do or to wait for
  SystemTime wake_;
  std::vector<std::string> history_;
};

}  // namespace rookery::simulation
