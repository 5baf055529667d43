#include "http/client/curl.h"

#include <algorithm>
#include <cstdlib>

namespace rookery::http {

namespace {

bool begins(std::string_view text, std::string_view lowerCase) {
  return text.size() >= lowerCase.size() && std::equal(lowerCase.begin(), lowerCase.end(), text.begin(),
                                                       [](char a, char b) { return a == (b | 0x20); });
}

}  // namespace

void initializeCurl() {
  static const CURLcode result = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  check(result == CURLE_OK, "libcurl can be initialized");
}

std::string headerOf(CURL* handle, const char* name) {
  curl_header* found = nullptr;
  return ::curl_easy_header(handle, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : "";
}

long statusOf(CURL* handle) {
  long status = 0;
  ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

bool isHttps(std::string_view url) { return begins(url, "https:"); }

void setProxy(CURL* handle, std::string_view url) {
  if (isHttps(url) || std::getenv("http_proxy") != nullptr) return;
  if (const char* proxy = std::getenv("HTTP_PROXY")) setOption(handle, CURLOPT_PROXY, proxy);
}

void setTrust(CURL* handle) {
  if (const char* file = std::getenv("SSL_CERT_FILE")) setOption(handle, CURLOPT_CAINFO, file);
  if (const char* folder = std::getenv("SSL_CERT_DIR")) setOption(handle, CURLOPT_CAPATH, folder);
  setOption(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
}

bool isCertificateError(CURLcode result) {
  return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE ||
         result == CURLE_SSL_ISSUER_ERROR;
}

}  // namespace rookery::http
