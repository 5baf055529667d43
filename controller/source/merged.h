#pragma once

#include "source/source.h"

namespace rookery::source {

/// Two sources side by side. An object that both declare is a mistake in both (DuplicateObject): it stays as
/// it was.
class MergedSource : public Source {
 public:
  /// Both must outlive it.
  MergedSource(Source& first, Source& second) : first_(first), second_(second) {}

  SnapshotPtr scan() override;
  asio::awaitable<SnapshotPtr> next() override;

 private:
  SnapshotPtr merge(const SnapshotPtr& first, const SnapshotPtr& second);

  Source& first_;
  Source& second_;
  SnapshotPtr last_;
};

}  // namespace rookery::source
