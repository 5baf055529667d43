#pragma once

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <filesystem>
#include <map>
#include <set>

#include "error.h"
#include "source/source.h"

namespace rookery::serve {

/// Metrics that tell of each manifest root whether what is missing from it counts as removed, and which
/// commit it stands at. One thread at a time.
class RootGauges {
 public:
  explicit RootGauges(prometheus::Registry& registry);

  void update(const source::Snapshot& snapshot);

 private:
  void update(const source::Snapshot& snapshot, const source::Root& root);
  void tellRevision(const source::Root& root);

  prometheus::Family<prometheus::Gauge>& readable_;
  prometheus::Family<prometheus::Gauge>& locked_;
  prometheus::Family<prometheus::Gauge>& blocked_;
  prometheus::Family<prometheus::Gauge>& info_;
  std::map<std::filesystem::path, prometheus::Gauge*> infos_;  // of the commits that are checked out
  std::map<std::filesystem::path, std::set<Reason>> reasons_;  // that were shown once: they go to 0
};

}  // namespace rookery::serve
