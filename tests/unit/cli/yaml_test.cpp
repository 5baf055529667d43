#include "cli/yaml.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>

namespace rookery::cli {
namespace {

using nlohmann::json;

TEST(Yaml, IsInBlockStyleWithKeysInOrder) {
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

TEST(Yaml, StringsComeBackAsStrings) {
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
    const YAML::Node value = YAML::Load(yaml)["key"];
    ASSERT_TRUE(value.IsScalar()) << yaml;
    EXPECT_EQ(value.as<std::string>(), text) << yaml;
  }
}

TEST(Yaml, StringsThatLookLikeOtherTypesAreQuoted) {
  for (const char* text :
       {"",    "true", "Yes",   "off",      "n",  "null", "~",    "1",          "-1.5", "+1",
        "1e3", "0x1F", "1_000", "12:30:45", ".5", ".inf", ".NaN", "2023-11-14", "<<",   "12e4"}) {
    EXPECT_EQ(YAML::Load(toYaml({{"key", text}}))["key"].Tag(), "!") << text;  // not plain
  }
  for (const char* text : {"web", "images/web.hvt", "truely", "nobody", "a1"}) {
    EXPECT_EQ(toYaml({{"key", text}}), std::string("key: ") + text + "\n");
  }
}

TEST(Yaml, KeysAreQuotedToo) { EXPECT_EQ(toYaml({{"on", 1}}), "\"on\": 1\n"); }

}  // namespace
}  // namespace rookery::cli
