#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rookery::benchmark {

enum class Unit { Milliseconds, Seconds, MiB };

/// What was measured of one server. Every server has the same names in the same order; `value` absent: it has
/// no such thing.
struct Figure {
  std::string name;
  Unit unit;
  std::optional<double> value;
};
using Figures = std::vector<Figure>;

/// Measured times, of which a table shows the median and the 99th percentile (nearest rank).
class Times {
 public:
  void add(std::chrono::duration<double, std::milli> time) { milliseconds_.push_back(time.count()); }
  void writeTo(Figures& figures, const std::string& name) const;

 private:
  double percentile(double percent) const;
  std::vector<double> milliseconds_;
};

/// What a process has used until now.
struct Usage {
  double resident = 0;      // MiB, VmRSS
  double peakResident = 0;  // MiB, VmHWM
  double cpu = 0;           // seconds, of all its threads
};
/// Aborts when there is no such process.
Usage usageOf(pid_t process);

/// The figures side by side: `one`, `other`, and the ratio of the first to the second.
std::string table(const std::string& oneName, const Figures& one, const std::string& otherName,
                  const Figures& other);

}  // namespace rookery::benchmark
