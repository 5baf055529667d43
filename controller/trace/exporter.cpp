#include "trace/exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "http/client/curl.h"
#include "trace/otlp.h"

namespace rookery::trace {

using http::setOption;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

namespace {

/// Of an answer: enough to read what was not taken.
constexpr std::size_t mostAnswered = 64 << 10;
/// Of what a collector says of itself, in a message.
constexpr std::size_t longestSaid = 200;

/// What came of one request.
struct Outcome {
  bool taken = false;
  bool again = false;     // OTLP: it may be tried again
  std::string why = {};   // if it was not taken
  milliseconds after{0};  // before that, by the collector; 0: it did not say
  std::string body = {};
};

/// OTLP's list (OTLP/HTTP Response, Failures).
bool isRetryable(long status) { return status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

struct Exporter::State {
  explicit State(Options chosen) : options(std::move(chosen)) {}

  bool stops() const { return deadline.has_value(); }

  const Options options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  // All that follows: with the mutex.
  std::deque<SpanData> queue;
  std::size_t underWay = 0;
  std::uint64_t exported = 0, dropped = 0, failures = 0;
  std::optional<Steady::time_point>
      deadline;            // when the end is not waited for any longer; nothing: no end yet
  CURLM* multi = nullptr;  // wakes the worker while it waits for the network
  std::jthread thread;     // last: ends first
};

/// One connection to the collector, kept open. On the worker's thread.
class Exporter::Connection {
 public:
  explicit Connection(State& state) : state_(state) {
    http::initializeCurl();
    multi_ = ::curl_multi_init();
    check(multi_ != nullptr, "libcurl has memory");
    for (const std::string& header : state_.options.settings.headers)
      headers_ = ::curl_slist_append(headers_, header.c_str());
    headers_ = ::curl_slist_append(headers_, "Content-Type: application/json");
    headers_ = ::curl_slist_append(headers_, "Expect:");
    const std::lock_guard lock(state_.mutex);
    state_.multi = multi_;
  }
  ~Connection() {
    {
      const std::lock_guard lock(state_.mutex);
      state_.multi = nullptr;
    }
    ::curl_multi_cleanup(multi_);
    ::curl_slist_free_all(headers_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Gives up once the exporter's end is not waited for any longer.
  Outcome post(const std::string& body) {
    const http::CurlHandle handle(::curl_easy_init());
    check(handle != nullptr, "libcurl has memory for a request");
    Outcome outcome;
    prepare(handle.get(), body, outcome.body);
    ::curl_multi_add_handle(multi_, handle.get());
    const std::optional<CURLcode> result = perform();
    if (result) {
      judge(handle.get(), *result, outcome);
    } else {
      outcome.why = "It did not answer before the end.";
    }
    ::curl_multi_remove_handle(multi_, handle.get());
    return outcome;
  }

 private:
  void prepare(CURL* curl, const std::string& body, std::string& answer) const {
    const Settings& settings = state_.options.settings;
    setOption(curl, CURLOPT_URL, settings.url.c_str());
    setOption(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    setOption(curl, CURLOPT_NOSIGNAL, 1L);
    setOption(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(settings.timeout.count()));
    setOption(curl, CURLOPT_USERAGENT, fmt::format("rookery/{}", state_.options.version).c_str());
    http::setProxy(curl, settings.url);
    http::setTrust(curl);
    const auto setFile = [curl](CURLoption option, const std::string& path) {
      if (!path.empty()) setOption(curl, option, path.c_str());
    };
    setFile(CURLOPT_CAINFO, settings.certificateAuthority);
    setFile(CURLOPT_SSLCERT, settings.clientCertificate);
    setFile(CURLOPT_SSLKEY, settings.clientKey);
    setOption(curl, CURLOPT_HTTPHEADER, headers_);
    setOption(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    setOption(curl, CURLOPT_POSTFIELDS, body.c_str());
    using Write = std::size_t (*)(char*, std::size_t, std::size_t, void*);
    const Write write = [](char* bytes, std::size_t size, std::size_t count, void* into) -> std::size_t {
      auto& kept = *static_cast<std::string*>(into);
      if (kept.size() + size * count > mostAnswered) return 0;
      kept.append(bytes, size * count);
      return size * count;
    };
    setOption(curl, CURLOPT_WRITEFUNCTION, write);
    setOption(curl, CURLOPT_WRITEDATA, static_cast<void*>(&answer));
  }

  /// Until it has ended; nothing: it was given up.
  std::optional<CURLcode> perform() {
    for (;;) {
      int running = 0, left = 0;
      ::curl_multi_perform(multi_, &running);
      while (const CURLMsg* message = ::curl_multi_info_read(multi_, &left)) {
        if (message->msg == CURLMSG_DONE) return message->data.result;
      }
      milliseconds pause{1'000};
      {
        const std::lock_guard lock(state_.mutex);
        if (state_.deadline) pause = std::chrono::ceil<milliseconds>(*state_.deadline - Steady::now());
      }
      if (pause <= milliseconds::zero()) return std::nullopt;
      ::curl_multi_poll(multi_, nullptr, 0, static_cast<int>(std::min(pause, milliseconds(1'000)).count()),
                        nullptr);
    }
  }

  /// Nothing of the request is in it: URLs and headers may be as good as passwords.
  static void judge(CURL* curl, CURLcode result, Outcome& outcome) {
    const long status = http::statusOf(curl);
    if (result != CURLE_OK && result != CURLE_WRITE_ERROR) {
      outcome.again = !http::isCertificateError(result) && result != CURLE_URL_MALFORMAT;
      outcome.why = fmt::format("{}.", ::curl_easy_strerror(result));
      return;
    }
    outcome.taken = status / 100 == 2;
    outcome.again = isRetryable(status);
    if (outcome.taken) return;
    outcome.why = fmt::format("It answered {}.", status);
    curl_off_t seconds = 0;
    ::curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
    outcome.after = std::chrono::seconds(std::clamp<curl_off_t>(seconds, 0, 86'400));
  }

  State& state_;
  CURLM* multi_ = nullptr;
  curl_slist* headers_ = nullptr;
};

/// What the thread does: one batch after the other.
class Exporter::Worker {
 public:
  explicit Worker(State& state) : state_(state), connection_(state) {}

  void run() {
    for (;;) {
      const std::vector<SpanData> batch = next();
      if (batch.empty()) return;
      deliver(batch);
    }
  }

 private:
  /// Waits until there are enough, or for as long as they may wait. None: it is to end.
  std::vector<SpanData> next() {
    const Settings& settings = state_.options.settings;
    std::unique_lock lock(state_.mutex);
    state_.changed.wait(lock, [&] { return state_.stops() || !state_.queue.empty(); });
    state_.changed.wait_for(lock, settings.delay,
                            [&] { return state_.stops() || state_.queue.size() >= settings.batch; });
    if (state_.deadline && *state_.deadline <= Steady::now()) {  // however much still waits
      const std::size_t left = state_.queue.size();
      state_.dropped += left;
      state_.queue.clear();
      lock.unlock();
      if (left > 0) warnOfLoss("The end would not wait for them.");
      return {};
    }
    const std::size_t count = std::min(state_.queue.size(), settings.batch);
    std::vector<SpanData> batch;
    batch.reserve(count);
    std::move(state_.queue.begin(), state_.queue.begin() + static_cast<std::ptrdiff_t>(count),
              std::back_inserter(batch));
    state_.queue.erase(state_.queue.begin(), state_.queue.begin() + static_cast<std::ptrdiff_t>(count));
    state_.underWay = count;
    return batch;
  }

  void deliver(const std::vector<SpanData>& batch) {
    const Options& options = state_.options;
    const std::string body = encode(batch, options.settings.resource, options.version);
    const auto giveUpAt = Steady::now() + options.patience.batch;
    milliseconds pause = options.patience.firstPause;
    for (;;) {
      const Outcome outcome = connection_.post(body);
      if (outcome.taken) return succeed(batch.size(), outcome.body);
      fail(outcome.why);
      const milliseconds wait = outcome.after.count() > 0 ? outcome.after : shortened(pause);
      pause = std::min(pause * 2, options.patience.longestPause);
      if (!outcome.again || Steady::now() + wait > giveUpAt || !waitFor(wait))
        return giveUp(batch.size(), outcome.why);
    }
  }

  milliseconds shortened(milliseconds pause) {
    return milliseconds(std::uniform_int_distribution(pause.count() / 2, pause.count())(dice_));
  }

  /// False: the end would not wait for it.
  bool waitFor(milliseconds pause) {
    const auto until = Steady::now() + pause;
    std::unique_lock lock(state_.mutex);
    state_.changed.wait_until(lock, until, [&] { return state_.stops(); });
    if (!state_.stops()) return true;
    if (*state_.deadline <= until) return false;
    lock.unlock();
    std::this_thread::sleep_until(until);
    return true;
  }

  void succeed(std::size_t spans, const std::string& answer) {
    const PartialSuccess partial = decodeAnswer(answer);
    const std::size_t rejected = std::min<std::size_t>(partial.rejected, spans);
    count([&] {
      state_.exported += spans - rejected;
      state_.dropped += rejected;
      state_.underWay = 0;
    });
    if (std::exchange(failing_, false)) state_.options.inform("The collector of traces takes spans again.");
    if (rejected == 0) return;
    state_.options.warn(fmt::format("The collector of traces, {}, refused {} spans: {}",
                                    state_.options.settings.shownUrl(), rejected,
                                    partial.message.substr(0, longestSaid)));
  }

  void fail(const std::string& why) {
    count([&] { ++state_.failures; });
    if (std::exchange(failing_, true)) return;
    state_.options.warn(
        fmt::format("No spans could be sent to the collector of traces, {}: {} What waits has a "
                    "bound, and what is too much is dropped.",
                    state_.options.settings.shownUrl(), why));
  }

  void giveUp(std::size_t spans, const std::string& why) {
    count([&] {
      state_.dropped += spans;
      state_.underWay = 0;
    });
    warnOfLoss(why);
  }

  void warnOfLoss(const std::string& why) const {
    state_.options.warn(fmt::format("Spans for the collector of traces, {}, were given up: {}",
                                    state_.options.settings.shownUrl(), why));
  }

  void count(const auto& change) {
    const std::lock_guard lock(state_.mutex);
    change();
  }

  State& state_;
  Connection connection_;
  bool failing_ = false;
  std::minstd_rand dice_{std::random_device()()};
};

Exporter::Exporter(Options options) : state_(std::make_unique<State>(std::move(options))) {
  state_->thread = std::jthread([state = state_.get()] { Worker(*state).run(); });
}

Exporter::~Exporter() { stop(); }

void Exporter::add(SpanData span) {
  const Settings& settings = state_->options.settings;
  const std::lock_guard lock(state_->mutex);
  if (state_->stops() || state_->queue.size() + state_->underWay >= settings.queue) {
    ++state_->dropped;
    return;
  }
  state_->queue.push_back(std::move(span));
  if (state_->queue.size() == 1 || state_->queue.size() == settings.batch) state_->changed.notify_one();
}

void Exporter::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->deadline) state_->deadline = Steady::now() + state_->options.patience.end;
    state_->changed.notify_one();
    if (state_->multi != nullptr) ::curl_multi_wakeup(state_->multi);
  }
  if (state_->thread.joinable()) state_->thread.join();
}

Exporter::Counts Exporter::counts() const {
  const std::lock_guard lock(state_->mutex);
  return {.exported = state_->exported,
          .dropped = state_->dropped,
          .failures = state_->failures,
          .waiting = state_->queue.size() + state_->underWay};
}

}  // namespace rookery::trace
