#include "image/pull/transfer.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "http/client/curl.h"

namespace rookery::image {

using http::headerOf;
using http::isCertificateError;
using http::isHttps;
using http::setOption;
using http::statusOf;

namespace {

constexpr long slowest = 100;                  // bytes per second: less counts as nothing
constexpr std::size_t longestRefusal = 65536;  // bytes of an answer that is no image which are let pass

bool begins(std::string_view text, std::string_view lowerCase) {
  return text.size() >= lowerCase.size() && std::equal(lowerCase.begin(), lowerCase.end(), text.begin(),
                                                       [](char a, char b) { return a == (b | 0x20); });
}

/// Where the part begins that an answer 206 has: "bytes 100-199/200".
std::optional<std::uint64_t> startOf(std::string_view contentRange) {
  if (!begins(contentRange, "bytes ")) return std::nullopt;
  contentRange.remove_prefix(6);
  std::uint64_t start = 0;
  const auto [end, error] =
      std::from_chars(contentRange.data(), contentRange.data() + contentRange.size(), start);
  if (error != std::errc{} || end == contentRange.data() + contentRange.size() || *end != '-')
    return std::nullopt;
  return start;
}

/// What says that the rest is of the same file (RFC 9110, section 13.1.5): a weak tag does not.
std::string validatorOf(CURL* handle) {
  const std::string tag = headerOf(handle, "ETag");
  return tag.starts_with('"') ? tag : headerOf(handle, "Last-Modified");
}

/// As libcurl reads it; empty where it cannot.
std::string hostOf(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> parsed(::curl_url(), &::curl_url_cleanup);
  char* host = nullptr;
  if (::curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      ::curl_url_get(parsed.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK)
    return {};
  const std::unique_ptr<char, decltype(&::curl_free)> owned(host, &::curl_free);
  return host;
}

bool isLasting(CURLcode result) {
  return isCertificateError(result) || result == CURLE_URL_MALFORMAT ||
         result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_LOGIN_DENIED;
}

}  // namespace

struct Transfer::Request {
  Request() : handle(::curl_easy_init()) { check(handle != nullptr, "libcurl has memory for a request"); }
  ~Request() {
    ::curl_easy_cleanup(handle);
    ::curl_slist_free_all(headers);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  /// Asks for what follows the first `offset` bytes, or for all of it when the file is another one by now.
  void askFrom(std::uint64_t offset, const std::string& validator) {
    setOption(handle, CURLOPT_RANGE, fmt::format("{}-", offset).c_str());
    if (!validator.empty())
      headers = ::curl_slist_append(headers, fmt::format("If-Range: {}", validator).c_str());
    setOption(handle, CURLOPT_HTTPHEADER, headers);
  }

  CURL* handle;
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> message{};
};

Transfer::Transfer(ImageStore& store, const std::string& url, Remote remote, Partial& partial,
                   const Patience& patience, const Hosts* hosts)
    : store_(store),
      url_(url),
      remote_(std::move(remote)),
      partial_(partial),
      hosts_(hosts),
      request_(std::make_unique<Request>()) {
  CURL* handle = request_->handle;
  setOption(handle, CURLOPT_URL, url.c_str());
  setOption(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  setOption(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  http::setProxy(handle, url);
  if (hosts_ != nullptr && !hosts_->allowsName(hostOf(url))) guard();
  http::setTrust(handle);
  setOption(handle, CURLOPT_USERAGENT, "rookery");
  setOption(handle, CURLOPT_NOSIGNAL, 1L);
  setOption(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  setOption(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(patience.connect.count()));
  setOption(handle, CURLOPT_LOW_SPEED_LIMIT, slowest);
  setOption(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(patience.stall.count()));
  setOption(handle, CURLOPT_ERRORBUFFER, request_->message.data());
  using Write = std::size_t (*)(char*, std::size_t, std::size_t, void*);
  const Write write = [](char* bytes, std::size_t size, std::size_t count, void* self) -> std::size_t {
    return static_cast<Transfer*>(self)->take({bytes, size * count}) ? size * count : 0;
  };
  setOption(handle, CURLOPT_WRITEFUNCTION, write);
  setOption(handle, CURLOPT_WRITEDATA, static_cast<void*>(this));
  if (partial_.size() > 0) request_->askFrom(partial_.size(), partial_.validator);
}

Transfer::~Transfer() = default;

/// Has each address looked at before it is connected to: what a name means is known only then, and may change
/// between two looks.
void Transfer::guard() {
  guarded_ = true;
  CURL* handle = request_->handle;
  setOption(handle, CURLOPT_PROXY, "");
  // A connection that somebody else made, who may reach more, is not for this one.
  setOption(handle, CURLOPT_FRESH_CONNECT, 1L);
  setOption(handle, CURLOPT_FORBID_REUSE, 1L);
  using Open = curl_socket_t (*)(void*, curlsocktype, curl_sockaddr*);
  const Open open = [](void* self, curlsocktype, curl_sockaddr* address) -> curl_socket_t {
    return static_cast<Transfer*>(self)->connectTo(*address);
  };
  setOption(handle, CURLOPT_OPENSOCKETFUNCTION, open);
  setOption(handle, CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
}

/// A socket for that address, if it may be used.
int Transfer::connectTo(const curl_sockaddr& to) {
  const std::optional<Address> address = addressOf(to.addr);
  if (!address || !hosts_->allowsAddress(*address)) {
    refused_ = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(to.family, to.socktype | SOCK_CLOEXEC, to.protocol);
}

void* Transfer::handle() const { return request_->handle; }

/// The answer is the image, or its rest: makes `partial_` what that continues. False: it is of no use.
bool Transfer::admit() {
  CURL* handle = request_->handle;
  const bool rest = statusOf(handle) == 206;
  if (rest && startOf(headerOf(handle, "Content-Range")) != partial_.size()) {
    partial_.drop();
    failure_ = failure("the server sends another part of it than was asked for");
    return false;
  }
  if (!rest) partial_.drop();
  curl_off_t announced = 0;
  ::curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  const auto coming = static_cast<std::uint64_t>(std::max<curl_off_t>(announced, 0));
  const std::uint64_t total = partial_.size() + coming;
  if (total > store_.largestImage()) {
    failure_ = {
        {Reason::ImageTooLarge, fmt::format("Image {} has {} bytes, and one may have {} here at most.",
                                            remote_.name(), total, store_.largestImage())},
        true};
    return false;
  }
  if (!partial_.bytes) {
    auto begun = store_.begin();
    if (!begun) {
      failure_ = {begun.error()};
      return false;
    }
    partial_.bytes.emplace(*std::move(begun));
  }
  // Before it comes: of several that do not fit together, one is complete before the next begins.
  if (auto room = partial_.bytes->reserve(coming); !room) {
    failure_ = {std::move(room.error())};
    return false;
  }
  partial_.pieced = rest;
  partial_.validator = validatorOf(handle);
  return admitted_ = true;
}

/// False: no more is wanted.
bool Transfer::take(std::string_view bytes) {
  const long status = statusOf(request_->handle);
  if (status != 200 && status != 206) {
    curl_off_t received = 0;
    ::curl_easy_getinfo(request_->handle, CURLINFO_SIZE_DOWNLOAD_T, &received);
    return std::cmp_less(received, longestRefusal);
  }
  if (!admitted_ && !admit()) return false;
  const Result<void> written = partial_.bytes->write(bytes);
  if (written) return true;
  const bool tooLarge = written.error().reason == Reason::ImageTooLarge;
  partial_.drop();
  failure_ = {{written.error().reason,
               tooLarge ? fmt::format("Image {} has more than {} bytes, and one may not have more here.",
                                      remote_.name(), store_.largestImage())
                        : written.error().message},
              tooLarge};
  return false;
}

Transfer::Failure Transfer::failure(std::string_view what, bool lasting) const {
  return {{lasting ? Reason::ImagePullFailed : Reason::ImagePullBackOff,
           fmt::format("Image {} cannot be pulled: {}.", remote_.name(), what)},
          lasting};
}

Transfer::End Transfer::end(int result) {
  if (failure_) return *failure_;
  const long status = statusOf(request_->handle);
  if (status == 416) {
    partial_.drop();
    return failure("the server does not have the rest of what it began to send");
  }
  if (status / 100 == 3) return redirected();
  if (status != 0 && status != 200 && status != 206) return refused(status);
  if (result != CURLE_OK) return failed(result);
  if (!admitted_ && !admit()) return *failure_;
  return Complete{};
}

Transfer::End Transfer::redirected() const {
  char* target = nullptr;
  ::curl_easy_getinfo(request_->handle, CURLINFO_REDIRECT_URL, &target);
  if (target == nullptr) return refused(statusOf(request_->handle));
  const std::string_view url = target;
  if (isHttps(url) || (begins(url, "http:") && !isHttps(url_))) return Redirect{std::string(url)};
  return failure(
      fmt::format("the server redirects to {}, and from {}", url.substr(0, url.find('?')),
                  isHttps(url_) ? "https only https may follow" : "http only http or https may follow"),
      true);
}

/// What an HTTP status says that is neither success nor redirect.
Transfer::Failure Transfer::refused(long status) const {
  if (status == 404 || status == 410) {
    return {{Reason::ImageNotFound,
             fmt::format("Image {} is not there: the server answers {}. Publish it, or correct {}.url.",
                         remote_.name(), status, fieldOf(remote_.content))},
            true};
  }
  const bool lasting = status / 100 != 5 && status != 408 && status != 425 && status != 429;
  const std::string_view who =
      status == 401 || status == 403
          ? ", and rookery has no password for it. Let it be read without, or use another URL"
          : "";
  Failure refusal = failure(fmt::format("the server answers {}{}", status, who), lasting);
  curl_off_t seconds = 0;
  ::curl_easy_getinfo(request_->handle, CURLINFO_RETRY_AFTER, &seconds);
  refusal.retryAfter = std::chrono::seconds(seconds);
  return refusal;
}

/// What went wrong below HTTP.
Transfer::Failure Transfer::failed(int result) const {
  const auto code = static_cast<CURLcode>(result);
  const bool unreached = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
  if (guarded_ && remote_.anybodys && unreached)
    return failure("nothing answers at its host, or images may not come from there (--image-hosts)");
  if (refused_ && unreached)
    return failure(fmt::format("images may not come from the host {} (--image-hosts)", hostOf(url_)), true);
  // Of others, libcurl's words change with each attempt: they tell times and sizes.
  const bool detailed = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
                        code == CURLE_SSL_CONNECT_ERROR || isLasting(code);
  std::string_view text = detailed ? request_->message.data() : "";
  if (text.empty()) text = ::curl_easy_strerror(code);
  const std::string_view advice =
      isCertificateError(code) ? ". Name the CA that is to be trusted in SSL_CERT_FILE, if it is right" : "";
  return failure(fmt::format("{}{}", text, advice), isLasting(code));
}

}  // namespace rookery::image
