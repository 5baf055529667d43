#include "notify/transfers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "http/client/curl.h"

namespace rookery::notify {

using http::setOption;

namespace {

/// Of an answer that is kept: enough to tell what it says.
constexpr std::size_t mostKept = 4 << 10;
/// Of one that is let pass.
constexpr std::size_t mostRead = std::size_t{1} << 20;

}  // namespace

struct Transfers::Transfer {
  Transfer(const Receiver& to, Request what, const Patience& patience)
      : receiver(to), request(std::move(what)), handle(::curl_easy_init()) {
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
  http::CurlHandle handle;
  curl_slist* headers = nullptr;
  curl_slist* recipients = nullptr;
  std::array<char, CURL_ERROR_SIZE> message{};
  std::size_t given = 0, received = 0;
  std::string kept;
};

struct Transfers::State {
  explicit State(Patience chosen) : patience(chosen) {
    http::initializeCurl();
    multi = ::curl_multi_init();
    check(multi != nullptr, "libcurl has memory");
  }
  ~State() {
    for (const auto& transfer : transfers) ::curl_multi_remove_handle(multi, transfer->handle.get());
    transfers.clear();
    ::curl_multi_cleanup(multi);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  const Patience patience;
  CURLM* multi = nullptr;
  std::vector<std::unique_ptr<Transfer>> transfers;
};

Transfers::Transfers(Patience patience) : state_(std::make_unique<State>(patience)) {}

Transfers::~Transfers() = default;

void Transfers::start(const Receiver& receiver, Request request) {
  auto& transfer = state_->transfers.emplace_back(
      std::make_unique<Transfer>(receiver, std::move(request), state_->patience));
  ::curl_multi_add_handle(state_->multi, transfer->handle.get());
}

std::vector<Transfers::Ended> Transfers::perform() {
  int running = 0, left = 0;
  ::curl_multi_perform(state_->multi, &running);
  std::vector<Ended> ended;
  while (const CURLMsg* message = ::curl_multi_info_read(state_->multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    Transfer* transfer = nullptr;
    ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    ended.push_back({transfer->receiver.name, transfer->outcome(result)});
    ::curl_multi_remove_handle(state_->multi, transfer->handle.get());
    std::erase_if(state_->transfers, [&](const auto& each) { return each.get() == transfer; });
  }
  return ended;
}

void Transfers::wait(std::chrono::milliseconds longest) {
  ::curl_multi_poll(state_->multi, nullptr, 0, static_cast<int>(longest.count()), nullptr);
}

void Transfers::wake() { ::curl_multi_wakeup(state_->multi); }

std::size_t Transfers::underWay() const { return state_->transfers.size(); }

}  // namespace rookery::notify
