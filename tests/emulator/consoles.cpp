#include "emulator/consoles.h"

#include <algorithm>
#include <utility>

namespace rookery::emulator {

using albatross::Name;
using albatross::Time;

Consoles::Ring& Consoles::ring(const Name& name) {
  if (rings_.find(name) == nullptr) rings_.insertOrReplace(name, {});
  return *rings_.find(name);
}

void Consoles::print(const Name& name, Time time, std::string line) {
  add(name);
  Ring& ring = this->ring(name);
  ring.lines.push_back({time, std::move(line)});
  if (ring.lines.size() > mostLines) ring.lines.pop_front();
  for (const auto& [id, reader] : ring.readers) reader(&ring.lines.back());
}

Consoles::Subscription Consoles::subscribe(const Name& name, std::variant<Time, std::int64_t> from,
                                           Reader reader) {
  Ring& ring = this->ring(name);
  auto first = ring.lines.begin();
  if (const auto* since = std::get_if<Time>(&from)) {
    first = std::ranges::find_if(ring.lines, [&](const Line& line) { return line.timestamp >= *since; });
  } else {
    const auto size = static_cast<std::int64_t>(ring.lines.size());
    first += size - std::clamp<std::int64_t>(std::get<std::int64_t>(from), 0, size);
  }
  if (ring.readers.size() >= mostReaders) {
    const auto oldest = ring.readers.extract(ring.readers.begin());
    oldest.mapped()(nullptr);
  }
  const std::uint64_t id = ++lastReader_;
  ring.readers.emplace(id, std::move(reader));
  return {id, {first, ring.lines.end()}};
}

void Consoles::unsubscribe(const Name& name, std::uint64_t reader) {
  if (Ring* ring = rings_.find(name)) ring->readers.erase(reader);
}

std::size_t Consoles::readers(const Name& name) const {
  const Ring* ring = rings_.find(name);
  return ring == nullptr ? 0 : ring->readers.size();
}

bool Consoles::known(const Name& name) const {
  const Ring* ring = rings_.find(name);
  return ring != nullptr && ring->known;
}

std::vector<Name> Consoles::inactive(const Path& path, const std::function<bool(const Name&)>& runs) const {
  std::vector<Name> names;
  for (const auto& ring : rings_.below(path)) {
    if (ring.value->known && !runs(ring.name)) names.push_back(ring.relative);
  }
  return names;
}

}  // namespace rookery::emulator
