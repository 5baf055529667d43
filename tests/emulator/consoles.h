#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "albatross/wire.h"
#include "emulator/tree.h"

namespace rookery::emulator {

/// What guests have printed: the last lines of each name, kept when its guest has ended, and who reads on.
/// Not thread-safe.
class Consoles {
 public:
  using Line = albatross::data::Console;
  /// Called with each further line; with null when a newer reader has taken the place.
  using Reader = std::function<void(const Line*)>;

  static constexpr std::size_t mostLines = 1024;  // of one name
  static constexpr std::size_t mostReaders = 5;   // of one name; one more ends the oldest

  /// There is a console of that name from now on.
  void add(const albatross::Name& name) { ring(name).known = true; }
  void print(const albatross::Name& name, albatross::Time time, std::string line);

  struct Subscription {
    std::uint64_t reader = 0;
    std::vector<Line> replay;  // the last lines, or those since a time, oldest first
  };
  Subscription subscribe(const albatross::Name& name, std::variant<albatross::Time, std::int64_t> from,
                         Reader reader);
  void unsubscribe(const albatross::Name& name, std::uint64_t reader);
  std::size_t readers(const albatross::Name& name) const;
  /// Whether something of that name has run.
  bool known(const albatross::Name& name) const;

  /// Of whose names something is kept, without those for which `runs` is true; relative to `path`.
  std::vector<albatross::Name> inactive(const Path& path,
                                        const std::function<bool(const albatross::Name&)>& runs) const;

 private:
  struct Ring {
    std::deque<Line> lines;
    bool known = false;
    std::map<std::uint64_t, Reader> readers;  // the oldest first
  };
  Ring& ring(const albatross::Name& name);
  Tree<Ring> rings_;
  std::uint64_t lastReader_ = 0;
};

}  // namespace rookery::emulator
