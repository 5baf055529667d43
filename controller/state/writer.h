#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "clock/alarm.h"
#include "clock/clock.h"
#include "error.h"
#include "state/database.h"
#include "state/tables.h"
#include "state/waiting.h"

namespace rookery::state {

namespace asio = boost::asio;

/// Writes to a database beside those who ask for it: what is asked for while it writes is committed together,
/// in the order in which it was asked for. Thread-safe.
class Writer {
 public:
  /// How long what need not be durable at once waits for others to be written with.
  static constexpr std::chrono::seconds longestDelay{1};

  /// `may` is asked before each commit, and says why there can be none. It writes on `executor`, which must
  /// be run by one thread, that which destroys the writer; empty: on a thread of its own. Error:
  /// StateUnwritable.
  static Result<std::unique_ptr<Writer>> start(Database database, std::filesystem::path file,
                                               std::function<Result<void>()> may,
                                               asio::any_io_executor executor);
  /// Commits what is still to be written, as far as that can be done.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Tells when the changes are on the disk, all of them, or why none is: StateUnwritable, or what `may`
  /// said. Whoever commits tells it, and must not be held up.
  void write(std::vector<Change> changes, Tell tell);
  /// Writes a change with the next commit, after `longestDelay` at the latest; where that fails, with those
  /// that follow, unless another was asked for in its place. `written` is called once, when it is on the
  /// disk.
  void writeSoon(Change change, std::move_only_function<void()> written = [] {});

  /// Commits what was asked for before, on the thread that calls this: for who waits for it anyway.
  void flush();

 private:
  struct Job {
    std::vector<Change> changes;
    Tell tell;                                // of write()
    std::move_only_function<void()> written;  // of writeSoon(); else empty
  };
  using Clock = clock::Steady;

  Writer(Database database, TableWriter tables, std::filesystem::path file, std::function<Result<void>()> may,
         asio::any_io_executor executor);
  void add(Job job, Clock::time_point due);
  Result<void> commit(const std::vector<Job>& jobs);
  DatabaseResult<void> apply(const std::vector<Job>& jobs);
  void settle(std::vector<Job> jobs, const Result<void>& committed);

  std::mutex writing_;  // of who commits
  Database database_;
  TableWriter tables_;
  const std::filesystem::path file_;
  const std::function<Result<void>()> may_;
  std::mutex mutex_;
  std::vector<Job> jobs_;                 // in their order
  std::optional<Clock::time_point> due_;  // when the first of them is to be written
  std::unique_ptr<clock::Alarm> alarm_;   // flushes them by then
};

}  // namespace rookery::state
