#pragma once

#include <filesystem>

namespace rookery::source {

/// Makes more events in `folder` than the kernel queues for one inotify instance: two files that are written
/// in turns, as equal events in a row would be merged.
void overflow(const std::filesystem::path& folder);

}  // namespace rookery::source
