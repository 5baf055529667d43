#include "source/ignore.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fixtures/temp_dir.h"

namespace rookery::source {
namespace {

struct Case {
  std::string rules, path;
  bool ignored = false;
  bool isFolder = false;
};

TEST(Ignore, FollowsTheRulesOfGit) {
  const std::vector<Case> cases = {
      {"web.yaml", "web.yaml", true},
      {"web.yaml", "team/web.yaml", true},
      {"web.yaml", "web.yaml.yaml", false},
      {"[a-\xff]", "\xc3", true},  // bytes, not signed numbers
      {"[\xc3-\xc4]?", "\xc3\xa9", true},
      {"/web.yaml", "web.yaml", true},
      {"/web.yaml", "team/web.yaml", false},
      {"team/web.yaml", "team/web.yaml", true},
      {"team/web.yaml", "a/team/web.yaml", false},
      {"team/", "team", true, true},
      {"team/", "team", false},
      {"team/", "a/team", true, true},
      {"a/team/", "b/a/team", false, true},
      {"*.yaml", "a/b/web.yaml", true},
      {"*", "web.yaml", true},
      {"a/*", "a/web.yaml", true},
      {"a/*", "a/b/web.yaml", false},
      {"a/*.yaml", "a/b/web.yaml", false},
      {"w?b.yaml", "web.yaml", true},
      {"a?b", "a/b", false},
      {"w[aeiou]b.yaml", "web.yaml", true},
      {"w[!aeiou]b.yaml", "web.yaml", false},
      {"w[^x-z]b.yaml", "web.yaml", true},
      {"w[a-f]b.yaml", "web.yaml", true},
      {"w[[:alpha:]]b.yaml", "web.yaml", true},
      {"w[[:digit:]]b.yaml", "web.yaml", false},
      {"w[]e]b.yaml", "web.yaml", true},
      {"w[eb.yaml", "web.yaml", false},
      {"a[/]b", "a/b", false},
      {"**/web.yaml", "web.yaml", true},
      {"**/web.yaml", "a/b/web.yaml", true},
      {"**/team/web.yaml", "a/team/web.yaml", true},
      {"**/a*c/d", "x/abc/y/abbc/d", true},
      {"team/**", "team/a/b", true},
      {"team/**", "team", false, true},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "a/x/y/c", false},
      {"a**/b", "ax/b", true},
      {"a**/b", "ax/y/b", false},
      {"*.yaml\n!web.yaml", "web.yaml", false},
      {"*.yaml\n!web.yaml\nw*", "web.yaml", true},
      {"\\!web.yaml", "!web.yaml", true},
      {"\\#web.yaml", "#web.yaml", true},
      {"# web.yaml", "# web.yaml", false},
      {"web.yaml  ", "web.yaml", true},
      {"web.yaml\\ ", "web.yaml ", true},
      {"web.yaml\r", "web.yaml", true},
      {"\xEF\xBB\xBFweb.yaml", "web.yaml", true},
      {"\n\n/\n", "web.yaml", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\", "a", false},
  };
  for (const Case& each : cases) {
    const auto verdict = IgnoreRules::parse(each.rules).match(each.path, each.isFolder);
    EXPECT_EQ(verdict && verdict->ignored, each.ignored) << each.rules << " : " << each.path;
  }
}

TEST(Ignore, NamesTheRuleThatDecided) {
  const IgnoreRules rules = IgnoreRules::parse("# first\n\n*.yaml\n!web.yaml\n");
  EXPECT_EQ(rules.match("api.yaml", false)->line, 3u);
  EXPECT_EQ(rules.match("web.yaml", false)->line, 4u);
  EXPECT_FALSE(rules.match("web.yml", false));
}

TEST(Ignore, StarsWithoutEndTakeNoTimeWithoutEnd) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  EXPECT_FALSE(IgnoreRules::parse(pattern + "b").match(std::string(4'000, 'a'), false));
}

// It took minutes.
TEST(Ignore, LongRangesTakeNoTimeForEachCharacter) {
  const IgnoreRules rules = IgnoreRules::parse("*[" + std::string(60'000, 'b') + "]x");
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(rules.match(std::string(4'000, 'a'), false));
}

TEST(Ignore, RefusesWhatIsTooLongAndWhatIsNoFile) {
  const fixtures::TempDir folder;
  const auto file = folder.write(".rookeryignore", std::string(IgnoreRules::maxBytes + 1, '#'));
  EXPECT_EQ(IgnoreRules::read(file).error().reason, Reason::InvalidManifest);
  for (const char* blank : {"", " \n\n"}) {
    EXPECT_THAT(IgnoreRules::read(folder.write("blank", blank)).error().message,
                HasSubstr("the file is empty"));
  }
  EXPECT_EQ(IgnoreRules::read(folder.path()).error().reason, Reason::SourceUnreadable);
}

}  // namespace
}  // namespace rookery::source
