#include "serve/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "api/syntax.h"
#include "image/digest.h"
#include "serve/failure.h"
#include "serve/request_info.h"
#include "web/assets.h"

namespace rookery::serve {
namespace {

constexpr std::string_view pageFolder = "web";
constexpr std::string_view documentName = "index.html";

const web::File* fileNamed(std::string_view name) {
  const auto files = web::files();
  const auto found = std::ranges::find(files, name, &web::File::name);
  return found == files.end() ? nullptr : &*found;
}

/// The digest of the style that stands in the document, in base64.
std::string styleDigest() {
  constexpr std::string_view begin = "<style>", end = "</style>";
  const web::File* document = fileNamed(documentName);
  const std::string_view text = document == nullptr ? std::string_view() : document->text;
  const std::size_t from = text.find(begin);
  check(from != std::string_view::npos, "the document of the page has its style");
  image::Sha256 hash;
  hash.update(text.substr(from + begin.size(), text.find(end) - from - begin.size()));
  return api::encodeBase64(hash.finish());
}

/// Nothing runs, is shown or is asked but what comes from here, and of styles just this one holds; nobody
/// frames it; and no text becomes markup: there is no policy of Trusted Types that could make any.
const std::string& contentSecurityPolicy() {
  static const std::string policy = fmt::format(
      "default-src 'none'; script-src 'self'; style-src 'sha256-{}'; img-src 'self'; connect-src 'self'; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
      "trusted-types 'none'",
      styleDigest());
  return policy;
}

/// The file that a path asks for; null: there is none.
const web::File* fileAt(const http::Target& target) {
  if (target.segments.empty() || (target.segments.size() == 1 && target.segments.front().empty()))
    return fileNamed(documentName);
  // Of a version that is not this one, the files are not these.
  if (target.segments.size() != 3 || target.segments[1] != web::version()) return nullptr;
  return fileNamed(target.segments[2]);
}

http::Response withoutPage() {
  return {.status = 404,
          .contentType = std::string(http::plainTextType),
          .body = "This rookery was built without its page (ROOKERY_WEB=OFF). Its API is below /apis.\n"};
}

}  // namespace

bool isPage(const http::Target& target) {
  return target.segments.empty() || target.segments.front().empty() || target.segments.front() == pageFolder;
}

http::Response page(const Request& request, const http::Target& target) {
  if (!onlyReads(request.method)) return methodNotAllowed(request.method);
  if (web::files().empty()) return withoutPage();
  const web::File* file = fileAt(target);
  if (file == nullptr) return failure(404, "the server could not find the requested resource");
  const bool isDocument = file->name == documentName;
  http::Response response{.status = 200, .contentType = std::string(file->contentType), .body = {}};
  response.headers = {
      {"Cache-Control", isDocument ? "no-cache" : "public, max-age=31536000, immutable"},
      {"Content-Security-Policy", contentSecurityPolicy()},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"ETag", fmt::format("\"{}\"", web::version())},
      {"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
      {"Referrer-Policy", "no-referrer"},
  };
  if (request.ifNoneMatch == response.headers.at("ETag")) {
    response.status = 304;
    return response;
  }
  response.body = file->text;
  return response;
}

}  // namespace rookery::serve
