#include "serve/write_request.h"

#include <gmock/gmock.h>

#include <string>

#include "unit/http/bodies.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  for (std::size_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

/// Reads a request with a body.
std::expected<WriteRequest, http::Response> read(const std::string& text, const std::string& type,
                                                 Admission& parsing, const std::string& verb = "create") {
  http::TextBody body(text, 1 << 16);
  const Request request{{.method = "POST", .contentType = type, .body = &body}};
  return readWriteRequest(request, *http::parseTarget("/apis"), verb, parsing);
}

std::string outcome(const std::string& text, const std::string& type) {
  Admission parsing(1, 1);
  const auto request = read(text, type, parsing);
  if (request) return request->body.dump();
  return std::to_string(request.error().status) + " " +
         json::parse(request.error().body)["message"].get<std::string>();
}

TEST(WriteRequest, ReadsABodyAsWhatItIs) {
  const std::string unreadable = "400 the body cannot be read: line 1, column ";
  const struct {
    std::string text, type, begins;
  } cases[] = {
      {R"({"a": 1.0})", "application/json", R"({"a":1})"},
      {R"({"a": 1})", "", R"({"a":1})"},
      {R"({"a": 1})", "application/json; charset=utf-8", R"({"a":1})"},
      {"a: &x [1]\nb: *x\n", "application/yaml", R"({"a":[1],"b":[1]})"},
      {"{a: 1}", "application/json", unreadable + "2: this is not valid JSON: invalid literal"},
      {"{\"a\": &x 1}", "application/json", unreadable},
      {"{\"a\": !!str 1}", "application/json", unreadable},
      {"# no\n{}", "application/json", unreadable},
      {"{\"a\":1}{\"b\":2}", "application/json", unreadable + "8: this must be one value"},
      {R"({"a": {"b": 1, "b": 2}})", "application/json",
       R"(400 strict decoding error: duplicate field "a.b")"},
      {"a: 1\na: 2\n", "application/yaml", R"(400 strict decoding error: duplicate field "a")"},
      {"--- 1\n--- 2\n", "application/yaml", "400 the body must be one document"},
      {repeat("[", 3'000'000), "application/json",
       unreadable + "65: the value is nested more than 64 levels deep"},
      {repeat("[", 3'000'000), "application/yaml",
       unreadable + "65: the value is nested more than 64 levels deep"},
      {repeat(" ", maxObjectBytes + 1), "application/json", "413 "},
      {"{}", "text/plain", "415 "},
  };
  for (const auto& [text, type, begins] : cases) {
    EXPECT_EQ(outcome(text, type).substr(0, begins.size()), begins) << text.substr(0, 80) << " as " << type;
  }
}

TEST(WriteRequest, HoldsAPlaceForWhatIsParsed) {
  const std::string large = "{" + repeat(" ", 4 << 10) + "}";
  Admission parsing(1, 1);
  {
    const auto first = read(large, "application/json", parsing);
    ASSERT_TRUE(first);
    for (const auto& [text, type] : {std::pair(large, "application/json"), {"{}", "application/yaml"}}) {
      const auto second = read(text, type, parsing);
      ASSERT_FALSE(second) << type;
      EXPECT_EQ(second.error().status, 429);
    }
    EXPECT_TRUE(read("", "application/json", parsing, "delete")) << "nothing is held for nothing";
    EXPECT_TRUE(read("{}", "application/json", parsing)) << "nor for next to nothing";
  }
  EXPECT_TRUE(read(large, "application/json", parsing)) << "until the request is done with";
}

}  // namespace
}  // namespace rookery::serve
