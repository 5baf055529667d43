#include <gmock/gmock.h>

#include "albatross/client/client.h"

namespace rookery::albatross {
namespace {

struct Parsed {
  std::string text;
  Endpoint endpoint;
  std::string shown;
  friend void PrintTo(const Parsed& test, std::ostream* out) { *out << test.text; }
};

class EndpointParse : public testing::TestWithParam<Parsed> {};

TEST_P(EndpointParse, TakesHostAndPort) {
  const auto endpoint = Endpoint::parse(GetParam().text);
  ASSERT_TRUE(endpoint.has_value()) << endpoint.error().message;
  EXPECT_EQ(*endpoint, GetParam().endpoint);
  EXPECT_EQ(endpoint->toString(), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Endpoint, EndpointParse,
    testing::Values(Parsed{"10.0.42.15:1025", {"10.0.42.15", 1025}, "10.0.42.15:1025"},
                    Parsed{"eu-1.example.org:443", {"eu-1.example.org", 443}, "eu-1.example.org:443"},
                    Parsed{"eu-1", {"eu-1", 1025}, "eu-1:1025"},
                    Parsed{"[2001:db8::1]:65535", {"2001:db8::1", 65535}, "[2001:db8::1]:65535"},
                    Parsed{"[::1]", {"::1", 1025}, "[::1]:1025"},
                    Parsed{"unix:///run/albatross/util",
                           {"", 1025, "/run/albatross/util"},
                           "unix:///run/albatross/util"}));

class EndpointRefuses : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(EndpointRefuses, AndSaysWhy) {
  const auto& [text, says] = GetParam();
  const auto endpoint = Endpoint::parse(text);
  ASSERT_FALSE(endpoint.has_value());
  EXPECT_EQ(endpoint.error().reason, Reason::InvalidManifest);
  EXPECT_THAT(endpoint.error().message, testing::HasSubstr("\"" + text + "\" " + says));
}

INSTANTIATE_TEST_SUITE_P(
    Endpoint, EndpointRefuses,
    testing::Values(std::pair{"", "has no host"}, std::pair{":1025", "has no host"},
                    std::pair{"tls://eu-1:1025", "is a URL"},
                    std::pair{"unix://run/albatross", "has no absolute path"},
                    std::pair{"unix:///" + std::string(94, 'a'), "has a path that is too long"},
                    std::pair{"eu 1:1025", "has no host"}, std::pair{"eu-1:", "has a port"},
                    std::pair{"eu-1:0", "has a port"}, std::pair{"eu-1:65536", "has a port"},
                    std::pair{"eu-1:+80", "has a port"}, std::pair{"eu-1:80x", "has a port"},
                    std::pair{"2001:db8::1", "is an IPv6 address without brackets"},
                    std::pair{"[2001:db8::1", "lacks the closing ]"},
                    std::pair{"[eu-1]:80", "has no IPv6 address"},
                    std::pair{"[::1]80", "has something other"}));

}  // namespace
}  // namespace rookery::albatross
