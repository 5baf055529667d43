#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "simulation/call_fault.h"

namespace rookery::simulation {

/// One thing that goes wrong at a certain one of the moments at which it can.
struct Disturbance {
  enum class Kind { Killed, PowerCut, Mutation, Question };
  Kind kind = Kind::Killed;
  std::size_t at = 0;    // after so many other moments at which it could have been
  CallFault fault = {};  // of a mutation or a question
  std::string toString() const;
};

/// How many moments there were at which something could have gone wrong: when the controller touched a server
/// or a disk, and with which calls.
struct Moments {
  std::size_t lives = 0, mutations = 0, questions = 0;
  /// Of one kind.
  std::size_t of(Disturbance::Kind kind) const;
};

/// What is to go wrong, one after the other: each is counted from where the one before has struck.
class Disturbances {
 public:
  void arm(std::vector<Disturbance> these);
  void disarm() { arm({}); }

  /// A moment at which the controller may die: what is to become of it, if it is time.
  std::optional<Disturbance::Kind> live();
  /// A call that is about to begin.
  CallFault call(bool mutation);

  /// Since something was armed or has struck.
  const Moments& moments() const { return moments_; }
  std::size_t left() const { return armed_.size(); }

 private:
  bool strikes(Disturbance::Kind kind, std::size_t now);

  std::deque<Disturbance> armed_;
  Moments moments_;
};

}  // namespace rookery::simulation
