#include "notify/transfers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "http/client/curl.h"

namespace rookery::notify {

using http::setOption;

namespace {

/// Of an answer that is kept: enough to tell what it says.
constexpr std::size_t mostKept = 4 << 10;
/// Of one that is let pass.
constexpr std::size_t mostRead = std::size_t{1} << 20;
constexpr int idle = 3'600'000;  // ms; any time will do: who wants something wakes the thread

}  // namespace

struct Transfers::Transfer {
  Transfer(const Receiver& to, Request what, const Patience& patience, Done whenDone)
      : receiver(to), request(std::move(what)), done(std::move(whenDone)), handle(::curl_easy_init()) {
    check(handle != nullptr, "libcurl has memory for a request");
    CURL* const curl = handle.get();
    setOption(curl, CURLOPT_URL, request.url.c_str());
    setOption(curl, CURLOPT_NOSIGNAL, 1L);
    setOption(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(patience.connect.count()));
    setOption(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(patience.whole.count()));
    setOption(curl, CURLOPT_ERRORBUFFER, message.data());
    setOption(curl, CURLOPT_PRIVATE, static_cast<void*>(this));
    http::setTrust(curl);
    using Write = std::size_t (*)(char*, std::size_t, std::size_t, void*);
    const Write write = [](char* bytes, std::size_t size, std::size_t count, void* self) -> std::size_t {
      return static_cast<Transfer*>(self)->take({bytes, size * count}) ? size * count : 0;
    };
    setOption(curl, CURLOPT_WRITEFUNCTION, write);
    setOption(curl, CURLOPT_WRITEDATA, static_cast<void*>(this));
    if (request.mail) {
      prepareMail();
    } else {
      prepareHttp();
    }
  }
  ~Transfer() {
    handle.reset();
    ::curl_slist_free_all(headers);
    ::curl_slist_free_all(recipients);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void prepareHttp() {
    CURL* const curl = handle.get();
    setOption(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    http::setProxy(curl, request.url);
    setOption(curl, CURLOPT_USERAGENT, "rookery");
    setOption(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    setOption(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    setOption(curl, CURLOPT_POSTFIELDS, request.body.c_str());
    for (const std::string& header : request.headers) headers = ::curl_slist_append(headers, header.c_str());
    headers = ::curl_slist_append(headers, "Expect:");
    setOption(curl, CURLOPT_HTTPHEADER, headers);
  }

  void prepareMail() {
    CURL* const curl = handle.get();
    const Request::Mail& mail = *request.mail;
    setOption(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    setOption(curl, CURLOPT_FORBID_REUSE, 1L);  // a mail server does not like to be kept waiting
    setOption(curl, CURLOPT_USE_SSL, static_cast<long>(mail.plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (!mail.username.empty()) {
      setOption(curl, CURLOPT_USERNAME, mail.username.c_str());
      setOption(curl, CURLOPT_PASSWORD, mail.password.c_str());
    }
    setOption(curl, CURLOPT_MAIL_FROM, fmt::format("<{}>", mail.from).c_str());
    for (const std::string& to : mail.to)
      recipients = ::curl_slist_append(recipients, fmt::format("<{}>", to).c_str());
    setOption(curl, CURLOPT_MAIL_RCPT, recipients);
    using Read = std::size_t (*)(char*, std::size_t, std::size_t, void*);
    const Read read = [](char* into, std::size_t size, std::size_t count, void* self) -> std::size_t {
      return static_cast<Transfer*>(self)->give(into, size * count);
    };
    setOption(curl, CURLOPT_READFUNCTION, read);
    setOption(curl, CURLOPT_READDATA, static_cast<void*>(this));
    setOption(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    setOption(curl, CURLOPT_UPLOAD, 1L);
  }

  std::size_t give(char* into, std::size_t most) {
    const std::size_t size = std::min(most, request.body.size() - given);
    std::memcpy(into, request.body.data() + given, size);
    given += size;
    return size;
  }

  bool take(std::string_view bytes) {
    received += bytes.size();
    kept += bytes.substr(0, mostKept - std::min(mostKept, kept.size()));
    return received < mostRead;
  }

  /// Nothing of the request is in it: URLs may be as good as passwords.
  Outcome outcome(CURLcode result) const {
    const long status = http::statusOf(handle.get());
    curl_off_t seconds = 0;
    ::curl_easy_getinfo(handle.get(), CURLINFO_RETRY_AFTER, &seconds);
    const bool answered =
        status >= 100 && (result == CURLE_OK || result == CURLE_WRITE_ERROR || request.mail);
    if (answered && (result == CURLE_OK || status / 100 != 2))
      return outcomeOf(receiver, status, std::chrono::seconds(seconds), kept);
    if (answered && !request.mail) return outcomeOf(receiver, status, std::chrono::seconds(seconds), kept);
    const bool lasting = result == CURLE_URL_MALFORMAT || result == CURLE_UNSUPPORTED_PROTOCOL;
    return {lasting ? Outcome::End::Refused : Outcome::End::Failed, ::curl_easy_strerror(result), {}};
  }

  const Receiver receiver;
  const Request request;
  const Done done;
  http::CurlHandle handle;
  curl_slist* headers = nullptr;
  curl_slist* recipients = nullptr;
  std::array<char, CURL_ERROR_SIZE> message{};
  std::size_t given = 0, received = 0;
  std::string kept;
};

/// What the callers share with the thread.
struct Transfers::State {
  explicit State(Patience chosen) : patience(chosen) {
    http::initializeCurl();
    multi = ::curl_multi_init();
    check(multi != nullptr, "libcurl has memory");
  }
  ~State() { ::curl_multi_cleanup(multi); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// What the thread does.
  void run() {
    while (begin()) {
      int running = 0;
      ::curl_multi_perform(multi, &running);
      end();
      ::curl_multi_poll(multi, nullptr, 0, idle, nullptr);
    }
    for (const auto& transfer : underWay) ::curl_multi_remove_handle(multi, transfer->handle.get());
    underWay.clear();
  }
  /// False: the thread is to end.
  bool begin() {
    const std::lock_guard lock(mutex);
    for (auto& transfer : std::exchange(waiting, {})) {
      ::curl_multi_add_handle(multi, transfer->handle.get());
      underWay.push_back(std::move(transfer));
    }
    return !stopping;
  }
  void end() {
    int left = 0;
    while (const CURLMsg* message = ::curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode result = message->data.result;
      Transfer* transfer = nullptr;
      ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      ::curl_multi_remove_handle(multi, transfer->handle.get());
      transfer->done(transfer->outcome(result));
      std::erase_if(underWay, [&](const auto& each) { return each.get() == transfer; });
    }
  }

  const Patience patience;
  CURLM* multi = nullptr;                           // the thread's; others only wake it
  std::vector<std::unique_ptr<Transfer>> underWay;  // the thread's
  std::mutex mutex;
  std::vector<std::unique_ptr<Transfer>> waiting;
  bool stopping = false;
  std::thread thread;
};

Transfers::Transfers(Patience patience) : state_(std::make_unique<State>(patience)) {}

Transfers::~Transfers() { stop(); }

void Transfers::send(const Receiver& receiver, Request request, Done done) {
  auto transfer = std::make_unique<Transfer>(receiver, std::move(request), state_->patience, std::move(done));
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping) return;
  state_->waiting.push_back(std::move(transfer));
  if (!state_->thread.joinable()) state_->thread = std::thread([this] { state_->run(); });
  ::curl_multi_wakeup(state_->multi);
}

void Transfers::stop() {
  std::thread thread;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    thread.swap(state_->thread);
    ::curl_multi_wakeup(state_->multi);
  }
  if (thread.joinable()) thread.join();
}

}  // namespace rookery::notify
