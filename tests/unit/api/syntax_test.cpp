#include "api/syntax.h"

#include <gtest/gtest.h>

namespace rookery::api {
namespace {

struct Case {
  const char* text;
  const char* complaint;  // its beginning; null: none
};

template <class Check, std::size_t N>
void expectComplaints(Check check, const Case (&cases)[N]) {
  for (const auto& [text, expected] : cases) {
    const Complaint complaint = check(text);
    EXPECT_EQ(complaint.has_value(), expected != nullptr) << text << complaint.value_or("");
    if (complaint && expected != nullptr) {
      EXPECT_TRUE(complaint->starts_with(expected)) << text << ": " << *complaint;
    }
  }
}

const std::string longName(64, 'a');

TEST(Syntax, Names) {
  expectComplaints([](std::string_view text) { return checkName(text); },
                   {{"web", nullptr},
                    {"web-1.v2", nullptr},
                    {"0", nullptr},
                    {"-web", "\"-web\" is not a name that both Kubernetes and Albatross take: lower-case"},
                    {"web-", "\"web-\" is not a name"},
                    {"a..b", "\"a..b\" is not a name"},
                    {".", "\".\" is not a name"},
                    {"a.-b", "\"a.-b\" is not a name"},
                    {"a:b", "\"a:b\" is not a name"},
                    {"caf\u00e9", "\"caf\u00e9\" is not a name"},
                    {longName.c_str(), "a name has at most 63 characters, this one has 64"}});
  EXPECT_FALSE(checkName(longName, 253));
  EXPECT_TRUE(checkName("Web_1")->ends_with("; write \"web-1\""));
  EXPECT_TRUE(checkName("_")->ends_with("beside each dot"));
}

TEST(Syntax, Namespaces) {
  expectComplaints(checkNamespace,
                   {{"shop", nullptr},
                    {"a.b", "\"a.b\" is not a namespace that both Kubernetes and Albatross take"},
                    {"Shop", "\"Shop\" is not a namespace"},
                    {longName.c_str(), "a namespace has at most 63 characters, this one has 64"}});
}

TEST(Syntax, Labels) {
  expectComplaints(checkLabelKey, {{"app", nullptr},
                                   {"app.kubernetes.io/name", nullptr},
                                   {"A_b", nullptr},
                                   {"-x", "\"-x\" is not a key that Kubernetes takes"},
                                   {"/x", "\"/x\" is not a key"},
                                   {"a/b/c", "\"a/b/c\" is not a key"},
                                   {"", "\"\" is not a key"}});
  expectComplaints(checkLabelValue, {{"", nullptr}, {"v1.2_3", nullptr}, {"a b", "\"a b\" is not a label"}});
}

TEST(Syntax, Endpoints) {
  expectComplaints(checkEndpoint,
                   {{"10.0.42.15:1025", nullptr},
                    {"server.example:1", nullptr},
                    {"server", nullptr},
                    {"[2001:db8::1]:1025", nullptr},
                    {"[::1]", nullptr},
                    {"2001:db8::1", "an IPv6 address stands in brackets; write \"[2001:db8::1]:1025\""},
                    {"host:", "\"\" is not a port"},
                    {"host:0", "\"0\" is not a port, which is a number from 1 to 65535"},
                    {"host:65536", "\"65536\" is not a port"},
                    {"host:1025x", "\"1025x\" is not a port"},
                    {":1025", "\":1025\" is not host:port, such as \"10.0.42.15:1025\""},
                    {"unix:///run/x", nullptr},
                    {"unix://run/x", "\"unix://run/x\" does not say unix:// and an absolute path"},
                    {"https://host:1", "\"https://host:1\" is not host:port"},
                    {"[::1", "\"[::1\" is not host:port"},
                    {"[", "\"[\" is not host:port"},
                    {"[]:1", "\"[]:1\" is not host:port"},
                    {"[::1]x", "\"[::1]x\" is not host:port"},
                    {"a b:1", "\"a b:1\" is not host:port"}});
}

TEST(Syntax, Urls) {
  expectComplaints(checkUrl,
                   {{"https://builds.robur.coop/job/web/build/latest/f/bin/web.hvt", nullptr},
                    {"HTTP://127.0.0.1:8000/web.hvt?signature=a%20b", nullptr},
                    {"http://[2001:db8::1]:8000/", nullptr},
                    {"https://host?x=a@b", nullptr},
                    {"web.hvt", "this is not a URL of http or https, such as"},
                    {"ftp://host/web.hvt", "this is not a URL of http or https"},
                    {"file:///web.hvt", "this is not a URL of http or https"},
                    {"https://host/a b", "this is not a URL of http or https"},
                    {"https://host/\n", "this is not a URL of http or https"},
                    {"https:///web.hvt", "\"\" is not the name or address of a host"},
                    {"https://[::g]/", "\"[::g]\" is not the name or address of a host"},
                    {"https://a:b:1/", "\"a:b\" is not the name or address of a host"},
                    {"https://host:/", "\"\" is not a port"},
                    {"https://host:99999/", "\"99999\" is not a port"},
                    {"https://host/web.hvt#x", "a URL of a file has no fragment"},
                    {"https://me:hunter2@host/", "a URL in a manifest cannot hold a user and a password"}});
}

TEST(Syntax, BearerTokens) {
  for (const char* text : {"a", "!~", "eyJhbGciOi.J9-_/+="}) EXPECT_TRUE(isBearerToken(text)) << text;
  for (const char* text : {"", " ", "a b", "a\nb", "a\x7f", "\xC3\xA4"})
    EXPECT_FALSE(isBearerToken(text)) << text;
}

TEST(Syntax, MacAddresses) {
  expectComplaints(checkMac,
                   {{"02:00:00:00:00:01", nullptr},
                    {"AE:bc:00:00:00:01", nullptr},
                    {"03:00:00:00:00:01", "\"03:00:00:00:00:01\" is a multicast address; a device's own has"},
                    {"ff:ff:ff:ff:ff:ff", "\"ff:ff:ff:ff:ff:ff\" is a multicast address"},
                    {"00:00:00:00:00:00", "the all-zero address is nobody's"},
                    {"02:00:00:00:00", "\"02:00:00:00:00\" is not a MAC address, such as"},
                    {"02-00-00-00-00-01", "\"02-00-00-00-00-01\" is not a MAC address"},
                    {"02:00:00:00:00:0g", "\"02:00:00:00:00:0g\" is not a MAC address"}});
}

TEST(Syntax, Base64) {
  EXPECT_EQ(decodeBase64("aHVudGVyMg=="), "hunter2");
  EXPECT_EQ(decodeBase64("aHVu\ndGVy\r\nMg==\n"), "hunter2");
  EXPECT_EQ(decodeBase64("AP8="), std::string("\0\xff", 2));
  EXPECT_EQ(decodeBase64(""), "");
  for (const char* text :
       {"hunter2!", "aHVudGVyMg", "aHVudGVyMg=", "====", "aHV=dGVy", "aHV udGV", "aHVudGVyMg==="}) {
    const auto decoded = decodeBase64(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().message, "the value is not base64; put plain text under stringData");
  }
}

TEST(Syntax, LabelsInKubernetesWords) {
  for (const char* key : {"a", "A1", "app.kubernetes.io/name", "a-b_c.d", "x.y-z/Name"}) {
    EXPECT_TRUE(labelKeyErrors(key).empty()) << key;
  }
  for (const char* key : {"a b", "a/b/c", "A.B/c", "a..b/c", "a/", "a_", ".a", "-/a", "é"}) {
    EXPECT_FALSE(labelKeyErrors(key).empty()) << key;
  }
  EXPECT_EQ(labelKeyErrors(std::string(64, 'a')),
            std::vector<std::string>{"name part must be no more than 63 characters"});
  EXPECT_EQ(labelKeyErrors(std::string(254, 'a') + "/a"),
            std::vector<std::string>{"prefix part must be no more than 253 characters"});
  EXPECT_TRUE(labelValueErrors("").empty());
  EXPECT_TRUE(labelValueErrors(std::string(63, 'a')).empty());
  EXPECT_EQ(labelValueErrors(std::string(64, 'a')),
            std::vector<std::string>{"must be no more than 63 characters"});
  EXPECT_EQ(labelValueErrors("a b").size(), 1U);
}

}  // namespace
}  // namespace rookery::api
