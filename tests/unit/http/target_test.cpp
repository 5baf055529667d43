#include "http/target.h"

#include <gmock/gmock.h>

#include "text.h"

namespace rookery::http {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::Pair;

TEST(Target, PathsAreSplitBeforeTheyAreDecoded) {
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"/", {}},
      {"/metrics", {"metrics"}},
      {"/apis/", {"apis"}},
      {"/apis/rookery.dev", {"apis", "rookery.dev"}},
      {"/a%2Fb/c", {"a/b", "c"}},
      {"/%2e%2e/x", {"..", "x"}},
      {"//metrics", {"", "metrics"}},
      {"/a//b", {"a", "", "b"}},
      {"/a+b", {"a+b"}},
  };
  for (const auto& [text, segments] : cases) {
    const auto target = parseTarget(text);
    ASSERT_TRUE(target) << text;
    EXPECT_THAT(target->segments, ElementsAreArray(segments)) << text;
    EXPECT_THAT(target->query, IsEmpty()) << text;
  }
}

TEST(Target, QueriesAreDecoded) {
  const auto target = parseTarget("/a?watch=true&limit=500&labelSelector=app%3Dweb&flag&empty=&limit=1");
  ASSERT_TRUE(target);
  EXPECT_THAT(target->query,
              ElementsAre(Pair("empty", ""), Pair("flag", ""), Pair("labelSelector", "app=web"),
                          Pair("limit", "1"), Pair("watch", "true")));
}

TEST(Target, APlusIsASpaceInTheQueryOnly) {
  const auto target = parseTarget("/a+b?c+d=e+f%2Bg");
  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre("a+b"));
  EXPECT_THAT(target->query, ElementsAre(Pair("c d", "e f+g")));
}

TEST(Target, WhatIsNoPathIsRefused) {
  for (const char* text : {"", "metrics", "*", "http://localhost/metrics", "/%", "/%4", "/%zz", "/a?b=%g0",
                           "/%ff", "/a?b=%c3%28", "/%00", "/\xc3\xa9", "/a b"}) {
    EXPECT_FALSE(parseTarget(text)) << text;
  }
}

TEST(Target, AnEncodedSegmentComesBackAsItWas) {
  const std::string text = "a/b c?d#e%f\xc3\xa9&=+..";
  const auto target = parseTarget("/" + percentEncode(text));
  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre(text));
  EXPECT_EQ(percentEncode("web-1.shop"), "web-1.shop");
}

}  // namespace
}  // namespace rookery::http
