#include "probe/prober.h"

#include <curl/curl.h>

#include <algorithm>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "probe/connection.h"
#include "probe/query.h"

namespace rookery::probe {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::hours idle{1};  // any time will do: who wants something wakes the thread
/// Whoever is ready, libcurl looks at all: where there are many, some more may become ready before it does.
constexpr std::size_t many = 64;
constexpr std::chrono::milliseconds pauseOfMany{20};

struct Job {
  Target target;
  std::chrono::milliseconds patience;
  Prober::Done done;
  // Once it is under way, one of these
  std::unique_ptr<Connection> connection = {};
  std::unique_ptr<Query> query = {};
  Clock::time_point end = {};  // of a query
};

}  // namespace

/// What the callers share with the thread.
struct Prober::State {
  explicit State(Options chosen) : options(chosen) {
    initializeCurl();
    initializeAres();
    multi = ::curl_multi_init();
    check(multi != nullptr, "libcurl has memory");
  }
  ~State() { ::curl_multi_cleanup(multi); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  const Options options;
  CURLM* multi = nullptr;  // the thread's; others only wake it
  std::mutex mutex;
  std::deque<Job> waiting;
  bool stopping = false;
  std::thread thread;
};

/// The thread.
class Prober::Worker {
 public:
  explicit Worker(State& state) : state_(state) {}

  void run() {
    while (take()) {
      int running = 0;
      ::curl_multi_perform(state_.multi, &running);
      const bool ended = endConnections();
      if (!endQueries() && !ended) await();
    }
    for (Job& job : jobs_) {
      if (job.connection) ::curl_multi_remove_handle(state_.multi, job.connection->handle());
    }
  }

 private:
  bool take();
  void start(Job& job) const;
  void await();
  bool endConnections();
  bool endQueries();

  State& state_;
  std::list<Job> jobs_;  // under way
  std::vector<curl_waitfd> sockets_;
};

/// Begins what has room. False: the thread is to end.
bool Prober::Worker::take() {
  std::vector<Job> taken;
  {
    const std::lock_guard lock(state_.mutex);
    if (state_.stopping) return false;
    while (!state_.waiting.empty() && jobs_.size() + taken.size() < state_.options.parallel) {
      taken.push_back(std::move(state_.waiting.front()));
      state_.waiting.pop_front();
    }
  }
  for (Job& job : taken) start(jobs_.emplace_back(std::move(job)));
  return true;
}

void Prober::Worker::start(Job& job) const {
  if (const auto* dns = std::get_if<Dns>(&job.target)) {
    job.query = std::make_unique<Query>(*dns, job.patience);
    job.end = Clock::now() + job.patience;
    return;
  }
  const auto* http = std::get_if<Http>(&job.target);
  job.connection = http != nullptr ? std::make_unique<Connection>(*http, job.patience)
                                   : std::make_unique<Connection>(std::get<Tcp>(job.target), job.patience);
  ::curl_easy_setopt(job.connection->handle(), CURLOPT_PRIVATE, &job);
  ::curl_multi_add_handle(state_.multi, job.connection->handle());
}

/// Until something has come, or the time of something.
void Prober::Worker::await() {
  sockets_.clear();
  auto longest = std::chrono::duration_cast<std::chrono::milliseconds>(idle);
  const auto now = Clock::now();
  for (const Job& job : jobs_) {
    if (!job.query) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(job.end - now);
    longest = std::min({longest, job.query->await(sockets_), left});
  }
  ::curl_multi_poll(state_.multi, sockets_.data(), static_cast<unsigned>(sockets_.size()),
                    static_cast<int>(std::max<std::int64_t>(longest.count(), 0)), nullptr);
  if (jobs_.size() > many) std::this_thread::sleep_for(pauseOfMany);
}

/// True: some have ended.
bool Prober::Worker::endConnections() {
  int left = 0;
  bool any = false;
  while (const CURLMsg* message = ::curl_multi_info_read(state_.multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    Job* job = nullptr;
    ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
    ::curl_multi_remove_handle(state_.multi, job->connection->handle());
    job->done(job->connection->end(result));
    jobs_.remove_if([&](const Job& each) { return &each == job; });
    any = true;
  }
  return any;
}

bool Prober::Worker::endQueries() {
  const auto now = Clock::now();
  const std::size_t before = jobs_.size();
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    const auto here = job++;
    if (!here->query) continue;
    here->query->go();
    const auto& outcome = here->query->outcome();
    if (!outcome && now < here->end) continue;
    here->done(outcome ? *outcome : here->query->late());
    jobs_.erase(here);
  }
  return jobs_.size() != before;
}

Prober::Prober(Options options) : state_(std::make_unique<State>(options)) {}

Prober::~Prober() { stop(); }

void Prober::probe(Target target, std::chrono::milliseconds patience, Done done) {
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping) return;
  state_->waiting.push_back({std::move(target), patience, std::move(done)});
  if (!state_->thread.joinable()) state_->thread = std::thread([this] { Worker(*state_).run(); });
  ::curl_multi_wakeup(state_->multi);
}

void Prober::stop() {
  std::thread thread;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->waiting.clear();
    thread.swap(state_->thread);
    ::curl_multi_wakeup(state_->multi);
  }
  if (thread.joinable()) thread.join();
}

}  // namespace rookery::probe
