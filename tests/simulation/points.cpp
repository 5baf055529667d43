#include "simulation/points.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

namespace rookery::simulation {

namespace {

using Hit = Disturbance::Kind;
using Flaw = CallFault::Kind;

const api::ObjectKey theOne{api::Kind::Unikernel, "db", "main"};

Fleet::Unikernel& one(Fleet& fleet) { return fleet.unikernels.at(theOne); }

/// As long as it is not known what became of a command, there are only looks: ten minutes of them would be a
/// third of all that is simulated.
constexpr std::chrono::seconds shortStream{60};

/// One unikernel with a secret among its arguments, on the first of `servers`.
void shrink(Fleet& fleet, std::vector<std::string> servers = {"eu"}) {
  fleet.stream = shortStream;
  std::erase_if(fleet.unikernels, [](const auto& item) { return item.first != theOne; });
  if (fleet.unikernels.contains(theOne)) one(fleet).volume = false;
  fleet.volume.reset();
  fleet.policyMemory = {{"db", 512}};
  fleet.servers = std::move(servers);
}

/// One that is on both servers, or on either.
void shrinkTo(Fleet& fleet, const std::string& name) {
  fleet.stream = shortStream;
  std::erase_if(fleet.unikernels, [&](const auto& item) { return item.first.name != name; });
  fleet.volume.reset();
  fleet.policyMemory = {{"shop", 512}};
}

Fleet::Unikernel& first(Fleet& fleet) { return fleet.unikernels.begin()->second; }

/// What can go wrong at one moment.
const std::vector<Disturbance>& variants() {
  static const std::vector<Disturbance> all = [] {
    std::vector<Disturbance> made = {{.kind = Hit::Killed}, {.kind = Hit::PowerCut}};
    const auto add = [&](Hit kind, Flaw fault, int frames = 0) {
      made.push_back({.kind = kind, .fault = {fault, frames}});
    };
    for (const Flaw fault :
         {Flaw::StallConnecting, Flaw::Cut, Flaw::LoseReply, Flaw::StallReply, Flaw::Stale})
      add(Hit::Question, fault);
    for (const Flaw fault : {Flaw::StallConnecting, Flaw::LoseCommand, Flaw::LoseReply, Flaw::StallReply})
      add(Hit::Mutation, fault);
    for (const int frames : {0, 1}) {
      add(Hit::Mutation, Flaw::Cut, frames);
      add(Hit::Mutation, Flaw::StallStream, frames);
    }
    return made;
  }();
  return all;
}

bool isCall(std::size_t number) {
  const Hit kind = disturbanceOf(number).kind;
  return kind == Hit::Mutation || kind == Hit::Question;
}

/// There is such a moment in one of them.
bool canStrike(std::size_t number, const std::array<World::Settled, 2>& both) {
  const Disturbance disturbance = disturbanceOf(number);
  return std::ranges::any_of(
      both, [&](const auto& each) { return disturbance.at < each.moments.of(disturbance.kind); });
}

/// None of what has this number or a higher one can.
std::size_t endOf(const std::array<World::Settled, 2>& both) {
  std::size_t most = 0;
  for (const auto& each : both)
    most = std::max({most, each.moments.lives, each.moments.mutations, each.moments.questions});
  return most * variants().size();
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      {.name = "Existence",
       .begin = [](Fleet& fleet) { shrink(fleet), fleet.unikernels.clear(); },
       .forth = [](Fleet& fleet) { fleet.declareAll(), shrink(fleet); },
       .back = [](Fleet& fleet) { fleet.unikernels.clear(); }},
      {.name = "Image",
       .begin = [](Fleet& fleet) { shrink(fleet); },
       .forth = [](Fleet& fleet) { one(fleet).image = 'b'; },
       .back = [](Fleet& fleet) { one(fleet).image = 'a'; }},
      {.name = "CheckedImage",
       .begin = [](Fleet& fleet) { shrink(fleet), one(fleet).checked = one(fleet).rollback = true; },
       .forth = [](Fleet& fleet) { one(fleet).image = 'b'; },
       .back = [](Fleet& fleet) { one(fleet).image = 'a'; }},
      {.name = "BadImage",
       .begin = [](Fleet& fleet) { shrink(fleet), one(fleet).checked = one(fleet).rollback = true; },
       .forth = [](Fleet& fleet) { one(fleet).image = Fleet::badImage; },
       .back = [](Fleet& fleet) { one(fleet).image = 'a'; }},
      {.name = "Arguments",
       .begin = [](Fleet& fleet) { shrink(fleet); },
       .forth = [](Fleet& fleet) { one(fleet).edit = 1; },
       .back = [](Fleet& fleet) { one(fleet).edit = 0; }},
      {.name = "Memory",
       .begin = [](Fleet& fleet) { shrink(fleet); },
       .forth = [](Fleet& fleet) { one(fleet).memory = 48; },
       .back = [](Fleet& fleet) { one(fleet).memory = 32; }},
      {.name = "Password",
       .begin = [](Fleet& fleet) { shrink(fleet); },
       .forth = [](Fleet& fleet) { fleet.password = 1; },
       .back = [](Fleet& fleet) { fleet.password = 0; }},
      {.name = "Policy",
       .begin = [](Fleet& fleet) { shrink(fleet); },
       .forth = [](Fleet& fleet) { fleet.policyMemory["db"] = 256; },
       .back = [](Fleet& fleet) { fleet.policyMemory["db"] = 512; }},
      {.name = "Volume",
       .begin = [](Fleet& fleet) { shrink(fleet); },
       .forth =
           [](Fleet& fleet) {
             fleet.volume = Fleet::Volume{.server = "eu"};
             one(fleet).volume = true;
           },
       .back =
           [](Fleet& fleet) {
             fleet.volume.reset();
             one(fleet).volume = false;
           },
       .after = Happening::StrangerRemovesVolume},
      {.name = "Content",
       .begin =
           [](Fleet& fleet) {
             shrink(fleet);
             fleet.volume = Fleet::Volume{.server = "eu"};
             one(fleet).volume = true;
           },
       .forth = [](Fleet& fleet) { fleet.volume->content = 'q'; },
       .back = [](Fleet& fleet) { fleet.volume->content = 'p'; }},
      {.name = "Place",
       .begin = [](Fleet& fleet) { shrink(fleet, {"eu", "us"}); },
       .forth = [](Fleet& fleet) { one(fleet).server = "us"; },
       .back = [](Fleet& fleet) { one(fleet).server = "eu"; }},
      {.name = "RollOut",
       .begin = [](Fleet& fleet) { shrinkTo(fleet, "twin"); },
       .forth = [](Fleet& fleet) { first(fleet).image = 'b'; },
       .back = [](Fleet& fleet) { first(fleet).image = 'a'; }},
      {.name = "BadRollOut",
       .begin = [](Fleet& fleet) { shrinkTo(fleet, "twin"); },
       .forth = [](Fleet& fleet) { first(fleet).image = Fleet::badImage; },
       .back = [](Fleet& fleet) { first(fleet).image = 'a'; }},
      {.name = "Replicas",
       .begin =
           [](Fleet& fleet) {
             shrinkTo(fleet, "twin"), first(fleet).checked = first(fleet).rollback = false;
           },
       .forth = [](Fleet& fleet) { first(fleet).placement = Fleet::Unikernel::Placement::Somewhere; },
       .back = [](Fleet& fleet) { first(fleet).placement = Fleet::Unikernel::Placement::Everywhere; }},
  };
  return all;
}

Disturbance disturbanceOf(std::size_t number) {
  Disturbance disturbance = variants().at(number % variants().size());
  disturbance.at = number / variants().size();
  return disturbance;
}

World::Settled Points::change(bool forth, const std::vector<std::size_t>& numbers) {
  std::vector<Disturbance> disturbances;
  std::ranges::transform(numbers, std::back_inserter(disturbances), disturbanceOf);
  World& here = world();
  here.change(forth ? scenario_.forth : scenario_.back);
  const World::Settled settled = here.settle(std::move(disturbances));
  if (!numbers.empty() && settled.left == 0) ++tally_.cases;
  std::string& expected = fixpoints_.at(forth ? 0 : 1);
  const std::string fixpoint = here.fixpoint();
  if (expected.empty()) expected = fixpoint;
  if (fixpoint != expected)
    throw Wrong(fmt::format("It ends with\n{}where it should with\n{}{}", fixpoint, expected,
                            fmt::join(here.story(), "\n")));
  return settled;
}

Points::Both Points::change(const std::vector<std::size_t>& numbers) {
  try {
    world().forget();
    const Both both = {change(true, numbers), change(false, numbers)};
    if (scenario_.after) world().apply({.what = *scenario_.after});
    return both;
  } catch (const Wrong& wrong) {
    wrongs_.push_back(fmt::format("{}\n\nAgain:  ROOKERY_SIMULATION_POINT={}:{}", wrong.what(),
                                  scenario_.name, fmt::join(numbers, ",")));
    ++tally_.violations;
    end();
    return calm_;
  }
}

/// In which all is calm.
World& Points::world() {
  if (world_ != nullptr) return *world_;
  world_ = std::make_unique<World>(scenario_.begin);
  world_->settle();
  return *world_;
}

void Points::end() {
  if (world_ == nullptr) return;
  Tally tally = world_->tally();
  tally.cases = tally.violations = 0;  // which are counted here
  tally_ += tally;
  world_.reset();
}

void Points::run(Depth depth) {
  constexpr std::size_t sample = 31;  // meets each way in which something goes wrong
  change({});
  calm_ = change({});
  const bool isShort = endOf(calm_) <= 60 * variants().size();  // else pairs take minutes
  for (std::size_t first = 0; first < endOf(calm_) && wrongs_.size() < mostWrongs; ++first) {
    if (!canStrike(first, calm_) || (depth == Depth::Sample && first % sample != 0)) continue;
    const Both after = change({first});
    if (depth == Depth::Two || (depth == Depth::TwoCalls && isCall(first) && isShort))
      goOn(first, after, depth);
  }
  end();
}

/// With all that can go wrong after the first.
void Points::goOn(std::size_t first, const Both& after, Depth depth) {
  constexpr std::size_t soon = 12;  // moments
  const std::size_t end = depth == Depth::Two ? endOf(after) : soon * variants().size();
  for (std::size_t second = 0; second < std::min(end, endOf(after)) && wrongs_.size() < mostWrongs;
       ++second) {
    if (canStrike(second, after) && (depth == Depth::Two || isCall(second))) change({first, second});
  }
}

void Points::run(const std::vector<std::size_t>& numbers) {
  change({});
  change({});
  change(numbers);
  end();
}

}  // namespace rookery::simulation
