#include "reconcile/health.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <functional>
#include <utility>
#include <variant>

#include "api/expand.h"

namespace rookery::reconcile {

namespace {

using std::chrono::milliseconds;

/// Before the second check of one that was not healthy yet; twice that before the third, and so on.
constexpr milliseconds firstPause{250}, longestStartPause{2'000};
/// A check that takes longer has failed.
constexpr milliseconds longestCheck{5'000};
/// How many times the interval there are at most between two checks of one that stays unhealthy.
constexpr unsigned mostIntervals = 4;

/// What is asked on one instance: $(INSTANCE_NAME) and the like mean there what they mean in arguments.
struct ToTarget {
  const std::map<std::string, std::string>& variables;

  std::string expanded(const std::string& text) const {
    return text.contains('$') ? api::expand(text, variables) : text;
  }
  probe::Target operator()(const api::HttpCheck& http) const {
    const auto status =
        http.expectedStatus ? std::optional(static_cast<int>(*http.expectedStatus)) : std::nullopt;
    return probe::Http{.url = expanded(http.url), .expectedStatus = status, .insecure = http.insecure};
  }
  probe::Target operator()(const api::TcpCheck& tcp) const {
    return probe::Tcp{.address = expanded(tcp.address)};
  }
  probe::Target operator()(const api::DnsCheck& dns) const {
    return probe::Dns{.server = expanded(dns.server), .name = dns.name, .type = dns.type};
  }
};

/// Not where it is: an address may have a password in it.
struct NameOfTarget {
  std::string_view operator()(const probe::Http& /*http*/) const { return "http"; }
  std::string_view operator()(const probe::Tcp& /*tcp*/) const { return "tcp"; }
  std::string_view operator()(const probe::Dns& /*dns*/) const { return "dns"; }
};

/// ±10 % by the name, so that many that began together do not stay together.
milliseconds spread(milliseconds pause, const albatross::Name& name) {
  const auto part = static_cast<std::int64_t>(std::hash<std::string>{}(name.toString()) % 201) - 100;
  return pause + pause * part / 1000;
}

}  // namespace

HealthChecks::HealthChecks(asio::any_io_executor strand, const Environment& environment,
                           std::function<void()> changed)
    : strand_(std::move(strand)), environment_(environment), changed_(std::move(changed)), timer_(strand_) {}

void HealthChecks::follow(const plan::Desired& desired, const plan::Observed& observed) {
  if (!environment_.probe || !changed_) return;
  std::map<albatross::Name, Check> before = std::exchange(checks_, {});
  due_.clear();
  awaited_.reset();
  for (const auto& [key, unikernel] : desired.unikernels) {
    const api::Unikernel& spec = unikernel.spec();
    if (!spec.healthCheck || spec.suspend || desired.spec().suspend) continue;
    const albatross::Name name = desired.nameOf(key, observed.base);
    const auto running = observed.unikernels.find(name);
    if (running == observed.unikernels.end()) continue;
    const auto known = before.find(name);
    const bool same = known != before.end() && known->second.started == running->second.started;
    if (same && known->second.declared == unikernel.object) {
      const Check& check = checks_.emplace(name, std::move(known->second)).first->second;
      if (!check.underWay) due_.emplace(check.due, name);
      continue;
    }
    add(desired, unikernel, name, running->second);
    Check& added = checks_.at(name);
    const bool goesOn = same && known->second.target == added.target;
    if (goesOn) {  // another manifest says the same of this
      added.health = known->second.health;
      added.times = known->second.times;
      added.failures = known->second.failures;
    }
  }
  await();
}

void HealthChecks::add(const plan::Desired& desired, const plan::DesiredUnikernel& unikernel,
                       const albatross::Name& name, const albatross::UnikernelInfo& running) {
  const api::HealthCheck& wanted = *unikernel.spec().healthCheck;
  Check& check = checks_[name];
  check.instance = desired.name();
  check.object = unikernel.object->key();
  check.declared = unikernel.object;
  check.target = std::visit(
      ToTarget{api::instanceVariables(desired.name(), desired.instance->metadata.labels)}, wanted.target);
  check.interval = wanted.interval;
  check.threshold = static_cast<unsigned>(wanted.failureThreshold);
  check.started = running.started;
  check.number = ++lastNumber_;
  check.patientUntil = environment_.now() + wanted.timeout;
  schedule(name, check, environment_.now());
}

std::map<albatross::Name, plan::Health> HealthChecks::all() const {
  std::map<albatross::Name, plan::Health> all;
  for (const auto& [name, check] : checks_) all.emplace_hint(all.end(), name, check.health);
  return all;
}

void HealthChecks::stop() {
  changed_ = nullptr;
  checks_.clear();
  due_.clear();
  timer_.cancel();
}

void HealthChecks::schedule(const albatross::Name& name, Check& check, SystemTime due) {
  check.due = due;
  due_.emplace(due, name);
}

/// Waits for what is due first, unless that is awaited.
void HealthChecks::await() {
  if (due_.empty() || (awaited_ && *awaited_ <= due_.begin()->first)) return;
  awaited_ = due_.begin()->first;
  timer_.expires_after(std::max(*awaited_ - environment_.now(), SystemTime::duration::zero()));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    const auto self = weak.lock();
    if (!self || cancelled) return;
    self->awaited_.reset();
    self->startDue();
  });
}

void HealthChecks::startDue() {
  const SystemTime now = environment_.now();
  while (!due_.empty() && due_.begin()->first <= now) {
    const albatross::Name name = due_.begin()->second;
    due_.erase(due_.begin());
    start(name, checks_.at(name));
  }
  await();
}

void HealthChecks::start(const albatross::Name& name, Check& check) {
  check.underWay = true;
  check.span = trace::begin(environment_.tracer, {}, "probe", trace::SpanKind::Client);
  if (check.span) {
    check.span.set("rookery.instance", check.instance);
    check.span.set("rookery.object.namespace", check.object.nameSpace);
    check.span.set("rookery.object.name", check.object.name);
    check.span.set("rookery.probe", std::string(std::visit(NameOfTarget(), check.target)));
  }
  // It comes back to the strand, where this may have ended by then.
  auto done = [weak = weak_from_this(), strand = strand_, name, number = check.number](Result<void> result) {
    asio::post(strand, [weak, name, number, result = std::move(result)] {
      if (const auto self = weak.lock()) self->ended(name, number, result);
    });
  };
  environment_.probe(check.target, std::min(check.interval, longestCheck), std::move(done));
}

void HealthChecks::ended(const albatross::Name& name, std::uint64_t number, const Result<void>& result) {
  const auto found = checks_.find(name);
  if (found == checks_.end() || found->second.number != number) return;
  Check& check = found->second;
  const plan::Health before = check.health;
  check.underWay = false;
  ++check.times;
  if (result) {
    check.failures = 0;
    check.health = {.state = plan::Health::State::Healthy, .wasHealthy = true};
  } else {
    ++check.failures;
    check.health.failure = result.error().message;
    if (check.failures >= check.threshold) check.health.state = plan::Health::State::Unhealthy;
  }
  if (!result) check.span.fail(toString(result.error().reason), result.error().message);
  check.span.end();
  environment_.listener.healthChecked(check.instance, check.object, result.has_value());
  schedule(name, check, environment_.now() + pauseAfter(name, check));
  await();
  // One that is healthy, and failed less often than would count, is not worth a look.
  const bool told = check.health.state != before.state ||
                    (check.health.state != plan::Health::State::Healthy && check.health != before);
  if (told && changed_) changed_();
}

milliseconds HealthChecks::pauseAfter(const albatross::Name& name, const Check& check) const {
  const auto doubled = [](milliseconds pause, unsigned times) { return pause * (1 << std::min(times, 16u)); };
  const bool starting = !check.health.wasHealthy && environment_.now() < check.patientUntil;
  if (starting) return std::min({check.interval, longestStartPause, doubled(firstPause, check.times - 1)});
  if (check.health.state != plan::Health::State::Unhealthy) return spread(check.interval, name);
  const unsigned beyond = check.failures - check.threshold;
  return spread(std::min(doubled(check.interval, beyond / check.threshold), check.interval * mostIntervals),
                name);
}

}  // namespace rookery::reconcile
