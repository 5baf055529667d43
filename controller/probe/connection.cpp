#include "probe/connection.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <system_error>

namespace rookery::probe {

namespace {

/// Of a body, which is not looked at: who has sent so much has answered.
constexpr std::size_t longestBody = 64 << 10;
/// libcurl's own words, where they are used.
constexpr std::size_t longestMessage = 256;

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  check(::curl_easy_setopt(handle, option, value) == CURLE_OK, "libcurl knows the options that are set");
}

long statusOf(CURL* handle) {
  long status = 0;
  ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

/// Whether it came to a connection, before or after TLS.
bool isConnected(CURL* handle) {
  curl_off_t took = 0;
  ::curl_easy_getinfo(handle, CURLINFO_CONNECT_TIME_T, &took);
  return took > 0;
}

void setTrust(CURL* handle) {
  if (const char* file = std::getenv("SSL_CERT_FILE")) set(handle, CURLOPT_CAINFO, file);
  if (const char* folder = std::getenv("SSL_CERT_DIR")) set(handle, CURLOPT_CAPATH, folder);
  set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
}

/// "5 s", "500 ms"
std::string wordOf(std::chrono::milliseconds time) {
  return time.count() % 1000 == 0 ? fmt::format("{} s", time.count() / 1000)
                                  : fmt::format("{} ms", time.count());
}

}  // namespace

void initializeCurl() {
  static const CURLcode result = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  check(result == CURLE_OK, "libcurl can be initialized");
}

Connection::Connection(const Http& http, std::chrono::milliseconds patience)
    : target_(http), patience_(patience), handle_(::curl_easy_init()) {
  prepare(http.url);
  CURL* handle = handle_.get();
  setTrust(handle);
  if (!http.insecure) return;
  set(handle, CURLOPT_SSL_VERIFYPEER, 0L);
  set(handle, CURLOPT_SSL_VERIFYHOST, 0L);
}

Connection::Connection(const Tcp& tcp, std::chrono::milliseconds patience)
    : target_(tcp), patience_(patience), handle_(::curl_easy_init()) {
  prepare("http://" + tcp.address);
  set(handle_.get(), CURLOPT_CONNECT_ONLY, 1L);
}

void Connection::prepare(const std::string& url) {
  CURL* handle = handle_.get();
  check(handle != nullptr, "libcurl has memory for a request");
  set(handle, CURLOPT_URL, url.c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(handle, CURLOPT_USERAGENT, "rookery");
  set(handle, CURLOPT_PROXY, "");
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_FRESH_CONNECT, 1L);
  set(handle, CURLOPT_FORBID_REUSE, 1L);
  set(handle, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  set(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(patience_.count()));
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(patience_.count()));
  set(handle, CURLOPT_ERRORBUFFER, message_.data());
  using Write = std::size_t (*)(char*, std::size_t, std::size_t, void*);
  const Write write = [](char*, std::size_t size, std::size_t count, void* self) -> std::size_t {
    return static_cast<Connection*>(self)->take(size * count) ? size * count : 0;
  };
  set(handle, CURLOPT_WRITEFUNCTION, write);
  set(handle, CURLOPT_WRITEDATA, static_cast<void*>(this));
}

/// False: no more is wanted.
bool Connection::take(std::size_t bytes) {
  received_ += bytes;
  return received_ <= longestBody;
}

Result<void> Connection::end(CURLcode result) const {
  const bool enough = result == CURLE_WRITE_ERROR && received_ > longestBody;
  if (result != CURLE_OK && !enough)
    return fail(Reason::Unhealthy, fmt::format("{}: {}.", toString(target_), describe(result)));
  return std::holds_alternative<Http>(target_) ? judgeStatus() : Result<void>();
}

Result<void> Connection::judgeStatus() const {
  const long status = statusOf(handle_.get());
  const auto& expected = std::get<Http>(target_).expectedStatus;
  if (expected ? status == *expected : status >= 200 && status < 400) return {};
  return fail(Reason::Unhealthy, fmt::format("{} answers {}, and {} is expected.", toString(target_), status,
                                             expected ? std::to_string(*expected) : "200 to 399"));
}

/// The end of a sentence. Without what differs from one time to the next, as libcurl's milliseconds do.
std::string Connection::describe(CURLcode result) const {
  CURL* handle = handle_.get();
  switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return "the name of the host cannot be resolved";
    case CURLE_COULDNT_CONNECT: {
      long number = 0;
      ::curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &number);
      if (number != 0) return std::generic_category().message(static_cast<int>(number));
      return "nobody accepts the connection";
    }
    case CURLE_OPERATION_TIMEDOUT:
      return fmt::format("{} within {}", isConnected(handle) ? "no whole answer" : "no connection",
                         wordOf(patience_));
    case CURLE_GOT_NOTHING:
      return "the connection is closed without an answer";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: {
      const std::string_view words(message_.data());
      if (!words.empty()) return std::string(words.substr(0, longestMessage));
      [[fallthrough]];
    }
    default:
      return ::curl_easy_strerror(result);
  }
}

}  // namespace rookery::probe
