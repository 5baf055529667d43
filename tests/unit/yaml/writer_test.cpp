#include "yaml/writer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "yaml/yaml.h"

namespace rookery::yaml {
namespace {

using nlohmann::json;

/// Keys that come first.
constexpr std::array<std::string_view, 6> first = {"apiVersion", "kind",      "metadata",
                                                   "name",       "namespace", "spec"};

TEST(YamlWriter, IsInBlockStyleWithKeysInOrder) {
  const json document = json::parse(R"({"kind": "Unikernel", "apiVersion": "rookery.dev/v1alpha1",
      "spec": {"cpuIDs": [0, 1], "addName": true, "arguments": ["--ipv4=10.0.0.2/24"], "none": null, "empty": [],
               "bare": {}, "ratio": 0.5}})");
  EXPECT_EQ(toYaml(document), R"(apiVersion: rookery.dev/v1alpha1
kind: Unikernel
spec:
  addName: true
  arguments:
    - --ipv4=10.0.0.2/24
  bare: {}
  cpuIDs:
    - 0
    - 1
  empty: []
  none: null
  ratio: 0.5
)");
}

TEST(YamlWriter, StringsComeBackAsStrings) {
  const std::string texts[] = {"",
                               "web",
                               "true",
                               "True",
                               "NO",
                               "off",
                               "y",
                               "null",
                               "~",
                               "1",
                               "-1",
                               "1e3",
                               "0x1F",
                               "0o17",
                               "1_000",
                               "12:30:45",
                               ".5",
                               ".inf",
                               "-.INF",
                               ".nan",
                               "1.2.3",
                               "4f0c",
                               "12e4",
                               "2023-11-14",
                               "2023-11-14T22:08:18Z",
                               "<<",
                               "=",
                               "---",
                               "...",
                               "- a",
                               "a: b",
                               "a #b",
                               "# a",
                               "&a",
                               "*a",
                               "!a",
                               "%a",
                               "@a",
                               "`a",
                               "[a",
                               "{a",
                               "a,b",
                               "'a'",
                               "\"a\"",
                               " a",
                               "a ",
                               "a\nb\n",
                               "tab\there",
                               "\x1b[31m",
                               "\xc3\xa9",
                               "C:\\x",
                               "|",
                               ">",
                               "?",
                               ":",
                               "10.0.42.15:1025",
                               "--- a",
                               "- ",
                               "$(X)"};
  for (const std::string& text : texts) {
    const std::string yaml = toYaml({{"key", text}});
    const auto documents = parse(yaml);
    ASSERT_TRUE(documents) << yaml;
    EXPECT_EQ(documents->front().value.at("key"), text) << yaml;
  }
}

TEST(YamlWriter, StringsThatLookLikeOtherTypesAreQuoted) {
  for (const char* text :
       {"",    "true", "Yes",   "off",      "n",  "null", "~",    "1",          "-1.5", "+1",
        "1e3", "0x1F", "1_000", "12:30:45", ".5", ".inf", ".NaN", "2023-11-14", "<<",   "12e4"}) {
    EXPECT_EQ(toYaml({{"key", text}}), std::string("key: \"") + text + "\"\n");
  }
  for (const char* text : {"web", "images/web.hvt", "truely", "nobody", "a1"}) {
    EXPECT_EQ(toYaml({{"key", text}}), std::string("key: ") + text + "\n");
  }
}

TEST(YamlWriter, KeysAreQuotedToo) { EXPECT_EQ(toYaml({{"on", 1}}), "\"on\": 1\n"); }

TEST(YamlWriter, WhatItWritesIsReadAsItWas) {
  const json value =
      json::parse(R"({"a": {"b": [[1, [2, {"c": {}}]], {"d": null, "e": [[]]}, "f\ng\n"], "": -1.5},
      "h": [true, 18446744073709551615, 1e300, "\u0000\u001b\u0085\u2028\ufeff\u202e\u200b\udb40\udc41\ud83d\ude00"],
      "i\nj": "k", "l": {"m": {"n": "o\n\np"}}})");
  const auto read = [](const std::string& text, Notation notation = Notation::Yaml) {
    const auto documents = parse(text, notation);
    return documents && documents->size() == 1 ? documents->front().value : json("unreadable: " + text);
  };
  EXPECT_EQ(read(toYaml(value)), value);
  EXPECT_EQ(read(toYaml(value, first)), value);
  EXPECT_EQ(read(toJson(value, first), Notation::Json), value);
  EXPECT_EQ(read(writeFlow(value, first)), value);
  const json longKey = {{std::string(2000, 'x'), {{"a", 1}}}};
  EXPECT_EQ(read(toYaml(longKey)), longKey);
  EXPECT_EQ(read(writeFlow(longKey, first)), longKey);
}

TEST(YamlWriter, LinesAreALiteralBlockWhereThatIsExact) {
  const auto written = [](const char* text) { return toYaml({{"a", text}}); };
  EXPECT_EQ(written("-----BEGIN\nx\n\n y\n"), "a: |\n  -----BEGIN\n  x\n\n   y\n");
  EXPECT_EQ(written("x\ny"), "a: |-\n  x\n  y\n");
  EXPECT_EQ(written("x\n\n"), "a: \"x\\n\\n\"\n");
  EXPECT_EQ(written(" x\ny"), "a: \" x\\ny\"\n");
  EXPECT_EQ(written("x\r\ny"), "a: \"x\\r\\ny\"\n");
  EXPECT_EQ(toYaml({"x\ny"}), "- |-\n  x\n  y\n");
}

TEST(YamlWriter, ADocumentHasTheKeysInTheOrderOfManifests) {
  const json manifest = json::parse(R"({"type": "Opaque", "spec": {"b": 1, "a": [{"key": "k", "name": "n"}]},
      "metadata": {"labels": {"x": "y"}, "namespace": "shop", "name": "web"}, "kind": "K", "apiVersion": "v1"})");
  EXPECT_EQ(toYaml(manifest, first), R"(apiVersion: v1
kind: K
metadata:
  name: web
  namespace: shop
  labels:
    x: "y"
spec:
  a:
    - name: "n"
      key: k
  b: 1
type: Opaque
)");
}

}  // namespace
}  // namespace rookery::yaml
