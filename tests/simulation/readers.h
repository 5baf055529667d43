#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "clock/clock.h"
#include "reconcile/controller.h"

namespace rookery::simulation {

/// Somebody who saves what is on a volume, and somebody who reads what a unikernel prints, of the controller
/// that there is.
class Readers {
 public:
  struct Judge {
    std::function<void(std::string_view)> checkSecrecy;  // of what is told
    std::function<void(const std::string&)> violated;
  };
  explicit Readers(Judge judge) : judge_(std::move(judge)) {}

  /// Each in the place of the one before, if there still is one. `content`: what the server began to give at
  /// last, to be held against what comes.
  void dump(reconcile::Controller& controller, const std::string& server, const std::string& content);
  void follow(reconcile::Controller& controller, const api::ObjectKey& unikernel, const std::string& server);
  /// Takes what has come until now.
  void take();
  /// Nobody reads any more: before the controller goes.
  void leave();
  bool reading() const { return dump_ != nullptr || console_ != nullptr; }

  struct Tally {
    std::size_t whole = 0, broken = 0;  // dumps
    std::size_t lines = 0, ended = 0;   // of consoles, and how many ended by themselves
  };
  const Tally& tally() const { return tally_; }

 private:
  void takeDump();
  void takeLines();

  const Judge judge_;
  std::unique_ptr<reconcile::VolumeDumps::Reader> dump_;
  const std::string* content_ = nullptr;
  std::string bytes_;
  clock::Steady::time_point heard_;
  std::unique_ptr<reconcile::Consoles::Reader> console_;
  Tally tally_;
};

}  // namespace rookery::simulation
