#include "yaml/edit.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace rookery::yaml {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

json valueOf(std::string_view text, std::size_t document = 0, Notation notation = Notation::Yaml) {
  const auto documents = parse(text, notation);
  if (!documents) return "error: " + documents.error().message;
  return document < documents->size() ? (*documents)[document].value : json("none");
}

/// Keys that come first in what is written anew.
constexpr std::array<std::string_view, 2> keyOrder = {"kind", "name"};

/// The text after a JSON patch (RFC 6902) of one of its documents.
std::string patched(std::string_view text, const char* patch, std::size_t document = 0) {
  const json after = valueOf(text, document).patch(json::parse(patch));
  const Result<std::string> edited = edit(text, document, after, Notation::Yaml, keyOrder);
  if (!edited) return "error: " + edited.error().message;
  EXPECT_EQ(valueOf(*edited, document), after) << *edited;
  return *edited;
}

struct EditCase {
  const char* name;
  const char* text;
  const char* patch;
  const char* edited;
};

std::ostream& operator<<(std::ostream& out, const EditCase& each) { return out << each.name; }

class YamlEditCase : public testing::TestWithParam<EditCase> {};

TEST_P(YamlEditCase, ChangesNothingElse) {
  EXPECT_EQ(patched(GetParam().text, GetParam().patch), GetParam().edited);
}

constexpr const char* unikernel = R"(# The shop's front end.

apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata: {name: web, namespace: shop}   # who

spec:
  image:
    path: "images/web.hvt"   # built by CI

  # Measured under load.
  memory: 64Mi   # not less

  # One per core.
  cpuIDs: [0, 1]
  networkInterfaces:
    # The inside.
    - name: service
      bridge: br0
    # The outside.
    - name: public   # a comment
      bridge: br1
  arguments:
  - --ipv4=10.0.42.20/24
  - '--name=web'   # why
)";

/// `text` with its only `from` as `to`.
std::string with(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(text.find(from, at + 1), std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(YamlEdit, ReplacesAScalarWhereItStands) {
  EXPECT_EQ(patched(unikernel, R"([{"op": "replace", "path": "/spec/memory", "value": "96Mi"}])"),
            with(unikernel, "64Mi", "96Mi"));
  EXPECT_EQ(patched(unikernel, R"([{"op": "replace", "path": "/spec/image/path", "value": "b.hvt"}])"),
            with(unikernel, "\"images/web.hvt\"", "\"b.hvt\""));
  EXPECT_EQ(patched(unikernel, R"([{"op": "replace", "path": "/spec/arguments/1", "value": "it's"}])"),
            with(unikernel, "'--name=web'", "'it''s'"));
  EXPECT_EQ(
      patched(unikernel, R"([{"op": "replace", "path": "/spec/networkInterfaces/1/bridge", "value": "no"}])"),
      with(unikernel, "br1", "\"no\""));
}

TEST(YamlEdit, RemovesAKeyWithItsComments) {
  EXPECT_EQ(patched(unikernel, R"([{"op": "remove", "path": "/spec/memory"}])"),
            with(unikernel, "  # Measured under load.\n  memory: 64Mi   # not less\n\n", ""));
  EXPECT_EQ(patched(unikernel, R"([{"op": "remove", "path": "/spec/networkInterfaces/1"}])"),
            with(unikernel, "    # The outside.\n    - name: public   # a comment\n      bridge: br1\n", ""));
  EXPECT_EQ(patched(unikernel, R"([{"op": "remove", "path": "/spec/networkInterfaces"}])"),
            with(unikernel,
                 "  networkInterfaces:\n    # The inside.\n    - name: service\n      bridge: br0\n"
                 "    # The outside.\n    - name: public   # a comment\n      bridge: br1\n",
                 ""));
}

TEST(YamlEdit, AppendsInTheStyleOfTheDocument) {
  EXPECT_EQ(
      patched(unikernel, R"([{"op": "add", "path": "/spec/failBehaviour", "value":
                        {"restart": true, "exitCodes": [1, 2]}}])"),
      std::string(unikernel) + "  failBehaviour:\n    exitCodes:\n      - 1\n      - 2\n    restart: true\n")
      << "sequences stand as the first one does";
  EXPECT_EQ(
      patched(unikernel, R"([{"op": "add", "path": "/spec/networkInterfaces/-", "value":
                        {"bridge": "br2", "name": "third"}}])"),
      with(unikernel, "      bridge: br1\n", "      bridge: br1\n    - name: third\n      bridge: br2\n"));
  EXPECT_EQ(patched(unikernel, R"([{"op": "add", "path": "/metadata/labels", "value": {"a": "b, c"}}])"),
            with(unikernel, "namespace: shop}", "namespace: shop, labels: {a: \"b, c\"}}"));
}

INSTANTIATE_TEST_SUITE_P(
    Mappings, YamlEditCase,
    testing::Values(
        EditCase{"a first key beside its dash", "a:\n- name: x\n  # about v\n  v: 1\n  w: 2\n",
                 R"([{"op": "remove", "path": "/a/0/name"}])", "a:\n- # about v\n  v: 1\n  w: 2\n"},
        EditCase{"the last key leaves an empty mapping", "a:\n  b: 1\nc: 2\n",
                 R"([{"op": "remove", "path": "/a/b"}])", "a: {}\nc: 2\n"},
        EditCase{"an empty mapping is filled", "a: {} # c\nb: 1\n",
                 R"([{"op": "add", "path": "/a/b", "value": 1}])", "a: # c\n  b: 1\nb: 1\n"},
        EditCase{"nothing becomes something", "a:   # c\nb: 1\n",
                 R"([{"op": "replace", "path": "/a", "value": "x"}])", "a: x   # c\nb: 1\n"},
        EditCase{"something becomes null", "a: x # c\n",
                 R"([{"op": "replace", "path": "/a", "value": null}])", "a: null # c\n"},
        EditCase{"a mapping becomes a scalar", "a: # c\n  # d\n  b: 1\n  e: 2 # f\ng: 3\n",
                 R"([{"op": "replace", "path": "/a", "value": 5}])", "a: 5 # c\ng: 3\n"},
        EditCase{"a scalar becomes a mapping", "a: 1 # c\nb: 2\n",
                 R"([{"op": "replace", "path": "/a", "value": {"x": [1]}}])",
                 "a: # c\n  x:\n    - 1\nb: 2\n"},
        EditCase{"a scalar becomes lines", "a: 1 # c\nb: 2\n",
                 R"([{"op": "replace", "path": "/a", "value": "x\ny\n"}])", "a: | # c\n  x\n  y\nb: 2\n"},
        EditCase{"lines become others", "a: | # c\n  x\n\n  y\n\n# d\nb: 2\n",
                 R"([{"op": "replace", "path": "/a", "value": "z\nw"}])",
                 "a: |- # c\n  z\n  w\n\n# d\nb: 2\n"},
        EditCase{"a folded scalar becomes a word", "a: >-\n  x\n  y\nb: 2\n",
                 R"([{"op": "replace", "path": "/a", "value": "z"}])", "a: z\nb: 2\n"},
        EditCase{"a plain scalar of several lines", "a: x\n  y\n\n  z # c\nb: 2\n",
                 R"([{"op": "replace", "path": "/a", "value": "w"}])", "a: w # c\nb: 2\n"},
        EditCase{"a quoted scalar of several lines", "a: \"x\n  # y\n  z\" # c\nb: 2\n",
                 R"([{"op": "replace", "path": "/a", "value": "w"}])", "a: \"w\" # c\nb: 2\n"},
        EditCase{"a value below its key", "a:\n  x\nb: 2\n",
                 R"([{"op": "replace", "path": "/a", "value": "w"}])", "a: w\nb: 2\n"},
        EditCase{"no line feed at the end", "a:\n  b: 1", R"([{"op": "add", "path": "/a/c", "value": 2}])",
                 "a:\n  b: 1\n  c: 2\n"},
        EditCase{"carriage returns", "a: 1\r\nb:\r\n  c: 2\r\n",
                 R"([{"op": "add", "path": "/b/d", "value": {"e": 3}}])",
                 "a: 1\r\nb:\r\n  c: 2\r\n  d:\r\n    e: 3\r\n"},
        EditCase{"wide indentation", "a:\n    b:\n        c: 1\n",
                 R"([{"op": "add", "path": "/a/d", "value": {"e": [1]}}])",
                 "a:\n    b:\n        c: 1\n    d:\n        e:\n            - 1\n"},
        EditCase{"sequences not indented", "a:\n- 1\n",
                 R"([{"op": "add", "path": "/b", "value": [2, {"c": 3, "d": 4}]}])",
                 "a:\n- 1\nb:\n- 2\n- c: 3\n  d: 4\n"},
        EditCase{
            "keys in quotation marks", "\"a b\": 1\n'c': 2 # d\n",
            R"([{"op": "replace", "path": "/c", "value": 3}, {"op": "add", "path": "/on", "value": true}])",
            "\"a b\": 1\n'c': 3 # d\n\"on\": true\n"}));

INSTANTIATE_TEST_SUITE_P(
    Sequences, YamlEditCase,
    testing::Values(
        EditCase{"an item in the middle", "a:\n  # 1\n  - x\n  # 3\n  - z # c\n",
                 R"([{"op": "add", "path": "/a/1", "value": "v"}])",
                 "a:\n  # 1\n  - x\n  - v\n  # 3\n  - z # c\n"},
        EditCase{"an item in front", "a:\n  # 2\n  - y\n", R"([{"op": "add", "path": "/a/0", "value": "x"}])",
                 "a:\n  - x\n  # 2\n  - y\n"},
        EditCase{"the first item goes", "a:\n  # 1\n  - x # c\n  # 2\n  - y # d\n",
                 R"([{"op": "remove", "path": "/a/0"}])", "a:\n  # 2\n  - y # d\n"},
        EditCase{"an item changes", "a:\n  - x # c\n  - y # d\n  - z\n",
                 R"([{"op": "replace", "path": "/a/1", "value": "w"}])", "a:\n  - x # c\n  - w # d\n  - z\n"},
        EditCase{"named items are told apart", "a:\n  - name: x # 1\n    v: 1\n  - name: w # 2\n    v: 2\n",
                 R"([{"op": "remove", "path": "/a/0"}, {"op": "replace", "path": "/a/0/v", "value": 3}])",
                 "a:\n  - name: w # 2\n    v: 3\n"},
        EditCase{"another name is another item", "a:\n  # about x\n  - name: x\n  # about w\n  - name: w\n",
                 R"([{"op": "replace", "path": "/a/0/name", "value": "z"}])",
                 "a:\n  - name: z\n  # about w\n  - name: w\n"},
        EditCase{"in brackets", "a: [1, 2, 3] # c\n",
                 R"([{"op": "remove", "path": "/a/0"}, {"op": "add", "path": "/a/-", "value": "x: y"}])",
                 "a: [2, 3, \"x: y\"] # c\n"},
        EditCase{"in brackets line by line", "a: [\n  1, # one\n  2, # two\n  3\n]\n",
                 R"([{"op": "remove", "path": "/a/1"}, {"op": "add", "path": "/a/-", "value": 4}])",
                 "a: [\n  1, # one\n  3,\n  4\n]\n"},
        EditCase{"emptied brackets", "a: [1] # c\n", R"([{"op": "remove", "path": "/a/0"}])", "a: [] # c\n"},
        EditCase{"a sequence beside a dash", "a:\n- - 1\n  - 2\n", R"([{"op": "remove", "path": "/a/0/0"}])",
                 "a:\n- - 2\n"},
        EditCase{"an item in front beside a dash", "a:\n- - 1 # c\n- 2 # d\n",
                 R"([{"op": "add", "path": "/a/0/0", "value": 0}])", "a:\n- - 0\n  - 1\n- 2 # d\n"},
        EditCase{"a scalar becomes a mapping", "- 1 # c\n- 2\n",
                 R"([{"op": "replace", "path": "/0", "value": {"x": 1, "v": 2}}])", "- v: 2\n  x: 1\n- 2\n"},
        EditCase{"a mapping becomes a scalar", "- x: 1\n  v: 2\n- 2\n",
                 R"([{"op": "replace", "path": "/0", "value": 1}])", "- 1\n- 2\n"},
        EditCase{"nothing becomes something", "-\n- 2\n",
                 R"([{"op": "replace", "path": "/0", "value": "x"}])", "- x\n- 2\n"}));

INSTANTIATE_TEST_SUITE_P(
    WrittenAnew, YamlEditCase,
    testing::Values(
        EditCase{"an alias alone", "a: &x {b: 1} # c\nd: *x # e\n",
                 R"([{"op": "replace", "path": "/d/b", "value": 2}])", "a: &x {b: 1} # c\nd: # e\n  b: 2\n"},
        EditCase{"what an alias refers to", "a: # c\n  b: &x 1 # d\n  e: *x\n# f\ng: 2\n",
                 R"([{"op": "replace", "path": "/a/b", "value": 3}])", "a: # c\n  b: 3\n  e: 1\n# f\ng: 2\n"},
        EditCase{"a tag", "a: !!str 12 # c\nb: 1 # d\n",
                 R"([{"op": "replace", "path": "/a", "value": "13"}])", "a: \"13\" # c\nb: 1 # d\n"},
        EditCase{"a key behind a question mark", "# c\n? a\n: 1\nb: 2\n",
                 R"([{"op": "replace", "path": "/b", "value": 3}])", "# c\na: 1\nb: 3\n"},
        EditCase{"a single pair in brackets", "a: [b: 1]\n",
                 R"([{"op": "replace", "path": "/a/0/b", "value": 2}])", "a:\n  - b: 2\n"}));

TEST(YamlEdit, LeavesOtherDocumentsByteForByte) {
  const std::string text = "# top\n---\na: 1\n--- # second\n# x\nb:   2 # c\n...\n---\n\n---\n{c: 3}";
  EXPECT_EQ(patched(text, R"([{"op": "replace", "path": "/b", "value": 4}])", 1), with(text, "2", "4"));
  EXPECT_EQ(patched(text, R"([{"op": "replace", "path": "/c", "value": 4}])", 2),
            with(text, "3", "4") + "\n");
  EXPECT_EQ(patched(text, R"([{"op": "add", "path": "/d", "value": 4}])", 0),
            with(text, "a: 1\n", "a: 1\nd: 4\n"));
  EXPECT_EQ(edit(text, 1, valueOf(text, 1)), text) << "nothing changes";
  const std::string marked =
      "\xEF\xBB\xBF"
      "a: 1\n";
  EXPECT_EQ(patched(marked, R"([{"op": "replace", "path": "/a", "value": 2}])"), with(marked, "1", "2"));
}

TEST(YamlEdit, JsonStaysJson) {
  const std::string text =
      R"({"kind": "Unikernel", "apiVersion": "v1", "spec": {"x": "\ud83d\ude00", "e": []}})";
  json after = valueOf(text, 0, Notation::Json);
  after["spec"]["a"] = 1;
  const auto edited = edit(text, 0, after, Notation::Json);
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ(*edited, R"({
  "apiVersion": "v1",
  "kind": "Unikernel",
  "spec": {
    "a": 1,
    "e": [],
    "x": "😀"
  }
}
)");
}

TEST(YamlEdit, RefusesWhatCannotBeDone) {
  const auto messageOf = [](const Result<std::string>& result) {
    return result ? "done: " + *result : result.error().message;
  };
  std::string deep = "1";
  for (int i = 0; i < 65; ++i) deep = "[" + deep + "]";
  EXPECT_EQ(messageOf(edit("a: {\n", 0, {{"a", 1}})),
            "line 2: this is not valid YAML: end of map flow not found");
  EXPECT_EQ(messageOf(edit("a: 1\n", 1, {{"a", 1}})), "the text has 1 documents, none of them is number 2");
  EXPECT_EQ(messageOf(edit("a: 1\n", 0, nullptr)), "a document cannot be nothing; remove it instead");
  EXPECT_EQ(messageOf(edit("a: 1\n", 0, json::parse(deep))), "the value is nested more than 64 levels deep");
  EXPECT_THAT(messageOf(edit("a: 1\n", 0, {{"a", "\xC3("}})), HasSubstr("is all of it UTF-8?"));
  EXPECT_EQ(edit("a: {\n", 0, {{"a", 1}}).error().reason, Reason::InvalidManifest);
}

TEST(YamlEdit, ErasesOneDocument) {
  const std::string text = "# licence\n\n# about a\na: 1\n---\n# about b\nb: 2\n---\nc: 3\n...\n";
  EXPECT_EQ(erase(text, 0), "# licence\n\n---\n# about b\nb: 2\n---\nc: 3\n...\n");
  EXPECT_EQ(erase(text, 1), "# licence\n\n# about a\na: 1\n---\nc: 3\n...\n");
  EXPECT_EQ(erase(text, 2), "# licence\n\n# about a\na: 1\n---\n# about b\nb: 2\n");
  EXPECT_EQ(erase("# a\na: 1\n", 0), "");
  EXPECT_EQ(erase("%YAML 1.2\n---\na: 1\n---\nb: 1\n", 1), "%YAML 1.2\n---\na: 1\n");
  EXPECT_FALSE(erase("a: 1\n", 1));
}

// The property that all of the above is for: what is written reads as what was meant, and lines that have
// nothing to do with it are still there.

constexpr const char* corpus[] = {
    unikernel,
    "a: 1\nb:\n  c: [1, {d: e, f: 'g'}, \"h\"] # i\n  j:\n  - k: 1\n    l: 2\n  - - m\n    - n\n# o\np: |\n  "
    "q\n\n  r\ns: >\n "
    " t\n  u\n\nv:\nw: ~\n",
    "- a\n-\n- b: c # d\n  e:\n\n    f: 1\n- [x,\n   y, # z\n   w]\n- \"q\\\"r\"\n- 'it''s'\n",
    "a: &x\n  b: 1\nc: *x\nd: &y [1, 2]\ne: *y\nf: !!str 5\n",
    "{\"a\": {\"b\": [1, 2, {\"c\": null}]}, \"d\": \"e\"}\n",
    "a: |+\n  x\n\nb: |-\n    y\n     z\nc: >-\n  w\n",
    "deep:\n    er:\n        still:\n            - name: x # 1\n              type: y\n            - name: z "
    "# 2\n",
    "a:\r\n  b: 1 # c\r\n  d:\r\n  - e\r\n  # f\r\n  - g\r\n",
    "a: x\n  y\n  z\nb: \"x\n  y\"\n\n\nc: {a: 1,\n  b: 2} # d\n# end\n",
    "a: {}\nb: []\nc: \"\"\nd: {e: , f: ~}\n"};

/// Makes the same series of changes each time for one seed.
class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  json value(int depth = 0) {
    static const std::vector<json> scalars = {nullptr,
                                              true,
                                              0,
                                              -17,
                                              1.5,
                                              1e300,
                                              "x",
                                              "",
                                              "yes",
                                              "012",
                                              "1e3",
                                              "~",
                                              "null",
                                              " lead",
                                              "trail ",
                                              "a: b",
                                              "a #b",
                                              "#c",
                                              "- d",
                                              "[e",
                                              "{f}",
                                              "a, b",
                                              "'g'",
                                              "\"h\"",
                                              "multi\nline",
                                              "end\n",
                                              "two\n\n",
                                              "\nlead",
                                              " x\ny",
                                              "tab\tx",
                                              "\tx\ny",
                                              "é😀",
                                              "\x1b[0m",
                                              "2023-11-14",
                                              "12:30:45",
                                              "---",
                                              "...",
                                              "a\\b",
                                              "?",
                                              "-",
                                              "*a",
                                              "&a",
                                              "!a",
                                              "%a",
                                              "@a",
                                              "`a",
                                              "|",
                                              ">",
                                              "=",
                                              "<<",
                                              "x:",
                                              ":x",
                                              "http://a/b",
                                              "a\r\nb",
                                              "\xC2\x85",
                                              "\xE2\x80\xA8",
                                              "0x1F",
                                              ".inf",
                                              "a\n\n\nb\n",
                                              "a\n  b\n c\n",
                                              "--flag=x",
                                              "$(X)"};
    const std::uint32_t choice = pick(10);
    if (choice < 6 || depth > 2) return scalars[pick(scalars.size())];
    json made = choice < 8 ? json::object() : json::array();
    for (std::uint32_t count = pick(4); count > 0; --count) {
      if (made.is_object())
        made[key()] = value(depth + 1);
      else
        made.push_back(value(depth + 1));
    }
    return made;
  }

  /// Changes, adds or removes something somewhere in `target`.
  void mutate(json& target) {
    json* at = &target;
    while (at->is_structured() && !at->empty() && pick(3) != 0)
      at = &*std::next(at->begin(), step(at->size()));
    const std::uint32_t choice = pick(3);
    if (at->is_object() && choice == 0)
      (*at)[key()] = value();
    else if (at->is_array() && choice == 0)
      at->insert(std::next(at->begin(), step(at->size() + 1)), value());
    else if (at->is_structured() && !at->empty() && choice == 1)
      at->erase(std::next(at->begin(), step(at->size())));
    else if (at != &target || !at->is_structured())
      *at = value();
  }

 private:
  // Distributions of the standard library differ from one to the next.
  std::uint32_t pick(std::size_t count) { return static_cast<std::uint32_t>(random_() % count); }
  std::ptrdiff_t step(std::size_t count) { return static_cast<std::ptrdiff_t>(pick(count)); }
  std::string key() {
    static const std::vector<std::string> keys = {"a", "b",  "name", "type", "on", "x y",
                                                  "1", "k:", "é",    "#",    ""};
    return keys[pick(keys.size())];
  }

  std::mt19937 random_;
};

TEST(YamlEdit, WhateverIsEditedReadsAsWhatWasMeant) {
  std::uint32_t seed = 1;
  for (const char* original : corpus) {
    for (int series = 0; series < 40; ++series, ++seed) {
      Mutator mutator(seed);
      std::string text = original;
      json value = valueOf(text);
      for (int step = 0; step < 8; ++step) {
        mutator.mutate(value);
        const auto edited = edit(text, 0, value);
        ASSERT_TRUE(edited) << "seed " << seed << ": " << edited.error().message << "\n"
                            << value << "\n"
                            << text;
        ASSERT_EQ(valueOf(*edited), value) << "seed " << seed << "\n" << text << "\nbecame\n" << *edited;
        text = *edited;
      }
    }
  }
}

TEST(YamlEdit, WhateverIsEditedLeavesTheNeighboursAlone) {
  std::uint32_t seed = 1;
  for (const char* original : corpus) {
    for (int series = 0; series < 40; ++series, ++seed) {
      // The corpus as the value of a key between others, in a document between others.
      std::string inner;
      std::istringstream lines(original);
      for (std::string line; std::getline(lines, line);) inner += line.empty() ? "\n" : "  " + line + "\n";
      const std::string head = "# first\n---\nz: 0\n---\n# top\nbefore: 'x' # 1\n\n# 2\n";
      const std::string tail = "# 3\nafter:   {a: 1,  b: 2} # 4\n---\nlast:  1";
      std::string text = head + "changed: # 5\n" + inner + tail;
      json value = valueOf(text, 1);
      ASSERT_TRUE(value.is_object()) << value << text;
      Mutator mutator(seed);
      mutator.mutate(value["changed"]);
      const auto edited = edit(text, 1, value);
      ASSERT_TRUE(edited) << "seed " << seed << ": " << edited.error().message << "\n"
                          << value << "\n"
                          << text;
      ASSERT_THAT(*edited, StartsWith(head)) << "seed " << seed << "\n" << value;
      ASSERT_TRUE(edited->ends_with(tail)) << "seed " << seed << "\n" << value << "\n" << *edited;
    }
  }
}

}  // namespace
}  // namespace rookery::yaml
