#pragma once

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "error.h"
#include "image/image.h"
#include "image/pull/hosts.h"
#include "image/store.h"

namespace rookery::image {

/// What has come of an image, kept from one attempt to the next, which asks for the rest only.
struct Partial {
  std::optional<ImageStore::Incoming> bytes;
  std::string validator;  // of the server's file: a strong ETag or a date; empty: it gave none
  bool pieced = false;    // the bytes are of several answers

  std::uint64_t size() const { return bytes ? bytes->size() : 0; }
  void drop() { *this = {}; }
};

/// One GET of an image over http(s) (RFC 9110): from the start, or from where `partial` ends. Follows no
/// redirect by itself. The environment's proxies (http_proxy, https_proxy, all_proxy, no_proxy, also in upper
/// case) and certificates (SSL_CERT_FILE, SSL_CERT_DIR) apply. One thread at a time.
class Transfer {
 public:
  struct Patience {
    std::chrono::milliseconds connect{10'000};
    std::chrono::seconds stall{60};  // with next to nothing coming
  };

  /// `url`: where redirects led from `remote`, which is what is told of. `hosts`: where it may come from
  /// (null: from anywhere). A host whose name is allowed is used as the environment says; else the address is
  /// looked at that is connected to, and no proxy is used, which would hide it. All must outlive it.
  Transfer(ImageStore& store, const std::string& url, Remote remote, Partial& partial,
           const Patience& patience, const Hosts* hosts);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// libcurl's handle (CURL*), ready to be run, which says here how that ended (a CURLcode).
  void* handle() const;

  struct Complete {};
  struct Redirect {
    std::string url;  // over http or https, and not from https to http
  };
  struct Failure {
    Error error;
    bool lasting = false;                // it would end like this again, unless somebody changes something
    std::chrono::seconds retryAfter{0};  // what the server asks for
  };
  using End = std::variant<Complete, Redirect, Failure>;

  /// What came of it; `partial` has all that came. Errors: ImagePullBackOff, ImagePullFailed, ImageNotFound,
  /// ImageTooLarge, StoreUnwritable (no room, for one).
  End end(int result);

 private:
  struct Request;
  void guard();
  int connectTo(const curl_sockaddr& to);
  bool admit();
  bool take(std::string_view bytes);
  Failure failure(std::string_view what, bool lasting = false) const;
  Failure failed(int result) const;
  End redirected() const;
  Failure refused(long status) const;

  ImageStore& store_;
  const std::string url_;
  const Remote remote_;
  Partial& partial_;
  const Hosts* const hosts_;
  std::unique_ptr<Request> request_;
  bool guarded_ = false;            // addresses are looked at
  bool refused_ = false;            // one was not allowed
  bool admitted_ = false;           // bytes of the image come
  std::optional<Failure> failure_;  // found while they came
};

}  // namespace rookery::image
