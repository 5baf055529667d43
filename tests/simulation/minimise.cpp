#include "simulation/minimise.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <vector>

#include "simulation/world.h"

namespace rookery::simulation {

namespace {

constexpr unsigned longest = 60;  // seconds of a run

Replay with(const Replay& replay, const std::vector<std::size_t>& places) {
  return {replay.seed, std::set<std::size_t>(places.begin(), places.end())};
}

}  // namespace

/// Leaves out as many at a time as can be, then half as many, down to single ones.
Replay minimised(Replay replay, const std::function<bool(const Replay&)>& goesWrong) {
  std::vector<std::size_t> places;
  if (replay.only) {
    places.assign(replay.only->begin(), replay.only->end());
  } else {
    for (std::size_t i = 0; i < historyOf(replay.seed).size(); ++i) places.push_back(i);
  }
  for (std::size_t piece = std::max<std::size_t>(places.size() / 2, 1); !places.empty();) {
    bool shorter = false;
    for (std::size_t begin = 0; begin < places.size();) {
      std::vector<std::size_t> rest = places;
      const auto first = rest.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto left = static_cast<std::size_t>(std::distance(first, rest.end()));
      rest.erase(first, first + static_cast<std::ptrdiff_t>(std::min(piece, left)));
      if (goesWrong(with(replay, rest))) {
        places = std::move(rest);
        shorter = true;
      } else {
        begin += piece;
      }
    }
    if (piece == 1 && !shorter) break;
    piece = std::max<std::size_t>(piece / 2, 1);
  }
  return with(replay, places);
}

bool goesWrong(const Replay& replay) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  check(child >= 0, "a process can be started");
  if (child == 0) {
    ::alarm(longest);
    try {
      World().run(replay.actions());
    } catch (const Wrong& wrong) {
      std::fprintf(stderr, "%s: %s\n", replay.toString().c_str(), wrong.what());
      std::fflush(nullptr);
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  check(::waitpid(child, &status, 0) == child, "a child ends");
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

}  // namespace rookery::simulation
