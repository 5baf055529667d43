#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "error.h"
#include "state/database.h"
#include "state/tables.h"
#include "state/waiting.h"

namespace rookery::state {

/// Writes to a database on a thread of its own: what is asked for while it writes is committed together, in
/// the order in which it was asked for. Thread-safe.
class Writer {
 public:
  /// How long what need not be durable at once waits for others to be written with.
  static constexpr std::chrono::seconds longestDelay{1};

  /// `may` is asked before each commit, and says why there can be none. Error: StateUnwritable.
  static Result<std::unique_ptr<Writer>> start(Database database, std::filesystem::path file,
                                               std::function<Result<void>()> may);
  /// Commits what is still to be written, as far as that can be done.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Tells when the changes are on the disk, all of them, or why none is: StateUnwritable, or what `may`
  /// said. It is told on the writer's thread, which must not be held up.
  void write(std::vector<Change> changes, Tell tell);
  /// Writes a change with the next commit, after `longestDelay` at the latest; where that fails, with those
  /// that follow, unless another was asked for in its place. `written` is called once, when it is on the
  /// disk.
  void writeSoon(Change change, std::move_only_function<void()> written = [] {});

 private:
  struct Job {
    std::vector<Change> changes;
    Tell tell;                                // of write()
    std::move_only_function<void()> written;  // of writeSoon(); else empty
  };
  using Clock = std::chrono::steady_clock;

  Writer(Database database, TableWriter tables, std::filesystem::path file,
         std::function<Result<void>()> may);
  void add(Job job, Clock::time_point due);
  void work();
  Result<void> commit(const std::vector<Job>& jobs);
  DatabaseResult<void> apply(const std::vector<Job>& jobs);
  void settle(std::vector<Job> jobs, const Result<void>& committed);

  Database database_;
  TableWriter tables_;
  const std::filesystem::path file_;
  const std::function<Result<void>()> may_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Job> jobs_;                 // in their order
  std::optional<Clock::time_point> due_;  // when the first of them is to be written
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace rookery::state
