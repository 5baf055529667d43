#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "albatross/wire.h"
#include "api/object.h"
#include "error.h"
#include "reconcile/servers.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// One line that a unikernel printed, at the server's time, as far as our clock reaches. It is visible(), and
/// cut to Consoles::longestLine; what a Secret put into the unikernel's arguments is blotted out.
struct ConsoleLine {
  albatross::Time time;
  std::string text;
  friend bool operator==(const ConsoleLine&, const ConsoleLine&) = default;
};

/// Reads what unikernels print, and what they printed before they ended. However many read, a server sees one
/// subscription per unikernel, which is kept for a while after its last reader: it grants few to all its
/// clients together, and drops the oldest for one more. Thread-safe.
class Consoles {
 public:
  static constexpr std::size_t keptLines = 1024;       // of one unikernel: as many as a server keeps
  static constexpr std::size_t longestLine = 4 << 10;  // bytes, as they came
  static constexpr std::size_t keptBytes = 4 << 20;    // of one unikernel's lines

  struct Options {
    std::size_t mostOpen = 64;  // subscriptions at the same time
    /// A server says nowhere where what it kept ends: so long without a line it has replayed that, or so long
    /// after it began, whatever comes.
    std::chrono::milliseconds quiet{300}, longestReplay{3'000};
    std::chrono::milliseconds lingering{10'000};  // after the last reader
  };

  class Console;

  /// What was read since the last time.
  struct Lines {
    std::vector<ConsoleLine> lines;   // oldest first
    std::size_t missed = 0;           // so many before them came faster than they were read
    bool replayed = false;            // what the server had kept is among these, or came before
    std::optional<Error> ended = {};  // nothing more comes
  };

  /// Reads one console from what its server has kept on. For one thread at a time.
  class Reader {
   public:
    /// Of one that it has joined, from the line of that number on.
    Reader(std::shared_ptr<Console> console, std::size_t next);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    /// Waits until `deadline` for something that it has not told yet.
    Lines read(std::chrono::steady_clock::time_point deadline);

   private:
    const std::shared_ptr<Console> console_;
    std::size_t next_;  // the number of the next line
    bool replayed_ = false;
  };

  /// Subscriptions are read on strands of `executor`. `servers` must outlive it, and this the executor's
  /// work.
  Consoles(asio::any_io_executor executor, const Servers& servers)
      : Consoles(std::move(executor), servers, {}) {}
  Consoles(asio::any_io_executor executor, const Servers& servers, Options options)
      : executor_(std::move(executor)), servers_(servers), options_(options) {}

  /// The console of a unikernel on an instance, at once; what keeps it from being read, its reader is told.
  /// Where the instance is another server than before, or is reached otherwise, what was read ends.
  /// Errors: InstanceUnavailable (the instance was not reached yet, or it is not to run there), NoPolicy,
  /// ReferenceNotFound (which secrets it may print is not known), ServiceUnavailable (too many consoles are
  /// read, or it has been stopped).
  Result<std::unique_ptr<Reader>> open(const api::ObjectKey& unikernel, const std::string& instance);

  /// Ends all that is read, and nothing can be opened any more.
  void stop();

 private:
  using Key = std::pair<std::string, api::ObjectKey>;  // instance, unikernel

  std::unique_ptr<Reader> joined(const Key& key, const Server& server);
  bool makeRoom();
  std::shared_ptr<Console> add(const Key& key, ServerPtr server);

  const asio::any_io_executor executor_;
  const Servers& servers_;
  const Options options_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::map<Key, std::shared_ptr<Console>> open_;
};

}  // namespace rookery::reconcile
