#include "image/lookout.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "image/file.h"

namespace rookery::image {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds lookAgain{1};  // at a file that changed while it was read
constexpr std::chrono::seconds farewell{1};   // to threads that may be stuck

std::unexpected<Lookout::Unsettled> unsettled(Error error) {
  return std::unexpected(Lookout::Unsettled{std::move(error)});
}

std::unexpected<Lookout::Unsettled> beingRead(const fs::path& path, std::uint64_t done, std::uint64_t size) {
  const std::uint64_t percent = size == 0 ? 0 : done / std::max<std::uint64_t>(size / 100, 1);
  return unsettled({Reason::ImageBeingRead, fmt::format("Image {} is being read: {} % of {} MiB so far.",
                                                        path.string(), percent, size >> 20)});
}

}  // namespace

/// What the caller shares with the threads, which may outlive it.
struct Lookout::State {
  /// One image, as it was asked for.
  struct Entry {
    Locate locate;
    Answer told = unsettled({Reason::ImageBeingRead,
                             "Its image is being looked at; the disk that it lies on takes long to answer."});
    std::optional<Stamp> stamp;  // of the file that `told` is about, if that was read
    bool awaited = false;        // look() waits for it
    bool busy = false;           // a thread is about it, or it waits for one
    bool reading = false;        // in order to be read
    bool again = false;          // it was asked for while it was busy
    bool wanted = true;
    std::optional<Clock::time_point> lookAt;
  };
  using EntryPtr = std::shared_ptr<Entry>;
  using Lock = std::unique_lock<std::mutex>;
  struct Reading {
    EntryPtr entry;
    Located file;
    Stamp stamp;
  };

  State(std::shared_ptr<Inspector> by, std::shared_ptr<file::Settling> with, Options chosen)
      : inspector(std::move(by)), settling(std::move(with)), options(std::move(chosen)) {}

  void work();
  void askDue();
  void ask(const EntryPtr& entry);
  void forgetAllBut(const std::map<std::string, Locate>& images);
  void glance(Lock& lock, const EntryPtr& entry);
  void read(Lock& lock, const Reading& reading);
  Result<Image> readWhole(const Reading& reading);
  void answer(const EntryPtr& entry, Answer found);
  void tell(Entry& entry, Answer found);

  const std::shared_ptr<Inspector> inspector;
  const std::shared_ptr<file::Settling> settling;
  const Options options;
  std::mutex mutex;  // guards all that follows
  std::condition_variable toDo, done;
  std::map<std::string, EntryPtr> entries;
  std::multimap<Clock::time_point, EntryPtr> due;  // to be looked at again then, if it is still so
  std::deque<EntryPtr> toGlance;
  std::deque<Reading> toRead;
  std::size_t readers = 0;  // threads that read
  std::size_t threads = 0;
  std::size_t awaited = 0;  // entries
  bool waiting = false;     // look() does, and will see what is told
  bool stopping = false;
};

/// One thread.
void Lookout::State::work() {
  Lock lock(mutex);
  while (!stopping) {
    askDue();
    if (!toGlance.empty()) {
      const EntryPtr entry = std::move(toGlance.front());
      toGlance.pop_front();
      glance(lock, entry);
    } else if (!toRead.empty() && readers < options.reading) {
      const Reading reading = std::move(toRead.front());
      toRead.pop_front();
      read(lock, reading);
    } else if (!due.empty()) {
      const Clock::time_point next = due.begin()->first;  // a copy: the entry may go while this thread waits
      toDo.wait_until(lock, next);
    } else {
      toDo.wait(lock);
    }
  }
  --threads;
  done.notify_all();
}

void Lookout::State::askDue() {
  const Clock::time_point now = Clock::now();
  while (!due.empty() && due.begin()->first <= now) {
    const auto [time, entry] = *due.begin();
    due.erase(due.begin());
    if (entry->wanted && entry->lookAt == time) ask(entry);
  }
}

void Lookout::State::ask(const EntryPtr& entry) {
  entry->lookAt.reset();
  if (std::exchange(entry->busy, true)) {
    entry->again = true;
    return;
  }
  toGlance.push_back(entry);
  toDo.notify_one();
}

void Lookout::State::forgetAllBut(const std::map<std::string, Locate>& images) {
  std::erase_if(entries, [&](const auto& item) {
    item.second->wanted = images.contains(item.first);
    return !item.second->wanted;
  });
}

/// Answers what can be answered without reading the file.
void Lookout::State::glance(Lock& lock, const EntryPtr& entry) {
  const Locate locate = entry->locate;
  lock.unlock();
  const Result<Located> file = locate();
  const Inspector::Glance seen = file ? inspector->glance(file->path, *settling, file->content)
                                      : Inspector::Glance{.image = std::unexpected(file.error())};
  lock.lock();
  if (seen.lookAgainIn) {
    entry->lookAt = Clock::now() + *seen.lookAgainIn;
    due.emplace(*entry->lookAt, entry);
    return answer(entry, unsettled(seen.image->error()));
  }
  if (seen.image) return answer(entry, *seen.image);
  entry->reading = true;
  toRead.push_back({.entry = entry, .file = *file, .stamp = seen.stamp});
  toDo.notify_one();
  // A file that changed just before it was read is read once more; as long as it looks the same, what was
  // found counts.
  if (entry->stamp != seen.stamp) tell(*entry, beingRead(file->path, 0, seen.stamp.size));
}

void Lookout::State::read(Lock& lock, const Reading& reading) {
  Entry& entry = *reading.entry;
  ++readers;
  lock.unlock();
  Result<Image> image = readWhole(reading);
  lock.lock();
  --readers;
  entry.reading = false;
  toDo.notify_one();
  const Reason reason = image ? Reason::Running : image.error().reason;
  if (reason == Reason::ImageChanged || reason == Reason::BeingWritten) {
    entry.lookAt = Clock::now() + lookAgain;
    due.emplace(*entry.lookAt, reading.entry);
    return answer(reading.entry, unsettled(std::move(image.error())));
  }
  if (reason != Reason::Cancelled) entry.stamp = reading.stamp;
  answer(reading.entry, std::move(image));
}

/// Without the lock.
Result<Image> Lookout::State::readWhole(const Reading& reading) {
  Clock::time_point toldAt = Clock::now();
  const auto progress = [&](std::uint64_t bytes) {
    const Clock::time_point now = Clock::now();
    const Lock lock(mutex);
    Entry& entry = *reading.entry;
    if (now - toldAt >= options.progress && entry.stamp != reading.stamp) {
      toldAt = now;
      tell(entry, beingRead(reading.file.path, bytes, reading.stamp.size));
    }
    return entry.wanted && !stopping;
  };
  return inspector->inspect(reading.file.path, settling.get(), progress, reading.file.content);
}

void Lookout::State::answer(const EntryPtr& entry, Answer found) {
  if (stopping) return;
  tell(*entry, std::move(found));
  if (std::exchange(entry->again, false)) {
    toGlance.push_back(entry);
    toDo.notify_one();
    return;
  }
  entry->busy = false;
  if (!std::exchange(entry->awaited, false)) return;
  --awaited;
  done.notify_all();
}

void Lookout::State::tell(Entry& entry, Answer found) {
  if (stopping || !entry.wanted || entry.told == found) return;
  entry.told = std::move(found);
  if (!waiting && options.changed) options.changed();
}

Lookout::Lookout(std::shared_ptr<Inspector> inspector, std::shared_ptr<file::Settling> settling,
                 Options options)
    : state_(std::make_shared<State>(std::move(inspector), std::move(settling), std::move(options))) {}

Lookout::~Lookout() { stop(); }

void Lookout::look(std::map<std::string, Locate> images, std::chrono::milliseconds patience) {
  State::Lock lock(state_->mutex);
  State& state = *state_;
  state.forgetAllBut(images);
  std::vector<State::EntryPtr> asked;
  for (auto& [name, locate] : images) {
    State::EntryPtr& entry = state.entries[name];
    if (!entry) entry = std::make_shared<State::Entry>();
    entry->locate = std::move(locate);
    entry->awaited = !entry->reading;
    if (entry->awaited) asked.push_back(entry);
    state.ask(entry);
  }
  if (images.empty()) return;
  for (; state.threads < state.options.looking; ++state.threads)
    std::thread([shared = state_] { shared->work(); }).detach();
  state.awaited = asked.size();
  state.waiting = true;
  state.done.wait_for(lock, patience, [&] { return state.awaited == 0; });
  state.waiting = false;
  state.awaited = 0;
  for (const State::EntryPtr& entry : asked) entry->awaited = false;
}

Lookout::Answer Lookout::find(const std::string& name) const {
  const State::Lock lock(state_->mutex);
  return state_->entries.at(name)->told;
}

void Lookout::stop() {
  State::Lock lock(state_->mutex);
  State& state = *state_;
  state.stopping = true;
  state.toDo.notify_all();
  state.done.wait_for(lock, farewell, [&] { return state.threads == 0; });
  auto next = std::make_shared<State>(state.inspector, state.settling, state.options);
  lock.unlock();
  state_ = std::move(next);
}

}  // namespace rookery::image
