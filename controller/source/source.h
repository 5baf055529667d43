#pragma once

#include <boost/asio/awaitable.hpp>

#include "source/snapshot.h"

namespace rookery::source {

namespace asio = boost::asio;

/// Where desired state comes from. One coroutine at a time may use it.
class Source {
 public:
  virtual ~Source() = default;

  /// What is declared now, as far as it can be told without waiting.
  virtual SnapshotPtr scan() = 0;
  /// Waits until something may have changed, then scans. Runs on the awaiting coroutine's executor, which
  /// must be a strand if several threads run it; ends with an empty pointer when cancelled.
  virtual asio::awaitable<SnapshotPtr> next() = 0;
};

}  // namespace rookery::source
