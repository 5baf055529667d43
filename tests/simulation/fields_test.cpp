#include "simulation/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/bench.h"
#include "simulation/settings.h"

namespace rookery::simulation {
namespace {

using nlohmann::json;

/// Takes a field from one value to another, to what cannot be, and back.
class FieldTrial {
 public:
  /// `whole`: with all mistakes and edges, or some mistakes only.
  FieldTrial(const Field& field, bool whole) : field_(field), cases_(field) {
    if (whole) return;
    cases_.edges.clear();
    if (cases_.wrong.size() > 2) cases_.wrong = {cases_.wrong.front(), cases_.wrong.back()};
  }

  void run() {
    if (cases_.values.empty()) {
      wrong("No value of it can be made: say in field_hints.cpp what it can be set to.");
      return;
    }
    for (const json& value : cases_.values) startWith(value);
    begin();
    for (std::size_t i = 0; i < cases_.values.size(); ++i) reach(i);
    for (const json& value : cases_.wrong) mistake(value);
    recover();
    for (const json& value : cases_.vain) vain(value), recover();
    for (const json& value : cases_.edges) edge(value), recover();
    end();
    checkShows();
    tally_ += bench_->tally();
  }

  const Tally& tally() const { return tally_; }
  const std::vector<std::string>& wrongs() const { return wrongs_; }

 private:
  using Outcome = Bench::Outcome;

  /// What there is where it is set to that at first, or after a mistake.
  void startWith(const json& value) {
    Bench bench;
    bench_ = &bench;
    if (!fresh_.empty())
      declare(cases_.with(cases_.wrong.front()), "a mistake at first", Bench::Patience::Short);
    const Outcome outcome = declare(cases_.with(value), "set at first to " + shown(value));
    expectReady(outcome);
    fresh_.push_back(outcome.there);
    tally_ += bench.tally();
    bench_ = nullptr;
  }

  void begin() {
    own_ = std::make_unique<Bench>();
    bench_ = own_.get();
    unset_ = declare(cases_.without(), "not set at first");
    if (!unset_.ready()) expectNamed(unset_);
    last_ = unset_;
  }

  void reach(std::size_t which) {
    const bool begins = !last_.ready();
    const Outcome outcome =
        declare(cases_.with(cases_.values[which]), "set to " + shown(cases_.values[which]));
    expectReady(outcome);
    if (!cases_.leaves && outcome.there != fresh_[which])
      wrong(fmt::format("It ends with\n{}where it would, set at first, with\n{}", outcome.there,
                        fresh_[which]));
    if (cases_.quiet && !begins && outcome.commands > 0) wrong("Something is sent for it.");
    now_ = which;
    last_ = outcome;
  }

  void recover() { reach((now_ + 1) % cases_.values.size()); }

  void mistake(const json& value) {
    const Outcome outcome =
        declare(cases_.with(value), "set by mistake to " + shown(value), Bench::Patience::Short);
    const bool named = std::ranges::any_of(outcome.problems, [this](const api::Problem& problem) {
      const std::string at = Field{.path = withoutPlaces(problem.field)}.name();
      return at.starts_with(field_.name()) || (!cases_.told.empty() && at.contains(cases_.told));
    });
    if (!named) wrong("No problem names it.");
    const std::string subject = cases_.subject().toString() + ": ";
    const bool said = field_.kind == api::Kind::Secret || says(outcome, subject, field_.name()) ||
                      (!cases_.told.empty() && says(outcome, subject, cases_.told));
    if (!said) wrong("No condition names it.");
    expectUntouched(outcome);
  }

  void vain(const json& value) {
    const Outcome outcome = declare(cases_.with(value), "set in vain to " + shown(value));
    if (outcome.ready()) wrong("All is Ready, although that cannot be had.");
    expectNamed(outcome);
    expectUntouched(outcome);
  }

  void edge(const json& value) {
    const Outcome outcome = declare(cases_.with(value), "set to the edge " + shown(value));
    if (outcome.ready()) return;
    expectNamed(outcome);
  }

  void end() {
    const Outcome outcome = declare(cases_.without(), "not set any more");
    if (unset_.ready()) {
      expectReady(outcome);
      if (!cases_.leaves && outcome.there != unset_.there)
        wrong(fmt::format("It ends with\n{}where it began with\n{}", outcome.there, unset_.there));
      if (cases_.quiet && outcome.commands > 0) wrong("Something is sent for it.");
    } else {
      expectNamed(outcome);
      expectUntouched(outcome);
    }
  }

  /// A field that nothing comes of is one that was forgotten.
  void checkShows() {
    const bool alike =
        std::ranges::all_of(fresh_, [&](const auto& there) { return there == fresh_.front(); });
    const bool alone = fresh_.size() == 1;
    if (alike && !alone && !cases_.quiet)
      wrong("Nothing comes of it: is it forgotten? If no server is to see it, say so in field_hints.cpp.");
  }

  Outcome declare(const std::vector<json>& documents, std::string what,
                  Bench::Patience patience = Bench::Patience::Long) {
    what_ = std::move(what);
    ++tally_.cases;
    bench_->declare(documents);
    Outcome outcome = bench_->settle(patience);
    if (bench_->wrong()) wrong("What must always hold does not.");
    return outcome;
  }

  void expectReady(const Outcome& outcome) {
    if (cases_.pulled && says(outcome, "", "is not pulled")) return;
    if (!outcome.ready())
      wrong(fmt::format("Not all is Ready: {}\n{}", *outcome.unrest, fmt::join(outcome.told, "\n")));
  }

  /// What was there before still is.
  void expectUntouched(const Outcome& outcome) {
    if (outcome.there != last_.there || outcome.commands > 0)
      wrong(fmt::format("It ends with\n{}where there was\n{}", outcome.there, last_.there));
  }

  /// Somebody is told of the field, or of what it is part of.
  void expectNamed(const Outcome& outcome) {
    std::string name = field_.name();
    if (field_.kind == api::Kind::Secret) name = cases_.subject().toString();
    bool named = says(outcome, "", name) || (!cases_.told.empty() && says(outcome, "", cases_.told));
    while (!named && std::ranges::count(name, '.') > 1) {
      name.erase(name.rfind('.'));
      named = says(outcome, "", name);
    }
    if (!named) wrong(fmt::format("Nobody is told of {}:\n{}", name, fmt::join(outcome.told, "\n")));
  }

  static bool says(const Outcome& outcome, const std::string& of, const std::string& name) {
    return std::ranges::any_of(
        outcome.told, [&](const std::string& line) { return line.starts_with(of) && line.contains(name); });
  }

  static std::string withoutPlaces(std::string path) {
    for (std::size_t at = path.find('['); at != std::string::npos; at = path.find('['))
      path.erase(at, path.find(']', at) + 1 - at);
    return path;
  }

  static std::string shown(const json& value) {
    std::string text = value.dump();
    return text.size() > 100 ? text.substr(0, 100) + "…" : text;
  }

  void wrong(const std::string& what) {
    ++tally_.violations;
    wrongs_.push_back(fmt::format("{}\n{}\n{}", what_, what, bench_ == nullptr ? "" : bench_->story()));
  }

  const Field& field_;
  FieldCases cases_;
  std::vector<std::string> fresh_;  // of each value: what there is where it is set at first
  std::unique_ptr<Bench> own_;
  Bench* bench_ = nullptr;
  Outcome unset_, last_;
  std::size_t now_ = 0;  // which value is set
  std::string what_;     // is being tried
  Tally tally_;
  std::vector<std::string> wrongs_;
};

class EveryField : public testing::TestWithParam<Field> {};

/// ROOKERY_SIMULATION_DEPTH=1: with every mistake, and with the least and the most that it can be.
TEST_P(EveryField, IsReachedOrNamedAndRecoversFromMistakes) {
  FieldTrial trial(GetParam(), environment("ROOKERY_SIMULATION_DEPTH", "0") != "0");
  trial.run();
  for (const std::string& wrong : trial.wrongs()) ADD_FAILURE() << wrong;
  report(trial.tally());
}

INSTANTIATE_TEST_SUITE_P(Fields, EveryField, testing::ValuesIn(everyField()), [](const auto& test) {
  std::string name = fmt::format("{}_{}", api::toString(test.param.kind), test.param.path);
  for (const auto& [mark, word] : {std::pair("[]", "_item"), std::pair("{}", "_any"), std::pair(".", "_")}) {
    for (std::size_t at = name.find(mark); at != std::string::npos; at = name.find(mark))
      name.replace(at, std::string_view(mark).size(), word);
  }
  return name;
});

}  // namespace
}  // namespace rookery::simulation
