#include "simulation/readers.h"

#include <utility>

#include "simulation/fleet.h"

namespace rookery::simulation {

using reconcile::VolumeDumps;

void Readers::dump(reconcile::Controller& controller, const std::string& server, const std::string& content) {
  auto opened = controller.dumps().open(volumeKey, server);
  if (!opened) return;
  dump_ = *std::move(opened);
  content_ = &content;
  bytes_.clear();
  heard_ = clock::Steady::now();
}

void Readers::follow(reconcile::Controller& controller, const api::ObjectKey& unikernel,
                     const std::string& server) {
  if (auto opened = controller.consoles().open(unikernel, server)) console_ = *std::move(opened);
}

void Readers::take() {
  if (dump_ != nullptr) takeDump();
  if (console_ != nullptr) takeLines();
}

void Readers::leave() {
  dump_.reset();
  console_.reset();
}

void Readers::takeDump() {
  constexpr auto patience = VolumeDumps::longestSilence + std::chrono::minutes(1);  // also to be connected
  const VolumeDumps::Piece piece = dump_->read({});
  if (!piece.bytes.empty()) heard_ = clock::Steady::now();
  bytes_ += piece.bytes;
  if (piece.whole && bytes_ != *content_) judge_.violated("what is told of a volume is not what is on it");
  if (piece.whole) ++tally_.whole;
  if (piece.failed) ++tally_.broken;
  if (piece.whole || piece.failed) {
    dump_.reset();
  } else if (clock::Steady::now() > heard_ + patience) {
    judge_.violated("who saves a volume waits for nothing");
  }
}

void Readers::takeLines() {
  const reconcile::Consoles::Lines read = console_->read({});
  for (const auto& line : read.lines) judge_.checkSecrecy(line.text);
  tally_.lines += read.lines.size();
  if (!read.ended) return;
  ++tally_.ended;
  console_.reset();
}

}  // namespace rookery::simulation
