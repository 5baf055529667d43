#include "serve/page.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <regex>
#include <string>

#include "api/syntax.h"
#include "image/digest.h"
#include "web/assets.h"

namespace rookery::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

http::Response askFor(const std::string& path, const std::string& method = "GET",
                      const std::string& ifNoneMatch = "") {
  Request request;
  request.method = method;
  request.target = path;
  request.ifNoneMatch = ifNoneMatch;
  const auto target = http::parseTarget(path);
  EXPECT_TRUE(target && isPage(*target)) << path;
  return page(request, *target);
}

std::string pathOf(std::string_view file) { return fmt::format("/web/{}/{}", web::version(), file); }

class PageTest : public testing::Test {
 protected:
  void SetUp() override {
    if (web::files().empty()) GTEST_SKIP() << "built without the page";
  }
};

TEST_F(PageTest, NamesItsFilesByTheirVersion) {
  const http::Response document = askFor("/");
  EXPECT_EQ(document.status, 200);
  EXPECT_EQ(document.contentType, "text/html; charset=utf-8");
  EXPECT_EQ(document.headers.at("Cache-Control"), "no-cache");
  const std::regex reference(R"rx((?:href|src)="([^"]*)")rx");
  std::size_t found = 0;
  for (std::sregex_iterator each(document.body.begin(), document.body.end(), reference), end; each != end;
       ++each) {
    const http::Response file = askFor("/" + (*each)[1].str());
    EXPECT_EQ(file.status, 200) << (*each)[1];
    EXPECT_THAT(file.headers.at("Cache-Control"), HasSubstr("immutable"));
    EXPECT_EQ(file.headers.at("ETag"), document.headers.at("ETag"));
    ++found;
  }
  EXPECT_GT(found, 5u);
  EXPECT_EQ(askFor("/", "GET", document.headers.at("ETag")).status, 304);
  EXPECT_EQ(askFor("/", "GET", "\"other\"").status, 200);
}

TEST_F(PageTest, HasAllThatItsModulesImport) {
  const std::regex import(R"rx((?:from|import\()\s*['"]([^'"]*)['"])rx");
  for (const web::File& file : web::files()) {
    if (!file.name.ends_with(".js")) continue;
    const std::string text(file.text);
    for (std::sregex_iterator each(text.begin(), text.end(), import), end; each != end; ++each) {
      const std::string name = (*each)[1];
      if (name == "./types.js") continue;  // in comments, for who checks types
      ASSERT_TRUE(name.starts_with("./")) << file.name << " imports " << name;
      EXPECT_EQ(askFor(pathOf(name.substr(2))).status, 200) << file.name << " imports " << name;
    }
  }
}

/// The policy would stop each of them; here they are seen before somebody has a browser.
TEST_F(PageTest, NeedsNothingThatItsPolicyForbids) {
  for (const web::File& file : web::files()) {
    EXPECT_THAT(std::string(file.text),
                AllOf(Not(HasSubstr("eval(")), Not(HasSubstr("new Function")),
                      Not(HasSubstr("document.write")), Not(HasSubstr("javascript:"))))
        << file.name;
    if (file.name == "preact.js") continue;  // which knows dangerouslySetInnerHTML
    EXPECT_THAT(std::string(file.text), AllOf(Not(HasSubstr("innerHTML")), Not(HasSubstr("InnerHTML"))))
        << file.name;
  }
  const http::Response answer = askFor("/");
  const std::string document(answer.body);
  // Of styles it allows the one that is there.
  const std::size_t begin = document.find("<style>") + std::string_view("<style>").size();
  const std::size_t end = document.find("</style>");
  ASSERT_LT(begin, end);
  ASSERT_NE(end, std::string::npos);
  image::Sha256 hash;
  hash.update(std::string_view(document).substr(begin, end - begin));
  EXPECT_THAT(answer.headers.at("Content-Security-Policy"),
              HasSubstr(fmt::format("style-src 'sha256-{}';", api::encodeBase64(hash.finish()))));
  const std::regex inlined(R"(<style[^>]|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=)");
  EXPECT_FALSE(std::regex_search(document, inlined)) << document;
}

TEST_F(PageTest, IsNotFramedAndRunsNothingOfOthers) {
  for (const std::string& path : {std::string("/"), pathOf("app.js"), pathOf("icon.svg")}) {
    const http::Response file = askFor(path);
    EXPECT_THAT(file.headers.at("Content-Security-Policy"),
                AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'self';"),
                      HasSubstr("style-src 'sha256-"), HasSubstr("frame-ancestors 'none'"),
                      HasSubstr("require-trusted-types-for 'script'"), HasSubstr("trusted-types 'none'"),
                      Not(HasSubstr("unsafe")), Not(HasSubstr("http"))));
    EXPECT_EQ(file.headers.at("Referrer-Policy"), "no-referrer");
    EXPECT_EQ(file.headers.at("Cross-Origin-Opener-Policy"), "same-origin");
  }
}

TEST_F(PageTest, HasNoOtherFiles) {
  const std::string version(web::version());
  for (const std::string& path :
       {std::string("/web"), "/web/" + version, std::string("/web/x/app.js"), pathOf("x.js"), pathOf(""),
        pathOf("app.js/x"), pathOf("..%2fapp.js"), pathOf("%2fetc%2fpasswd")})
    EXPECT_EQ(askFor(path).status, 404) << path;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"})
    EXPECT_EQ(askFor("/", method).status, 405) << method;
  EXPECT_EQ(askFor("/", "HEAD").status, 200);
}

}  // namespace
}  // namespace rookery::serve
