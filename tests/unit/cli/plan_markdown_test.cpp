#include "cli/plan_markdown.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <sstream>
#include <string>

namespace rookery::cli {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

plan::Change change(const std::string& name) {
  return {.object = {api::Kind::Unikernel, "shop", name},
          .instance = "eu-1",
          .verb = plan::Verb::Restart,
          .reason = Reason::ArgumentsDiffer,
          .message = "The arguments differ.",
          .fields = {{.path = "spec.arguments", .oldValue = {"--a"}, .newValue = {"--b|c"}}}};
}

TEST(PlanMarkdown, ShowsChangesAndFoldsTheirFields) {
  PlanReport report;
  report.compared = 1;
  report.changes = {change("web")};
  EXPECT_EQ(toMarkdown(report),
            "**rookery plan**: 1 restart.\n\n"
            "**Changes (1)**\n\n"
            "|  | Change | Object | On | Why |\n"
            "| --- | --- | --- | --- | --- |\n"
            "| <code>&#126;</code> | restart | <code>Unikernel shop/web</code> | <code>eu-1</code> | "
            "ArgumentsDiffer |\n\n"
            "<details><summary>Fields (1)</summary>\n\n"
            "| Object | Field | Now | Then |\n"
            "| --- | --- | --- | --- |\n"
            "| <code>Unikernel shop/web</code> | <code>spec.arguments</code> | "
            "<code>&#91;&#34;--a&#34;&#93;</code> | <code>&#91;&#34;--b&#124;c&#34;&#93;</code> |\n\n"
            "</details>\n\n");
}

TEST(PlanMarkdown, SaysWhatAChangeWaitsFor) {
  PlanReport report;
  report.compared = 1;
  report.changes = {change("web")};
  report.changes[0].message = "It waits for a window";
  report.changes[0].notBefore = api::SystemTime::max() - std::chrono::hours(1);
  EXPECT_THAT(toMarkdown(report), HasSubstr("| ArgumentsDiffer: <code>It waits for a window</code> |"));
  std::ostringstream text;
  writeText(report, text, false);
  EXPECT_THAT(text.str(), HasSubstr("      It waits for a window\n"));
}

TEST(PlanMarkdown, SaysThatThereIsNothingToDo) {
  PlanReport report;
  report.compared = 1;
  EXPECT_EQ(toMarkdown(report), "**rookery plan**: No changes.\n\n");
}

struct ForeignText {
  const char* text;
  const char* escaped;
};

class MarkdownText : public testing::TestWithParam<ForeignText> {};

TEST_P(MarkdownText, IsNeitherMarkupNorLink) {
  EXPECT_EQ(markdownText(GetParam().text, 100), GetParam().escaped);
}

INSTANTIATE_TEST_SUITE_P(
    Of, MarkdownText,
    testing::Values(ForeignText{"a | b", "a &#124; b"},
                    ForeignText{"</code><img>", "&#60;/code&#62;&#60;img&#62;"},
                    ForeignText{"@admins", "&#64;admins"}, ForeignText{"see #1", "see &#35;1"},
                    ForeignText{"http://x.org", "http&#58;//x.org"},
                    ForeignText{"WWW.x.org", "WWW&#46;x.org"}, ForeignText{"[x](y)", "&#91;x&#93;(y)"},
                    ForeignText{"`*_~\\", "&#96;&#42;&#95;&#126;&#92;"}, ForeignText{"&lt;", "&#38;lt;"},
                    ForeignText{"a\n/close", "a&#92;n/close"}, ForeignText{"1.2 → 3", "1.2 → 3"}));

TEST(PlanMarkdown, FitsIntoAComment) {
  PlanReport report;
  for (int i = 0; i < 3'000; ++i) {
    report.changes.push_back(change(fmt::format("web-{}", i)));
    report.errors.push_back({{}, fmt::format("Unikernel shop/web-{}", i), "", std::string(5'000, '|')});
    report.unpruned.push_back({{api::Kind::Unikernel, "shop", "old"}, "eu-1", "It is not declared."});
  }
  const std::string text = toMarkdown(report);
  EXPECT_LE(text.size(), longestMarkdown);
  EXPECT_THAT(text, AllOf(StartsWith("**rookery plan**: 3000 restart; 3000 not pruned"),
                          HasSubstr("more, for which there is no room here."), EndsWith("\n\n")));

  report.errors.clear();
  const std::string changes = toMarkdown(report);
  EXPECT_LE(changes.size(), longestMarkdown);
  EXPECT_THAT(changes, AllOf(HasSubstr("<details><summary>2970 more of Changes (3000)</summary>"),
                             HasSubstr("web-29<"), Not(HasSubstr("web-2999<"))));
  std::size_t opened = 0, closed = 0;
  for (std::size_t at = 0; (at = changes.find("<details>", at)) != std::string::npos; ++at) ++opened;
  for (std::size_t at = 0; (at = changes.find("</details>", at)) != std::string::npos; ++at) ++closed;
  EXPECT_EQ(opened, closed);
}

}  // namespace
}  // namespace rookery::cli
