#include "albatross/name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rookery::albatross {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(Label, IsFoldedToLowerCase) {
  EXPECT_EQ(parseLabel("Web-1.Example"), "web-1.example");
  EXPECT_EQ(parseLabel("."), ".");
  EXPECT_EQ(parseLabel("0-"), "0-");
  EXPECT_EQ(parseLabel(std::string(63, 'x')), std::string(63, 'x'));
}

TEST(Label, RefusesWhatTheServerRefuses) {
  for (const std::string& text :
       {std::string(), std::string("-a"), std::string("a_b"), std::string("a:b"), std::string("a b"),
        std::string("gr\u00fcn"), std::string("a\0b", 3), std::string(64, 'x')}) {
    const auto label = parseLabel(text);
    ASSERT_FALSE(label) << text;
    EXPECT_EQ(label.error().reason, Reason::InvalidManifest);
    EXPECT_THAT(label.error().message, HasSubstr("is not a label: a label has 1 to 63 letters"));
  }
}

TEST(Label, IsQuotedOnOneShortLine) {
  EXPECT_THAT(parseLabel("a\n\x1b[31m").error().message, HasSubstr("\"a\\n\\u001b[31m\""));
  EXPECT_LT(parseLabel(std::string(1'000'000, 'x')).error().message.size(), 300U);
}

TEST(Name, ParsesTheWireForm) {
  const struct {
    std::string_view wire;
    Name name;
    std::string_view canonical;
  } cases[] = {
      {":", {.path = {}, .label = {}}, ":"},
      {"c", {.path = {}, .label = "c"}, ":c"},
      {":c", {.path = {}, .label = "c"}, ":c"},
      {"a:", {.path = {"a"}, .label = {}}, "a:"},
      {":a:", {.path = {"a"}, .label = {}}, "a:"},
      {"a:b:", {.path = {"a", "b"}, .label = {}}, "a:b:"},
      {"a:b:c", {.path = {"a", "b"}, .label = "c"}, "a:b:c"},
      {":a:b", {.path = {"a"}, .label = "b"}, "a:b"},
      {"Foo:BAR", {.path = {"foo"}, .label = "bar"}, "foo:bar"},
  };
  for (const auto& [wire, name, canonical] : cases) {
    EXPECT_EQ(Name::parse(wire), name) << wire;
    EXPECT_EQ(name.toString(), canonical);
    EXPECT_EQ(Name::parse(canonical), name) << canonical;
  }
}

TEST(Name, RefusesWhatTheServerRefuses) {
  for (const std::string_view wire :
       {"", "::", "a::", "a::b", "::a", ":a::", "a_b", "a:-b", "a b", "a/b", "\xff"}) {
    const auto name = Name::parse(wire);
    ASSERT_FALSE(name) << wire;
    EXPECT_EQ(name.error().reason, Reason::ProtocolError);
    EXPECT_THAT(name.error().message, HasSubstr("is not a name"));
  }
}

TEST(Name, HasABound) {
  std::string deep = "a";
  while (deep.size() < 1'023) deep += ":a";
  EXPECT_TRUE(Name::parse(deep)) << deep.size();
  const auto deeper = Name::parse(deep + ":a");
  ASSERT_FALSE(deeper);
  EXPECT_EQ(deeper.error().reason, Reason::ProtocolError);
  EXPECT_LT(deeper.error().message.size(), 300);
}

TEST(Name, ResolvesWhatAListHolds) {
  const Name root;
  const Name domain{.path = {"tenant"}, .label = {}};
  const Name hello{.path = {}, .label = "hello"};
  const Name below{.path = {"team"}, .label = "hello"};
  EXPECT_EQ(domain.resolve(hello).toString(), "tenant:hello");
  EXPECT_EQ(domain.resolve(below).toString(), "tenant:team:hello");
  EXPECT_EQ(domain.resolve(root).toString(), "tenant:");
  EXPECT_EQ(root.resolve(below), below);
  // Asked about itself, a unikernel is listed with its full name.
  const Name full{.path = {"tenant"}, .label = "hello"};
  EXPECT_EQ(full.resolve(full), full);
}

TEST(Name, IsOrdered) {
  EXPECT_LT((Name{.path = {"a"}, .label = "z"}), (Name{.path = {"b"}, .label = {}}));
  EXPECT_LT((Name{.path = {"a"}, .label = {}}), (Name{.path = {"a"}, .label = "a"}));
}

}  // namespace
}  // namespace rookery::albatross
