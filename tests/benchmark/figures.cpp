#include "benchmark/figures.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "error.h"
#include "fixtures/temp_dir.h"

namespace rookery::benchmark {

namespace {

double mebibytes(const std::string& status, const std::string& name) {
  const auto at = status.find("\n" + name + ":");
  check(at != std::string::npos, "/proc/PID/status tells a process' memory");
  return std::stod(status.substr(at + name.size() + 2)) / 1024;
}

double cpuSeconds(const std::string& stat) {
  // The name before may have any character in it; after it, utime and stime are the 12th and 13th.
  std::istringstream rest(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) rest >> skipped;
  double user = 0, system = 0;
  rest >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::string shown(const Figure& figure) {
  if (!figure.value) return "-";
  const char* unit = figure.unit == Unit::Milliseconds ? "ms" : figure.unit == Unit::Seconds ? "s" : "MiB";
  return fmt::format("{:.{}f} {:<3}", *figure.value, *figure.value < 100 ? 2 : 0, unit);
}

std::string ratio(const Figure& one, const Figure& other) {
  if (!one.value || !other.value || *other.value <= 0) return "-";
  return fmt::format("{:.2f}", *one.value / *other.value);
}

}  // namespace

double Times::percentile(double percent) const {
  std::vector<double> sorted = milliseconds_;
  std::ranges::sort(sorted);
  const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(sorted.size())));
  return sorted.at(std::max<std::size_t>(rank, 1) - 1);
}

void Times::writeTo(Figures& figures, const std::string& name) const {
  figures.push_back({name + ", p50", Unit::Milliseconds, percentile(50)});
  figures.push_back(
      {fmt::format("{}, p99 of {}", name, milliseconds_.size()), Unit::Milliseconds, percentile(99)});
}

Usage usageOf(pid_t process) {
  const std::string folder = fmt::format("/proc/{}/", process);
  const std::string status = fixtures::readFile(folder + "status");
  return {mebibytes(status, "VmRSS"), mebibytes(status, "VmHWM"),
          cpuSeconds(fixtures::readFile(folder + "stat"))};
}

std::string table(const std::string& oneName, const Figures& one, const std::string& otherName,
                  const Figures& other) {
  check(one.size() == other.size(), "the same was measured of both");
  std::string text = fmt::format("{:<62} {:>14} {:>16} {:>7}\n", "", oneName, otherName, "ratio");
  for (std::size_t i = 0; i < one.size(); ++i) {
    check(one[i].name == other[i].name, "the same was measured of both");
    text += fmt::format("{:<62} {:>14} {:>16} {:>7}\n", one[i].name, shown(one[i]), shown(other[i]),
                        ratio(one[i], other[i]));
  }
  return text;
}

}  // namespace rookery::benchmark
