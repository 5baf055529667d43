#pragma once

#include <filesystem>
#include <string>

/// What the data and the figures of unikernels cost. Each prints what was measured, and judges nothing.
namespace rookery::benchmark {

/// A volume is loaded and dumped, beside plain streams of as many bytes right before. Takes half a minute.
inline const std::string volumeRow = "volume/1GiB";
void measureVolume(const std::filesystem::path& programs);

/// Unikernels of which all servers tell statistics: the controller at rest, a scrape, and how soon one that
/// is killed at its server is created again. Takes two minutes.
inline const std::string statisticsRow = "statistics/500/10";
void measureStatistics(const std::filesystem::path& programs);

}  // namespace rookery::benchmark
