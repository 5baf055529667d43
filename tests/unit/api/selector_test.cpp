#include "api/selector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace rookery::api {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::string labelError(std::string_view text) {
  const auto selector = LabelSelector::parse(text);
  if (selector) return "no error";
  EXPECT_EQ(selector.error().reason, Reason::UsageError);
  return selector.error().message;
}

const std::set<std::string, std::less<>> metadataFields = {"metadata.name", "metadata.namespace"};

std::string fieldError(std::string_view text) {
  const auto selector = FieldSelector::parse(text, metadataFields);
  return selector ? "no error" : selector.error().message;
}

TEST(LabelSelector, MatchesAsKubernetesDoes) {
  const Labels labels = {{"app", "web"}, {"tier", ""}, {"in", "notin"}, {"weight", "10"}, {"a.b/c", "d"}};
  const std::pair<const char*, bool> cases[] = {
      {"", true},
      {"  ", true},
      {"app", true},
      {"!app", false},
      {"nope", false},
      {"!nope", true},
      {"! nope", true},
      {"app=web", true},
      {"app==web", true},
      {" app = web ", true},
      {"app=db", false},
      {"app!=db", true},
      {"app!=web", false},
      {"nope!=x", true},
      {"nope=x", false},
      {"tier=", true},
      {"tier=,app", true},
      {"app=", false},
      {"app in (web)", true},
      {"app in (db,web)", true},
      {"app in(db, web )", true},
      {"app in (db)", false},
      {"nope in (db)", false},
      {"app notin (db)", true},
      {"app notin (web,db)", false},
      {"nope notin (db)", true},
      {"tier in ()", true},
      {"app in ()", false},
      {"tier in (,a)", true},
      {"tier in (a,,b)", true},
      {"tier in (a,)", true},
      {"in=notin", true},
      {"in in (in,notin)", true},
      {"weight>9", true},
      {"weight>10", false},
      {"weight<11", true},
      {"weight<0", false},
      {"app>1", false},
      {"nope<1", false},
      {"a.b/c=d", true},
      {"app=web,tier=,!nope,weight>1,in notin (x)", true},
      {"app=web,tier=x", false},
      {"app,app=web", true},
  };
  for (const auto& [text, expected] : cases) {
    const auto selector = LabelSelector::parse(text);
    ASSERT_TRUE(selector) << text << ": " << selector.error().message;
    EXPECT_EQ(selector->matches(labels), expected) << text;
  }
}

TEST(LabelSelector, KnowsWhetherItSelectsEverything) {
  EXPECT_TRUE(LabelSelector::parse("")->empty());
  EXPECT_FALSE(LabelSelector::parse("a")->empty());
  EXPECT_THAT(LabelSelector::parse("a,b=c,d in (e,f)")->requirements(), SizeIs(3));
}

TEST(LabelSelector, SaysWhatIsWrongInKubernetesWords) {
  const std::pair<const char*, const char*> cases[] = {
      {",", "found ',', expected: !, identifier, or 'end of string'"},
      {"a,", "found '', expected: identifier after ','"},
      {"a,,b", "found ',', expected: identifier after ','"},
      {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
      {"a=b c", "found 'c', expected: ',' or 'end of string'"},
      {"!a=b", "found '=', expected: ',' or 'end of string'"},
      {"!", "unable to parse requirement: found '', expected: identifier"},
      {"!!a", "unable to parse requirement: found '!', expected: identifier"},
      {"a==", "no error"},
      {"a===b", "unable to parse requirement: found '=', expected: identifier"},
      {"a=(b)", "unable to parse requirement: found '(', expected: identifier"},
      {"a in b", "unable to parse requirement: found 'b' expected: '('"},
      {"a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"},
      {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"},
      {"a in (b,!)", "unable to parse requirement: found '!', expected: ',', or identifier"},
      {"a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
      {"a>x",
       "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value "
       "must "
       "be an integer"},
      {"/a=b", "unable to parse requirement: <nil>: Invalid value: \"/a\": prefix part must be non-empty"},
      {"-a=b",
       "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric "
       "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  "
       "or "
       "'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
      {"a=-b",
       "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an empty "
       "string "
       "or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
       "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
       "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(labelError(text), message) << text;
}

TEST(LabelSelector, SeveralWrongValuesAreAllNamed) {
  const std::string message = labelError("a in (-b,-c)");
  EXPECT_THAT(message, HasSubstr("[values[0][a]: Invalid value: \"-b\""));
  EXPECT_THAT(message, HasSubstr(", values[1][a]: Invalid value: \"-c\""));
}

TEST(LabelSelector, IsBounded) {
  EXPECT_EQ(labelError(std::string(64 * 1024 + 1, ' ')), "a selector has no more than 65536 bytes");
  EXPECT_EQ(labelError(std::string(64 * 1024, ' ')), "no error");
  std::string many = "a0";
  for (int i = 1; i < 1000; ++i) many += fmt::format(",a{}", i);
  EXPECT_EQ(labelError(many), "no error");
  EXPECT_EQ(labelError(many + ",b"), "a selector has no more than 1000 requirements");
}

TEST(LabelSelector, AnyBytesAreAnswered) {
  for (int byte = 0; byte < 256; ++byte) {
    for (const char* around : {"{}", "a{}", "a={}", "a in ({}", "!{}", "a in (b{}"}) {
      std::string text = around;
      text.replace(text.find("{}"), 2, 1, static_cast<char>(byte));
      (void)LabelSelector::parse(text);
    }
  }
}

TEST(FieldSelector, MatchesAsKubernetesDoes) {
  const auto valueOf = [](std::string_view field) -> std::string {
    return field == "metadata.name" ? "web" : "a,b=c\\";
  };
  const std::pair<const char*, bool> cases[] = {
      {"", true},
      {",,", true},
      {"metadata.name=web", true},
      {"metadata.name==web", true},
      {"metadata.name!=web", false},
      {"metadata.name=db", false},
      {"metadata.name!=db,metadata.name!=x", true},
      {"metadata.name=web,metadata.name!=web", false},
      {"metadata.name=", false},
      {R"(metadata.namespace=a\,b\=c\\)", true},
      {R"(metadata.name=web,metadata.namespace=a\,b\=c\\)", true},
  };
  for (const auto& [text, expected] : cases) {
    const auto selector = FieldSelector::parse(text, metadataFields);
    ASSERT_TRUE(selector) << text << ": " << selector.error().message;
    EXPECT_EQ(selector->matches(valueOf), expected) << text;
  }
}

TEST(FieldSelector, TellsWhichValueAFieldMustHave) {
  const auto selector = FieldSelector::parse("metadata.name=web,metadata.namespace!=shop", metadataFields);
  EXPECT_FALSE(selector->empty());
  EXPECT_EQ(selector->requiredValue("metadata.name"), "web");
  EXPECT_EQ(selector->requiredValue("metadata.namespace"), std::nullopt);
}

TEST(FieldSelector, SaysWhatIsWrongInKubernetesWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"spec.x=1", "field label not supported: spec.x"},
      {"=1", "field label not supported: "},
      {"metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
      {"metadata.name=a,x", "invalid selector: 'metadata.name=a,x'; can't understand 'x'"},
      {"metadata.name=a=b", "invalid field selector: unescaped character in value: ="},
      {R"(metadata.name=a\b)", R"(invalid field selector: invalid escape sequence: \b)"},
      {R"(metadata.name=a\)", R"(invalid field selector: invalid escape sequence: \)"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(fieldError(text), message) << text;
}

TEST(FieldSelector, IsBounded) {
  EXPECT_EQ(fieldError(std::string(64 * 1024 + 1, ',')), "a selector has no more than 65536 bytes");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "metadata.name!=x,";
  EXPECT_EQ(fieldError(many), "no error");
  EXPECT_EQ(fieldError(many + "metadata.name=y"), "a selector has no more than 1000 requirements");
}

}  // namespace
}  // namespace rookery::api
