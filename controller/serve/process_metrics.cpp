#include "serve/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

namespace rookery::serve {
namespace {

/// The fields of /proc/self/stat (proc(5)) that are shown, in the kernel's units.
struct Stat {
  double userTicks = 0;
  double systemTicks = 0;
  double startTicks = 0;  // after boot
  double virtualBytes = 0;
  double residentPages = 0;
};

std::optional<Stat> readStat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t nameEnd = line.rfind(')');  // the program's name may hold blanks and brackets
  if (nameEnd == std::string::npos) return std::nullopt;

  std::istringstream rest(line.substr(nameEnd + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  constexpr std::size_t firstField = 3;  // proc(5) counts from 1; the process id and the name are cut off
  const auto field = [&](std::size_t number) {
    return std::strtod(fields[number - firstField].c_str(), nullptr);
  };
  if (fields.size() <= 24 - firstField) return std::nullopt;
  return Stat{.userTicks = field(14),
              .systemTicks = field(15),
              .startTicks = field(22),
              .virtualBytes = field(23),
              .residentPages = field(24)};
}

/// When the machine was booted, in seconds since the epoch.
std::optional<double> readBootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<double> countOpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  double count = -1;  // listing the folder takes a descriptor itself
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++count;
  if (error) return std::nullopt;
  return count;
}

prometheus::MetricFamily family(const char* name, const char* help, double value,
                                prometheus::MetricType type = prometheus::MetricType::Gauge) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {name, help, type, {metric}};
}

}  // namespace

std::vector<prometheus::MetricFamily> processMetrics() {
  std::vector<prometheus::MetricFamily> families;
  const auto ticksPerSecond = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (const auto stat = readStat()) {
    families.push_back(family("process_cpu_seconds_total", "User and system CPU time spent, in seconds.",
                              (stat->userTicks + stat->systemTicks) / ticksPerSecond,
                              prometheus::MetricType::Counter));
    families.push_back(
        family("process_virtual_memory_bytes", "Size of virtual memory, in bytes.", stat->virtualBytes));
    families.push_back(family("process_resident_memory_bytes", "Size of resident memory, in bytes.",
                              stat->residentPages * static_cast<double>(sysconf(_SC_PAGESIZE))));
    if (const auto bootTime = readBootTime()) {
      families.push_back(family("process_start_time_seconds",
                                "Start time of the process, in seconds since the Unix epoch.",
                                *bootTime + stat->startTicks / ticksPerSecond));
    }
  }
  if (const auto count = countOpenFiles()) {
    families.push_back(family("process_open_fds", "Number of open file descriptors.", *count));
  }
  if (rlimit limit{}; getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(family("process_max_fds", "Highest number of open file descriptors.",
                              static_cast<double>(limit.rlim_cur)));
  }
  return families;
}

}  // namespace rookery::serve
