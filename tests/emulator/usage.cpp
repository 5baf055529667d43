#include "emulator/usage.h"

#include <algorithm>
#include <chrono>

namespace rookery::emulator {

namespace {

constexpr std::int64_t pagesPerMegabyte = 256;
constexpr std::int64_t kibibytesPerPage = 4;

albatross::Timeval toTimeval(std::chrono::microseconds time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.count(), (time - seconds).count()};
}

albatross::IfData interfaceOf(const albatross::Bridge& bridge, std::int64_t milliseconds) {
  albatross::IfData data;
  data.bridge = hostDevice(bridge);
  data.mtu = 1500;
  data.inputBytes = milliseconds;
  data.inputPackets = milliseconds / 100;
  data.outputBytes = 3 * milliseconds;
  data.outputPackets = milliseconds / 50;
  return data;
}

}  // namespace

albatross::data::Statistics usageOf(const Unikernel& unikernel, albatross::Time now) {
  const std::chrono::milliseconds age = std::max(now - unikernel.started, std::chrono::milliseconds(0));
  const std::int64_t pages = unikernel.configuration.arguments.memory * pagesPerMegabyte / 4;
  albatross::data::Statistics statistics;
  albatross::Rusage& rusage = statistics.rusage;
  rusage.utime = toTimeval(std::chrono::microseconds(5 * age.count()));
  rusage.stime = toTimeval(std::chrono::microseconds(20 * age.count()));
  rusage.maxrss = pages * kibibytesPerPage;
  rusage.minflt = age / std::chrono::seconds(1);
  albatross::KinfoMem memory;
  memory.vsize = unikernel.configuration.arguments.memory << 20U;
  memory.rss = pages;
  memory.runtime = 25 * age.count();
  memory.start = toTimeval(unikernel.started.time_since_epoch());
  statistics.kinfo = memory;
  for (const auto& bridge : unikernel.configuration.arguments.bridges)
    statistics.interfaces.push_back(interfaceOf(bridge, age.count()));
  return statistics;
}

}  // namespace rookery::emulator
