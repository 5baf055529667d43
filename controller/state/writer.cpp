#include "state/writer.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <set>
#include <string>
#include <tuple>

#include "state/state_error.h"

namespace rookery::state {

namespace {

/// What a change is about. Of two that are about the same, the later one counts.
std::pair<std::string, std::string> subjectOf(const Change& change) {
  if (const auto* entry = std::get_if<plan::Entry>(&change))
    return {entry->serverKey, entry->name.toString()};
  if (const auto* key = std::get_if<EntryKey>(&change)) return {key->serverKey, key->name.toString()};
  if (const auto* server = std::get_if<ServerMemory>(&change)) return {server->serverKey, ""};
  if (const auto* object = std::get_if<KnownObject>(&change)) return {"", object->key.toString()};
  if (const auto* note = std::get_if<Note>(&change)) return {"note", note->key};
  return {"", std::get<api::ObjectKey>(change).toString()};
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::start(Database database, std::filesystem::path file,
                                              std::function<Result<void>()> may,
                                              asio::any_io_executor executor) {
  auto tables = TableWriter::of(database);
  if (!tables) return stateUnwritable(file, tables.error());
  return std::unique_ptr<Writer>(new Writer(std::move(database), *std::move(tables), std::move(file),
                                            std::move(may), std::move(executor)));
}

Writer::Writer(Database database, TableWriter tables, std::filesystem::path file,
               std::function<Result<void>()> may, asio::any_io_executor executor)
    : database_(std::move(database)),
      tables_(std::move(tables)),
      file_(std::move(file)),
      may_(std::move(may)),
      alarm_(clock::Alarm::make(std::move(executor), [this] { flush(); })) {}

Writer::~Writer() {
  alarm_->stop();
  flush();
}

void Writer::write(std::vector<Change> changes, Tell tell) {
  add({std::move(changes), std::move(tell), {}}, Clock::now());
}

void Writer::writeSoon(Change change, std::move_only_function<void()> written) {
  Job job;
  job.changes.push_back(std::move(change));
  job.written = std::move(written);
  add(std::move(job), Clock::now() + longestDelay);
}

void Writer::add(Job job, Clock::time_point due) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  if (due_ && *due_ <= due) return;  // it is committed by then
  due_ = due;
  alarm_->set(due);
}

void Writer::flush() {
  const std::lock_guard writing(writing_);
  std::vector<Job> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs = std::exchange(jobs_, {});
    due_.reset();
  }
  if (jobs.empty()) return;
  const Result<void> committed = commit(jobs);
  settle(std::move(jobs), committed);
}

Result<void> Writer::commit(const std::vector<Job>& jobs) {
  if (auto may = may_(); !may) return may;
  auto done = database_.run("BEGIN IMMEDIATE;");
  if (done) done = apply(jobs);
  if (done) done = database_.run("COMMIT;");
  if (done) return {};
  std::ignore = database_.run("ROLLBACK;");  // which SQLite may have done already
  return stateUnwritable(file_, done.error());
}

DatabaseResult<void> Writer::apply(const std::vector<Job>& jobs) {
  for (const Job& job : jobs) {
    for (const Change& change : job.changes) {
      if (auto applied = tables_.apply(change); !applied) return applied;
    }
  }
  return {};
}

void Writer::settle(std::vector<Job> jobs, const Result<void>& committed) {
  std::vector<Job> left;  // the last first
  std::set<std::pair<std::string, std::string>> subjects;
  for (Job& job : jobs | std::views::reverse) {
    if (job.written && !committed && subjects.insert(subjectOf(job.changes.front())).second)
      left.push_back(std::move(job));
  }
  if (!left.empty()) {
    const std::lock_guard lock(mutex_);
    std::ranges::reverse(left);
    std::ranges::move(jobs_, std::back_inserter(left));
    jobs_ = std::move(left);
    due_ = std::min(due_.value_or(Clock::time_point::max()), Clock::now() + longestDelay);
    alarm_->set(*due_);
  }
  for (Job& job : jobs) {
    if (job.tell) {
      job.tell(committed);
    } else if (job.written && committed) {
      job.written();
    }
  }
}

}  // namespace rookery::state
