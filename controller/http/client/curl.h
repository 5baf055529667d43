#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>
#include <string_view>

#include "error.h"

/// What every use of libcurl here has in common.
namespace rookery::http {

/// To be called before the first handle is made; from any thread, as often as one likes.
void initializeCurl();

template <class Value>
void setOption(CURL* handle, CURLoption option, Value value) {
  check(::curl_easy_setopt(handle, option, value) == CURLE_OK, "libcurl knows the options that are set");
}

struct FreeCurlHandle {
  void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
};
using CurlHandle = std::unique_ptr<CURL, FreeCurlHandle>;

/// A header of the last answer; empty: it has none.
std::string headerOf(CURL* handle, const char* name);
/// Of the last answer; 0: there was none.
long statusOf(CURL* handle);

bool isHttps(std::string_view url);

/// Uses the proxy that the environment names for a URL. libcurl itself leaves HTTP_PROXY alone, which a CGI
/// program gets from its clients. This is none.
void setProxy(CURL* handle, std::string_view url);
/// Trusts whom the system trusts, or SSL_CERT_FILE and SSL_CERT_DIR name; TLS 1.2 at least.
void setTrust(CURL* handle);

bool isCertificateError(CURLcode result);

}  // namespace rookery::http
