#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "plan/desired.h"
#include "plan/observed.h"
#include "probe/target.h"
#include "reconcile/environment.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// Keeps the health checks of the unikernels of one instance: when each is due, and what came of it. One that
/// was not healthy yet is checked at once and then soon again, one that is healthy at its interval, and one
/// that is unhealthy less and less often. Owned by the instance's loop, and on its strand, to which what the
/// prober finds comes back.
class HealthChecks : public std::enable_shared_from_this<HealthChecks> {
 public:
  /// `environment` must outlive the strand's work. `changed`: all() says something else that somebody may
  /// wait for.
  HealthChecks(asio::any_io_executor strand, const Environment& environment, std::function<void()> changed);

  /// From now on those of `desired` are checked that run by `observed`, and no others. What is known of a
  /// former life of one, or by another check, is forgotten.
  void follow(const plan::Desired& desired, const plan::Observed& observed);
  /// What is known, of each that is checked.
  std::map<albatross::Name, plan::Health> all() const;
  /// Nothing is checked any more, and nobody told.
  void stop();

 private:
  struct Check {
    std::string instance;
    api::ObjectKey object;
    api::ObjectPtr declared;  // that the rest was made of
    probe::Target target;
    std::chrono::milliseconds interval{0};
    unsigned threshold = 1;
    std::optional<albatross::Time> started;  // its life
    std::uint64_t number = 0;                // of just this check of just this life
    SystemTime patientUntil;                 // it may still be starting
    SystemTime due;
    bool underWay = false;
    trace::Span span;       // while it is
    unsigned times = 0;     // that it was checked
    unsigned failures = 0;  // in a row
    plan::Health health;
  };

  void add(const plan::Desired& desired, const plan::DesiredUnikernel& unikernel, const albatross::Name& name,
           const albatross::UnikernelInfo& running);
  void schedule(const albatross::Name& name, Check& check, SystemTime due);
  void await();
  void startDue();
  void start(const albatross::Name& name, Check& check);
  void ended(const albatross::Name& name, std::uint64_t number, const Result<void>& result);
  std::chrono::milliseconds pauseAfter(const albatross::Name& name, const Check& check) const;

  const asio::any_io_executor strand_;
  const Environment& environment_;
  std::function<void()> changed_;  // empty: stopped
  clock::Timer timer_;
  std::map<albatross::Name, Check> checks_;
  std::set<std::pair<SystemTime, albatross::Name>> due_;  // of those that are not under way
  std::optional<SystemTime> awaited_;                     // the timer's
  std::uint64_t lastNumber_ = 0;
};

}  // namespace rookery::reconcile
