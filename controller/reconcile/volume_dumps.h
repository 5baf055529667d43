#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/object.h"
#include "error.h"
#include "reconcile/servers.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// Reads what is on volumes from their servers, for whoever takes it piece by piece. Thread-safe.
class VolumeDumps {
 public:
  static constexpr std::size_t mostKept = std::size_t{1} << 20;  // bytes of one that nobody has taken yet
  static constexpr std::chrono::seconds longestSilence{60};      // of a server that is asked for one

  class Dump;

  /// What came since the last time.
  struct Piece {
    std::string bytes;
    bool begun = false;                // the server gives it
    bool whole = false;                // these were the last
    std::optional<Error> failed = {};  // nothing more comes. Refused: the server's own words
  };

  /// Takes one dump, from its beginning. Breaks it off when it goes. For one thread at a time.
  class Reader {
   public:
    explicit Reader(std::shared_ptr<Dump> dump);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    /// Waits until `deadline` for something that it has not told yet.
    Piece read(std::chrono::steady_clock::time_point deadline);

   private:
    const std::shared_ptr<Dump> dump_;
  };

  /// Dumps are read on strands of `executor`. `servers` must outlive it.
  VolumeDumps(asio::any_io_executor executor, const Servers& servers)
      : executor_(std::move(executor)), servers_(servers) {}

  /// Begins to read what is on a volume, uncompressed. Errors: InstanceUnavailable (the instance was not
  /// reached yet), NoPolicy, ServiceUnavailable (the controller stops).
  Result<std::unique_ptr<Reader>> open(const api::ObjectKey& volume, const std::string& instance);

  /// Breaks off all, and nothing can be opened any more.
  void stop();

 private:
  const asio::any_io_executor executor_;
  const Servers& servers_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::vector<std::weak_ptr<Dump>> open_;
};

}  // namespace rookery::reconcile
