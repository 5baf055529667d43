#include "simulation/disturbance.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string_view>

namespace rookery::simulation {

namespace {

constexpr std::array<std::string_view, 4> kindWords = {"Killed", "PowerCut", "Mutation", "Question"};
constexpr std::array<std::string_view, CallFault::kinds> faultWords = {
    "None", "StallConnecting", "Cut", "StallStream", "LoseCommand", "LoseReply", "StallReply", "Stale"};

}  // namespace

std::string Disturbance::toString() const {
  const std::string_view word = kindWords.at(static_cast<std::size_t>(kind));
  if (kind == Kind::Killed || kind == Kind::PowerCut) return fmt::format("{}@{}", word, at);
  return fmt::format("{}@{}:{}/{}", word, at, faultWords.at(static_cast<std::size_t>(fault.kind)),
                     fault.frames);
}

std::size_t Moments::of(Disturbance::Kind kind) const {
  if (kind == Disturbance::Kind::Mutation) return mutations;
  return kind == Disturbance::Kind::Question ? questions : lives;
}

void Disturbances::arm(std::vector<Disturbance> these) {
  armed_.assign(these.begin(), these.end());
  moments_ = {};
}

bool Disturbances::strikes(Disturbance::Kind kind, std::size_t now) {
  return !armed_.empty() && armed_.front().kind == kind && armed_.front().at == now;
}

std::optional<Disturbance::Kind> Disturbances::live() {
  const std::size_t now = moments_.lives++;
  for (const auto kind : {Disturbance::Kind::Killed, Disturbance::Kind::PowerCut}) {
    if (!strikes(kind, now)) continue;
    armed_.pop_front();
    moments_ = {};
    return kind;
  }
  return std::nullopt;
}

CallFault Disturbances::call(bool mutation) {
  const auto kind = mutation ? Disturbance::Kind::Mutation : Disturbance::Kind::Question;
  const std::size_t now = mutation ? moments_.mutations++ : moments_.questions++;
  if (!strikes(kind, now)) return {};
  const CallFault fault = armed_.front().fault;
  armed_.pop_front();
  moments_ = {};
  return fault;
}

}  // namespace rookery::simulation
