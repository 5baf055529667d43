#include "image/pull/puller.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "http/client/curl.h"
#include "image/digest.h"

namespace rookery::image {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned mostRedirects = 10;
constexpr std::chrono::hours idle{1};  // any time will do: who wants something wakes the thread

/// One content that is on its way, from those who are said to have it.
struct Job {
  std::string sha256;
  std::vector<Remote> remotes;
  std::size_t turn = 0;   // whose it is
  unsigned failures = 0;  // rounds through all of them without success
  Clock::time_point due;
  Partial partial;
  std::unique_ptr<Transfer> transfer;  // under way
  // Of the present attempt
  std::string url;  // where redirects led
  unsigned redirects = 0;
  std::uint64_t before = 0;   // bytes that had come
  std::uint64_t arrived = 0;  // and those at its end
  Clock::time_point began;

  const Remote& remote() const { return remotes[turn]; }
};

/// ±20 %, so that many controllers do not come back at once.
std::chrono::milliseconds around(std::chrono::milliseconds delay) {
  thread_local std::minstd_rand engine(std::random_device{}());
  return delay * std::uniform_int_distribution<int>(80, 120)(engine) / 100;
}

Missing pulling(const Remote& remote) {
  return {{Reason::ImagePulling, fmt::format("Image {} is being pulled.", remote.name())}};
}

}  // namespace

/// What the callers share with the thread.
struct Puller::State {
  State(ImageStore& of, Inspector& by, Options chosen)
      : store(of), inspector(by), options(std::move(chosen)) {
    http::initializeCurl();
    multi = ::curl_multi_init();
    check(multi != nullptr, "libcurl has memory");
  }
  ~State() { ::curl_multi_cleanup(multi); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  ImageStore& store;
  Inspector& inspector;
  const Options options;
  CURLM* multi;  // the thread's; others only wake it
  std::mutex mutex;
  std::set<Remote> wanted;  // those that were missing when they were asked for
  bool news = false;        // `wanted` has changed
  bool stopping = false;
  std::map<Remote, Missing> failures;  // of the last attempts
  std::thread thread;
};

/// The thread.
class Puller::Worker {
 public:
  explicit Worker(State& state) : state_(state) {}

  void run() {
    while (heed()) {
      startDue();
      int running = 0;
      ::curl_multi_perform(state_.multi, &running);
      if (!endTransfers()) ::curl_multi_poll(state_.multi, nullptr, 0, timeout(), nullptr);
    }
    for (auto& [sha256, job] : jobs_) abandon(job);
  }

 private:
  bool heed();
  std::size_t underWay() const;
  void startDue();
  void start(Job& job, std::string url);
  bool endTransfers();
  void end(Job& job, int result);
  std::optional<Transfer::Failure> store(Job& job);
  void finish(const Job& job);
  void fail(Job& job, Transfer::Failure failure);
  void tell(const Job& job, std::optional<Error> error) const;
  void abandon(Job& job) const;
  int timeout() const;

  State& state_;
  std::map<std::string, Job> jobs_;  // by digest
};

/// Makes jobs_ what is wanted. False: the thread is to end.
bool Puller::Worker::heed() {
  std::map<std::string, std::vector<Remote>> wanted;
  {
    const std::lock_guard lock(state_.mutex);
    if (state_.stopping) return false;
    if (!std::exchange(state_.news, false)) return true;
    for (const Remote& remote : state_.wanted) wanted[remote.sha256].push_back(remote);
  }
  for (auto item = jobs_.begin(); item != jobs_.end();) {
    Job& job = item->second;
    const auto still = wanted.find(item->first);
    const bool keep = still != wanted.end() && std::ranges::count(still->second, job.remote()) > 0;
    if (!keep) abandon(job);
    item = keep ? std::next(item) : jobs_.erase(item);
  }
  for (auto& [sha256, remotes] : wanted) {
    Job& job = jobs_[sha256];
    const Remote present = job.remotes.empty() ? remotes.front() : job.remote();
    job.sha256 = sha256;
    job.remotes = std::move(remotes);
    job.turn = static_cast<std::size_t>(std::ranges::find(job.remotes, present) - job.remotes.begin());
  }
  return true;
}

std::size_t Puller::Worker::underWay() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(jobs_, [](const auto& item) { return item.second.transfer != nullptr; }));
}

void Puller::Worker::startDue() {
  auto running = underWay();
  const auto now = Clock::now();
  std::vector<const Job*> done;
  for (auto& [sha256, job] : jobs_) {
    if (running >= state_.options.parallel) break;
    if (job.transfer != nullptr || job.due > now) continue;
    if (state_.store.contains(sha256)) {  // it came after want() had looked, or by another way
      done.push_back(&job);
      continue;
    }
    if (job.partial.bytes && !job.partial.bytes->resume()) job.partial.drop();
    job.redirects = 0;
    job.before = job.partial.size();
    job.began = now;
    start(job, job.remote().url);
    ++running;
  }
  for (const Job* job : done) finish(*job);
}

void Puller::Worker::start(Job& job, std::string url) {
  job.url = std::move(url);
  const Hosts* anywhere = job.remote().anybodys ? &Hosts::publicOnly() : nullptr;
  const auto& hosts = state_.options.hosts;
  job.transfer = std::make_unique<Transfer>(state_.store, job.url, job.remote(), job.partial,
                                            state_.options.patience, hosts ? &*hosts : anywhere);
  ::curl_easy_setopt(job.transfer->handle(), CURLOPT_PRIVATE, &job);
  ::curl_multi_add_handle(state_.multi, job.transfer->handle());
}

void Puller::Worker::abandon(Job& job) const {
  if (job.transfer != nullptr) ::curl_multi_remove_handle(state_.multi, job.transfer->handle());
  job.transfer.reset();
}

/// True: some have ended.
bool Puller::Worker::endTransfers() {
  int left = 0;
  bool any = false;
  while (const CURLMsg* message = ::curl_multi_info_read(state_.multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    Job* job = nullptr;
    ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
    end(*job, result);
    any = true;
  }
  return any;
}

void Puller::Worker::end(Job& job, int result) {
  Transfer::End ended = job.transfer->end(result);
  abandon(job);
  if (auto* redirect = std::get_if<Transfer::Redirect>(&ended)) {
    if (++job.redirects <= mostRedirects) return start(job, std::move(redirect->url));
    ended = Transfer::Failure{
        {Reason::ImagePullFailed, fmt::format("Image {} cannot be pulled: it redirects more than {} times.",
                                              job.remote().name(), mostRedirects)},
        true};
  }
  job.arrived = std::max(job.partial.size(), job.before);
  auto* failure = std::get_if<Transfer::Failure>(&ended);
  auto trouble = failure != nullptr ? std::optional(std::move(*failure)) : store(job);
  if (trouble) return fail(job, std::move(*trouble));
  tell(job, std::nullopt);
  finish(job);
}

/// All of it has come: puts it into the store, if it is what was asked for. What is not is gone then.
std::optional<Transfer::Failure> Puller::Worker::store(Job& job) {
  const bool pieced = job.partial.pieced;
  ImageStore::Incoming bytes = *std::move(job.partial.bytes);
  job.partial.drop();
  const std::string name = job.remote().name();
  if (const std::string sha256 = bytes.sha256(); sha256 != job.sha256) {
    // Pieces may be of several files and say nothing about either: it is taken once more, in one piece.
    if (pieced)
      return Transfer::Failure{
          {Reason::ImagePullBackOff, fmt::format("Image {} changed while it was pulled.", name)}};
    const auto told = job.remote().anybodys ? std::nullopt : std::optional<std::string_view>(sha256);
    return Transfer::Failure{digestMismatch(job.remote().content, name, told, job.sha256), true};
  }
  if (job.remote().content == Content::Solo5) {
    if (const auto image = bytes.inspect(fmt::format("image {}", name)); !image)
      return Transfer::Failure{image.error(), image.error().reason == Reason::ImageInvalid};
  }
  auto stored = bytes.commit();
  if (!stored) return Transfer::Failure{stored.error()};
  stored->keep();
  return std::nullopt;
}

/// It is in the store.
void Puller::Worker::finish(const Job& job) {
  {
    const std::lock_guard lock(state_.mutex);
    const auto same = [&](const Remote& remote) { return remote.sha256 == job.sha256; };
    std::erase_if(state_.failures, [&](const auto& item) { return same(item.first); });
    std::erase_if(state_.wanted, same);
  }
  jobs_.erase(std::string(job.sha256));
  if (state_.options.changed) state_.options.changed();
}

void Puller::Worker::tell(const Job& job, std::optional<Error> error) const {
  if (!state_.options.ended) return;
  state_.options.ended({.remote = job.remote(),
                        .bytes = job.arrived - job.before,
                        .duration = Clock::now() - job.began,
                        .error = std::move(error)});
}

/// The next of its URLs at once; after the last of them the first, in a while. What breaks off after some of
/// it came goes on soon.
void Puller::Worker::fail(Job& job, Transfer::Failure failure) {
  tell(job, failure.error);
  const Remote remote = job.remote();
  bool news = false;
  {
    const std::lock_guard lock(state_.mutex);
    Missing& known = state_.failures[remote];
    news = known.error != failure.error;
    known = {failure.error, failure.lasting};
  }
  const bool advanced = job.partial.size() > job.before;
  if (advanced) job.failures = 0;
  const auto delay =
      std::min(state_.options.firstRetry * (1 << std::min(job.failures, 20u)), state_.options.longestRetry);
  const auto asked = std::min<std::chrono::milliseconds>(failure.retryAfter, state_.options.longestRetry);
  if (advanced || job.turn + 1 == job.remotes.size()) {
    job.due = Clock::now() + std::max(around(delay), asked);
    if (!advanced) ++job.failures;
  }
  if (!advanced) {
    job.turn = (job.turn + 1) % job.remotes.size();
    if (job.remotes.size() > 1) job.partial.drop();
  }
  if (job.partial.size() == 0) job.partial.drop();  // an open file for nothing
  if (job.partial.bytes) job.partial.bytes->rest();
  if (news && state_.options.changed) state_.options.changed();
}

int Puller::Worker::timeout() const {
  auto next = Clock::now() + idle;
  const bool free = underWay() < state_.options.parallel;
  for (const auto& [sha256, job] : jobs_) {
    if (free && job.transfer == nullptr) next = std::min(next, job.due);
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(wait.count(), 0));
}

Puller::Puller(ImageStore& store, Inspector& inspector, Options options)
    : state_(std::make_unique<State>(store, inspector, std::move(options))) {}

Puller::~Puller() { stop(); }

void Puller::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  if (state_->thread.joinable()) {
    ::curl_multi_wakeup(state_->multi);
    state_->thread.join();
  }
  const std::lock_guard lock(state_->mutex);
  state_->stopping = false;
  state_->wanted.clear();
}

void Puller::want(const std::set<Remote>& remotes) {
  std::set<Remote> missing;
  for (const Remote& remote : remotes) {
    if (!state_->store.contains(remote.sha256)) missing.insert(remote);
  }
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping || state_->wanted == missing) return;
  std::erase_if(state_->failures, [&](const auto& item) { return !missing.contains(item.first); });
  state_->wanted = std::move(missing);
  state_->news = true;
  if (!state_->thread.joinable())
    state_->thread = std::thread([state = state_.get()] { Worker(*state).run(); });
  ::curl_multi_wakeup(state_->multi);
}

std::expected<Image, Missing> Puller::find(const Remote& remote) {
  if (state_->store.contains(remote.sha256)) {
    const Result<Image> found =
        state_->inspector.inspect(state_->store.path(remote.sha256), nullptr, {}, remote.content);
    if (found && toHex(found->digest) == remote.sha256) return *found;
    const bool broken = found || found.error().reason == Reason::ImageInvalid;
    if (!broken) return std::unexpected(Missing{found.error()});
    // A disk that forgets, or a hand that wrote there: only what it is called tells what it should be.
    state_->store.discard(remote.sha256);
  }
  const std::lock_guard lock(state_->mutex);
  const auto failure = state_->failures.find(remote);
  return std::unexpected(failure == state_->failures.end() ? pulling(remote) : failure->second);
}

}  // namespace rookery::image
