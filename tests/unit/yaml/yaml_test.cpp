#include "yaml/yaml.h"

#include <gmock/gmock.h>

#include "api/manifest.h"
#include "text.h"
#include "yaml/pieces.h"
#include "yaml/scalar.h"
#include "yaml/tree.h"

namespace rookery::yaml {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::SizeIs;

std::string repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  for (std::size_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

json yamlValueOf(std::string_view text) {
  auto documents = parse(text);
  if (!documents) return "error: " + documents.error().message;
  if (documents->size() != 1) return "documents: " + std::to_string(documents->size());
  return documents->front().value;
}

// Each as `kubectl annotate --local -o json` reads it.
TEST(Yaml, ReadsScalarsAsKubectlDoes) {
  const std::pair<const char*, json> scalars[] = {
      {"~", nullptr},
      {"Null", nullptr},
      {"", nullptr},
      {"y", true},
      {"On", true},
      {"TRUE", true},
      {"n", false},
      {"OFF", false},
      {"tRue", "tRue"},
      {"0x1F", 31},
      {"0o17", 15},
      {"017", 15},
      {"08", 8},
      {"0b11", 3},
      {"1_000", 1000},
      {"+5", 5},
      {"-7", -7},
      {"1.0", 1},
      {"1e3", 1000},
      {".5", 0.5},
      {"1.", 1},
      {"1.5e2", 150},
      {"2001-01-01", "2001-01-01"},
      {"12:30:45", "12:30:45"},
      {"02:00:00:00:00:01", "02:00:00:00:00:01"},
      {"9223372036854775807", 9223372036854775807},
      {"9223372036854775808", 9223372036854775808u},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"99999999999999999999", 1e20},
      {"-0x10", -16},
      {"1.10", 1.1},
      {"0.1e", "0.1e"},
      {"0x", "0x"},
      {"1e400", "1e400"},
      {"_1", "_1"},
      {"-_1", -1},
      {"1e3_0", 1e30},
      {"-0", 0},
      {"00", 0},
      {"09.5", 9.5},
      {"-", "-"},
      {"+", "+"},
      {".", "."},
      {"1.2.3", "1.2.3"},
      {"32Mi", "32Mi"},
      {"<<", "<<"}};
  for (const auto& [text, value] : scalars) EXPECT_EQ(readPlainScalar(text), value) << text;
  for (const char* text : {".inf", "-.INF", "+.Inf", ".nan"})
    EXPECT_EQ(readPlainScalar(text), std::nullopt) << text;
}

TEST(Yaml, QuotedAndTaggedScalars) {
  const std::pair<const char*, json> scalars[] = {{"\"12\"", "12"},
                                                  {"'yes'", "yes"},
                                                  {"! 12", "12"},
                                                  {"!!str 12", "12"},
                                                  {"!!str", ""},
                                                  {"!!int \"12\"", 12},
                                                  {"!!float 1.5", 1.5},
                                                  {"!!bool yes", true},
                                                  {"!!null ~", nullptr},
                                                  {"|\n  12\n", "12\n"},
                                                  {"\"\\u00e9\\x41\"", "éA"}};
  for (const auto& [text, value] : scalars)
    EXPECT_EQ(yamlValueOf(std::string("a: ") + text)["a"], value) << text;
}

TEST(Yaml, ReadsJson) {
  EXPECT_EQ(yamlValueOf("{\n\t\"a\":\t[1, 2.5, true, null, \"x\\/y\"],\n\t\"b\":{}}\n"),
            json::parse(R"({"a": [1, 2.5, true, null, "x/y"], "b": {}})"));
}

json jsonValueOf(std::string_view text) {
  auto documents = parse(text, Notation::Json);
  if (!documents) return "error: " + documents.error().message;
  return documents->size() == 1 ? documents->front().value
                                : json("documents: " + std::to_string(documents->size()));
}

TEST(Json, ReadsWhatRfc8259Says) {
  const std::pair<std::string_view, json> texts[] = {
      {R"( {"a": [1, 2.5, true, null, "x\/y"]} )", {{"a", {1, 2.5, true, nullptr, "x/y"}}}},
      {R"(["\ud83d\ude00", "\\ud83d", "\u0000"])", {"\xF0\x9F\x98\x80", "\\ud83d", std::string(1, '\0')}},
      {"\xEF\xBB\xBF[]", json::array()},
      {"[1.0, 1e3, -0, -0.0, 9223372036854775807, 9223372036854775808, -9223372036854775808]",
       {1, 1000, 0, 0, std::numeric_limits<std::int64_t>::max(), 9223372036854775808u,
        std::numeric_limits<std::int64_t>::min()}},
      {"[99999999999999999999, 1e-400]", {1e20, 0}},
      {"{\"a\":1}\r\n", {{"a", 1}}},
      {"\"\x7f\"", "\x7f"},
      {"{} []", "documents: 2"},
      {"---\n{}\n---\n[]\n---\n", "documents: 2"},
      {"01 -02", "documents: 4"},  // no number goes on after a 0
      {"", "documents: 0"},
      {" null ", "documents: 0"}};
  for (const auto& [text, value] : texts) {
    const json read = jsonValueOf(text);
    EXPECT_EQ(read, value) << text;
    EXPECT_EQ(read.is_array() && read.size() == 7 && !read[0].is_number_integer(), false)
        << "as YAML has them";
  }
}

TEST(Json, KnowsWhereThingsStand) {
  const auto documents = parse("{\"a\\\"b\": [1.50,\n  {\"c\":null}], \"a\\\"b\": 1} 2", Notation::Json);
  ASSERT_TRUE(documents) << documents.error().message;
  ASSERT_THAT(*documents, SizeIs(2));
  const Places& list = documents->front().places.members.at("a\"b");
  EXPECT_EQ(list.key, (Place{1, 2}));
  EXPECT_EQ(list.value, (Place{1, 10}));
  EXPECT_EQ(list.items.at(0).value, (Place{1, 11}));
  EXPECT_EQ(list.items.at(0).text, "1.50");
  EXPECT_EQ(list.items.at(1).members.at("c").value, (Place{2, 4})) << "nothing stands where its key does";
  ASSERT_THAT(documents->front().duplicates, SizeIs(1));
  EXPECT_EQ(documents->front().duplicates[0].place, (Place{2, 16}));
  EXPECT_EQ(documents->front().duplicates[0].field, R"(["a"b"])");
  EXPECT_EQ(documents->back().places.value, (Place{2, 27}));
}

struct RefusedJson {
  std::string text;
  Place place;
  std::string message;
};

TEST(Json, RefusesWithAPlaceAndWithoutTheText) {
  const RefusedJson cases[] = {
      {"{\"password\": \"hunter2\" \"x\"}",
       {1, 26},
       "this is not valid JSON: unexpected string literal; expected '}'"},
      {"{\"a\":\n hunter2}", {2, 2}, "this is not valid JSON: invalid literal"},
      {"{a: 1}", {1, 2}, "this is not valid JSON: invalid literal"},
      {"[1,]", {1, 4}, "this is not valid JSON: unexpected ']'; expected '[', '{', or a literal"},
      {"[1, // one\n2]", {1, 5}, "this is not valid JSON: invalid literal"},
      {"[&a 1, *a]", {1, 2}, "this is not valid JSON: invalid literal"},
      {"!!str 1", {1, 1}, "this is not valid JSON: invalid literal"},
      {"{} x", {1, 4}, "this is not valid JSON: invalid literal"},
      {"0o17", {1, 2}, "this is not valid JSON: invalid literal"},
      {"1-2x", {1, 4}, "this is not valid JSON: invalid literal"},
      {"[", {1, 2}, "this is not valid JSON: unexpected end of input; expected '[', '{', or a literal"},
      {"[0x10]", {1, 3}, "this is not valid JSON: invalid literal"},
      {"[010]", {1, 4}, "this is not valid JSON: unexpected number literal; expected ']'"},
      {"[-1e400]", {1, 7}, "this number is larger than any that JSON can hold"},
      {"[\"\\ud83d\"]", {1, 9}, ""},
      {"[\"\xC3(\"]", {1, 4}, "this is not valid JSON: invalid string: ill-formed UTF-8 byte"},
      {std::string("[\"\0\"]", 5), {1, 3}, ""},
      {"[1]\xEF\xBB\xBF[2]", {1, 4}, "a byte order mark stands at the beginning of a file only"},
      {repeat("[", 65) + repeat("]", 65), {1, 65}, "the value is nested more than 64 levels deep"},
      {repeat("{\"a\":", 100'000), {1, 321}, "the value is nested more than 64 levels deep"},
      {"[" + repeat("1,", 100'000) + "1]",
       {1, 90'000},
       "the text holds more than 45000 values once its aliases are followed, the most that one of its size "
       "may; "
       "split it"},
  };
  for (const RefusedJson& refused : cases) {
    const auto documents = parse(refused.text, Notation::Json);
    ASSERT_FALSE(documents) << refused.text.substr(0, 80);
    EXPECT_EQ(documents.error().place, refused.place) << refused.text.substr(0, 80);
    if (!refused.message.empty()) {
      EXPECT_EQ(documents.error().message, refused.message);
    }
    EXPECT_THAT(documents.error().message, testing::Not(testing::HasSubstr("hunter2")));
    const auto value = parseJson(refused.text);
    ASSERT_FALSE(value);
    if (value.error().message.starts_with("this must be one value")) continue;
    EXPECT_EQ(value.error().message, documents.error().message);
  }
  EXPECT_EQ(parseJson(R"({"a": [{"b": 1, "b": 2}]})").error().field, "a[0].b");
  EXPECT_EQ(parseJson("{}\n{}").error().message, "this must be one value, and another begins here");
  EXPECT_EQ(parseJson("{}\n{}").error().place, (Place{2, 1}));
  for (const char* text : {"01", "{}\n---\n", "---\n{}", "---"}) EXPECT_FALSE(parseJson(text)) << text;
  EXPECT_EQ(parseJson(" \n").value(), json());
}

TEST(Yaml, LeavesOutEmptyDocuments) {
  EXPECT_EQ(yamlValueOf("---\n# nothing\n---\na: 1\n---\n--- ~\n...\n"), json({{"a", 1}}));
  EXPECT_EQ(yamlValueOf(""), "documents: 0");
  EXPECT_EQ(yamlValueOf("\xEF\xBB\xBF"
                        "a: 1\n---\nb: 2\n"),
            "documents: 2");
}

TEST(Yaml, IsCutWhereDocumentsBegin) {
  for (const std::string_view text : {"a\n---\rb", "a\n---\r", "a\n---b\n", "a\n --- b\n", "a\r---\rb\n"}) {
    EXPECT_EQ(cut(text).size(), 1) << text;
    EXPECT_TRUE(yamlValueOf(text).is_string()) << text;
    EXPECT_EQ(splitSegments(text).size(), 1) << text;
  }
  for (const std::string_view text : {"a\n---", "a\n---\n", "a\n---\r\n", "a\n--- b\n", "a\n---\tb"}) {
    EXPECT_EQ(cut(text).size(), 2) << text;
    EXPECT_EQ(splitSegments(text).size(), 2) << text;
  }
}

TEST(Yaml, ReadsNoPieceThatBeginsWithAByteOrderMark) {
  EXPECT_TRUE(readPiece("a", {.begin = 0, .end = 1}));
  EXPECT_FALSE(readPiece("\xEF\xBB\xBF'", {.begin = 0, .end = 4})) << "parse() knows what is wrong";
}

TEST(Yaml, KnowsWhereThingsStand) {
  const auto documents = parse("a: &x\n  - b: 1\n    c:\nd: *x\ne: !!str\n");
  ASSERT_TRUE(documents);
  const Places& root = documents->front().places;
  EXPECT_EQ(root.value, (Place{1, 1}));
  EXPECT_EQ(root.members.at("a").key, (Place{1, 1}));
  const Places& item = root.members.at("a").items.at(0);
  EXPECT_EQ(item.value, (Place{2, 5}));
  EXPECT_EQ(item.members.at("b").value, (Place{2, 8}));
  EXPECT_EQ(item.members.at("b").text, "1");
  EXPECT_EQ(item.members.at("c").value, (Place{3, 5})) << "nothing stands where its key does";
  EXPECT_EQ(root.members.at("d").value, (Place{4, 4})) << "an alias, not its anchor";
  EXPECT_EQ(documents->front().value["d"], documents->front().value["a"]);
}

TEST(Yaml, FindsDuplicateKeys) {
  const auto documents = parse("a: {b: 1, c: [{d: 1, d: 2}]}\na: 3\n");
  ASSERT_TRUE(documents);
  const Document& document = documents->front();
  ASSERT_THAT(document.duplicates, SizeIs(2));
  EXPECT_EQ(document.duplicates[0].field, "a.c[0].d");
  EXPECT_EQ(document.duplicates[0].place, (Place{1, 22}));
  EXPECT_EQ(document.duplicates[1].field, "a");
  EXPECT_EQ(document.duplicates[1].message, "this key is given twice, first in line 1; remove one");
  EXPECT_EQ(document.value["a"]["b"], 1) << "the first one's value";
}

struct Refused {
  std::string text;
  Place place;
  std::string message;
};

TEST(Yaml, RefusesWithAPlace) {
  const Refused cases[] = {
      {"\xEF\xBB\xBF\xEF\xBB\xBF[a]", {1, 1}, "a byte order mark stands at the beginning of a file only"},
      {"a: 1\nb: [1,\n", {3, 1}, "this is not valid YAML: end of sequence flow not found"},
      {"a: b: c", {1, 5}, "this is not valid YAML: illegal map value"},
      {"a:\n\tb: 1\n",
       {2, 3},
       "this is not valid YAML: illegal map value; indent with spaces, not with tabs"},
      {"a: *b", {1, 4}, "there is no anchor \"&b\" before this"},
      {"a: \"x\n", {1, 4}, "the quotation mark here is never closed"},
      {"a: 1\nb: 'it''s\n", {2, 4}, "the quotation mark here is never closed"},
      {"a: !!str &x \"x\\\"\n", {1, 13}, "the quotation mark here is never closed"},
      {"a: 1\n---\n{b: 1}, c\n",
       {3, 7},
       "a document has ended before this; put --- on a line of its own before the next one"},
      {"- a\nb: 1\n",
       {2, 1},
       "a document has ended before this; put --- on a line of its own before the next one"},
      {"{a: 1}\n---b: 1\n",
       {2, 1},
       "a document has ended before this; put --- on a line of its own before the next one"},
      {"{a: 1} --- b\n",
       {1, 8},
       "a document has ended before this; put --- on a line of its own before the next one"},
      {repeat("[],", 10'000),
       {1, 3},
       "a document has ended before this; put --- on a line of its own before the next one"},
      {repeat("[],", 100'000),
       {1, 172'501},
       "the text holds more than 57500 values once its aliases are followed, the most that one of its size "
       "may; "
       "split it"},
      {repeat("[", 100'000), {1, 65}, "the value is nested more than 64 levels deep"},
      {"a: {b: [\"x, y]}\nc: d\n", {1, 9}, "the quotation mark here is never closed"},
      {"a: {<<: {b: c}}", {1, 5}, "merge keys (<<) are not supported; write the fields out"},
      {"a: &x [*x]", {1, 8}, "an alias cannot stand within what it refers to"},
      {"a: &x b\n*x : c", {2, 1}, "an alias cannot be a key; write the key out"},
      {"? [a]\n: b", {1, 3}, "a mapping or a list cannot be a key; or is its closing bracket missing?"},
      {"~: b", {1, 1}, "a key is missing here, or it is null; put it in quotes"},
      {"a: !x b", {1, 4}, "the tag \"!x\" is not supported; remove it"},
      {"a: !!binary aGk=", {1, 4}, "the tag \"tag:yaml.org,2002:binary\" is not supported; remove it"},
      {"a: !!set {b, c}", {1, 4}, "the tag \"tag:yaml.org,2002:set\" is not supported; remove it"},
      {"a: !!int x", {1, 4}, "the value is not of the type that its tag !!int says"},
      {"a: -.inf", {1, 4}, "JSON has no infinity and no NaN; put it in quotes if it is meant as a string"},
      {"a: b\nc: \xC3(", {2, 4}, "the byte 0xc3 is not UTF-8; a manifest is UTF-8 text"},
      {"a: \xED\xA0\x80", {1, 4}, "the byte 0xed is not UTF-8; a manifest is UTF-8 text"},
      {"a: \xC0\x80", {1, 4}, "the byte 0xc0 is not UTF-8; a manifest is UTF-8 text"},
      {"a: \xF4\x90\x80\x80", {1, 4}, "the byte 0xf4 is not UTF-8; a manifest is UTF-8 text"},
      {"a: \xF0\x9F\x98", {1, 4}, "the byte 0xf0 is not UTF-8; a manifest is UTF-8 text"},
      {std::string("a: \0b", 5), {1, 4}, "the byte 0x00 is a control character; a manifest is UTF-8 text"},
      {"a: 1\n\x04\nb: 2\n", {2, 1}, "the byte 0x04 is a control character; a manifest is UTF-8 text"},
      {"a: " + repeat("[", 64) + repeat("]", 64), {1, 67}, "the value is nested more than 64 levels deep"},
      {"a: " + repeat("{b: ", 100'000), {1, 256}, "the value is nested more than 64 levels deep"},
      {repeat("- ", 100'000), {1, 129}, "the value is nested more than 64 levels deep"},
      {"a: [" + repeat("1,", 100'000) + "]",
       {1, 90'001},
       "the text holds more than 45000 values once its aliases are followed, the most that one of its size "
       "may; "
       "split it"},
      {"\xC3\xA9: [\xE2\x82\xAC, *a]", {1, 11}, "there is no anchor \"&a\" before this"},
      {"a: &x 1\nb: &x [*x]\n", {2, 8}, "an alias cannot stand within what it refers to"},
      {"a: &x 1\n---\nb: *x\n", {3, 4}, "there is no anchor \"&x\" before this"},
  };
  for (const Refused& refused : cases) {
    const auto documents = parse(refused.text);
    ASSERT_FALSE(documents) << refused.text.substr(0, 80);
    EXPECT_EQ(documents.error().place, refused.place) << refused.text.substr(0, 80);
    EXPECT_EQ(documents.error().message, refused.message) << refused.text.substr(0, 80);
  }
}

TEST(Yaml, NestsAsDeepAsTheLimit) { EXPECT_TRUE(parse(repeat("- ", maxDepth) + "a")); }

TEST(Yaml, AnAliasBombIsNotBuilt) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    laughs +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeat(alias + ", ", 9) + alias + "]\n";
  }
  const auto values = parse(laughs);
  ASSERT_FALSE(values);
  EXPECT_THAT(values.error().message, testing::StartsWith("the text holds more than 20"));

  std::string anchors = "a: ";  // each keeps a copy of all that is in it
  for (int i = 0; i < 60; ++i) anchors += "&a" + std::to_string(i) + " [";
  const auto copies = parse(anchors + repeat("xxxxxxx,\n", 15'000) + repeat("]", 60));
  ASSERT_FALSE(copies);
  EXPECT_THAT(copies.error().message, testing::StartsWith("the text holds more than 3"));

  const auto bytes = parse("a: &a " + std::string(1 << 20, 'x') + "\nb: [*a, *a, *a, *a]\n");
  ASSERT_FALSE(bytes);
  EXPECT_THAT(bytes.error().message, testing::StartsWith("the text holds more than 4194304 bytes"));
  EXPECT_EQ(bytes.error().place, (Place{2, 9})) << "what an anchor keeps counts, too";
}

TEST(Yaml, AnAnchorThatIsUsedOftenIsFine) {
  const auto values = parse("a: &a {b: [1, 2, 3], c: {d: e}}\nf: [" + repeat("*a, ", 1000) + "*a]\n");
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(values->front().value["f"][1000]["c"]["d"], "e");
}

TEST(Yaml, QuotesForMessages) {
  EXPECT_EQ(quote("a\x1b[1m\nb"), "\"a\\u001b[1m\\nb\"");
  EXPECT_EQ(quote(std::string(79, 'x') + "é"), '"' + std::string(79, 'x') + "\"…");
  EXPECT_EQ(memberPath(itemPath(memberPath("", "a"), 3), "b/c"), "a[3][\"b/c\"]");
}

}  // namespace
}  // namespace rookery::yaml
