#include "serve/access_file.h"

#include <gmock/gmock.h>

namespace rookery::serve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string tokenDigest(64, 'a');

std::string mistakeIn(const std::string& text) {
  const auto file = parseAccessFile(text, "access.yaml");
  if (file) return "none";
  EXPECT_EQ(file.error().reason, Reason::CredentialInvalid);
  return file.error().message;
}

TEST(AccessFile, TokensAndCertificates) {
  const auto file =
      parseAccessFile("tokens:\n- name: ci\n  sha256: " + tokenDigest +
                          "\n  verbs: [get, deploy]\n  namespaces: [shop, db]\n"
                          "certificates:\n- commonName: alice\n  verbs: [\"*\"]\n  namespaces: [\"*\"]\n",
                      "access.yaml");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tokens.size(), 1);
  EXPECT_EQ(file->tokens[0].grant.name, "ci");
  EXPECT_EQ(file->tokens[0].digest[31], 0xaa);
  EXPECT_THAT(file->tokens[0].grant.verbs, ElementsAre("deploy", "get"));
  EXPECT_THAT(file->tokens[0].grant.namespaces, ElementsAre("db", "shop"));
  EXPECT_THAT(file->tokens[0].grant.resources, ElementsAre("unikernels"));
  EXPECT_FALSE(file->tokens[0].grant.expires);
  ASSERT_EQ(file->certificates.size(), 1);
  EXPECT_EQ(file->certificates[0].name, "alice");
  EXPECT_THAT(file->certificates[0].resources, ElementsAre("*"));
}

TEST(AccessFile, ResourcesAndExpiry) {
  const auto file =
      parseAccessFile("tokens:\n- name: ci\n  sha256: " + tokenDigest +
                          "\n  verbs: [\"*\"]\n  namespaces: [\"*\"]\n  resources: [unikernels, events]\n"
                          "certificates:\n- commonName: alice\n  verbs: [get]\n  namespaces: [shop]\n"
                          "  resources: [albatrossinstances, namespaces, secrets, unikernelpolicies, \"*\"]\n"
                          "  expires: 2027-01-31T12:00:00+02:00\n",
                      "access.yaml");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->tokens[0].grant.resources, ElementsAre("events", "unikernels"));
  EXPECT_EQ(file->certificates[0].resources.size(), 5);
  using namespace std::chrono;
  EXPECT_EQ(file->certificates[0].expires, sys_days(2027y / 1 / 31) + 10h);
}

TEST(AccessFile, AnEmptiedFileListsNobody) {
  for (const char* text : {"", "\n", "# comment\n", "---\n", "null\n", "{}\n"}) {
    const auto file = parseAccessFile(text, "access.yaml");
    ASSERT_TRUE(file) << text;
    EXPECT_TRUE(file->empty()) << text;
  }
}

TEST(AccessFile, MistakesHaveTheirPlace) {
  const auto token = [](const std::string& name, const std::string& sha, const std::string& rest) {
    return "- name: " + name + "\n  sha256: " + sha + "\n" + rest;
  };
  const std::string rest = "  verbs: [get]\n  namespaces: [shop]\n";
  EXPECT_THAT(mistakeIn("token: []\n"),
              AllOf(StartsWith("access.yaml:1:1: token: unknown field"), HasSubstr("tokens")));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, rest) + "  verb: x\n"),
              AllOf(StartsWith("access.yaml:6:3: tokens[0].verb: unknown field"), HasSubstr("verbs")));
  EXPECT_THAT(
      mistakeIn("tokens:\n" + token("ci", "s3cr3t", rest)),
      AllOf(StartsWith("access.yaml:3:11: tokens[0].sha256: must be the 64 hex"), Not(HasSubstr("s3cr3t"))));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", std::string(64, 'g'), rest)),
              StartsWith("access.yaml:3:11: "));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", std::string(64, '1'), rest)), HasSubstr("quotation marks"));
  EXPECT_THAT(
      mistakeIn("tokens:\n" + token("ci", tokenDigest, rest) + token("ci", std::string(64, 'b'), rest)),
      AllOf(StartsWith("access.yaml:6:9: "), HasSubstr("\"ci\" is there twice")));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, rest) + token("cd", tokenDigest, rest)),
              HasSubstr("token is there twice"));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, "  verbs: [got]\n  namespaces: []\n")),
              AllOf(StartsWith("access.yaml:4:11: tokens[0].verbs[0]: "), HasSubstr("is no verb")));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, "  verbs: get\n  namespaces: []\n")),
              HasSubstr("must be a list"));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, "  verbs: [get]\n  namespaces: [A_b]\n")),
              HasSubstr("tokens[0].namespaces[0]"));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, "  verbs: [get]\n")),
              HasSubstr("the field namespaces is missing"));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("system:admin", tokenDigest, rest)), HasSubstr("system:"));
  EXPECT_THAT(mistakeIn("tokens: []\ntokens: []\n"), StartsWith("access.yaml:2:1: "));
  EXPECT_THAT(mistakeIn("tokens: [\n"), StartsWith("access.yaml:"));
  EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, rest) + "  resources: [uk]\n"),
              AllOf(StartsWith("access.yaml:6:15: tokens[0].resources[0]: "), HasSubstr("is no resource"),
                    HasSubstr("unikernelpolicies")));
  for (const char* never : {"2027-01-31", "2027-01-31T00:00:00", "soon", "2027-02-30T00:00:00Z", "[]"}) {
    EXPECT_THAT(mistakeIn("tokens:\n" + token("ci", tokenDigest, rest) + "  expires: " + never + "\n"),
                AllOf(StartsWith("access.yaml:6:12: tokens[0].expires: must be")))
        << never;
  }
  EXPECT_THAT(mistakeIn("{}\n---\n{}\n"), HasSubstr("one YAML document"));
  EXPECT_THAT(mistakeIn("[]\n"), HasSubstr("must be a mapping"));
}

TEST(AccessFile, AMissingFileIsNamed) {
  const auto file = readAccessFile("/nowhere/access.yaml");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, AllOf(HasSubstr("/nowhere/access.yaml"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace rookery::serve
