#include "http/loopback.h"

#include <gmock/gmock.h>

#include <sstream>

namespace rookery::http {
namespace {

using testing::HasSubstr;

TEST(Loopback, EndpointsAreParsed) {
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1:8080", "127.0.0.1:8080"}, {"127.9.8.7:0", "127.9.8.7:0"}, {"localhost:80", "127.0.0.1:80"},
      {"LOCALHOST:80", "127.0.0.1:80"},     {"[::1]:65535", "[::1]:65535"},
  };
  for (const auto& [text, expected] : cases) {
    const auto endpoint = parseLoopbackEndpoint(text);
    ASSERT_TRUE(endpoint) << text;
    std::ostringstream shown;
    shown << *endpoint;
    EXPECT_EQ(shown.str(), expected);
  }
}

TEST(Loopback, AnythingElseIsAUsageErrorThatSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {"0.0.0.0:8080", "only loopback addresses"},
      {"[::]:8080", "only loopback addresses"},
      {":8080", "address:port"},
      {"10.0.0.1:8080", "only loopback addresses"},
      {"[::ffff:127.0.0.1]:8080", "only loopback addresses"},
      {"example.com:8080", "address:port"},
      {"localhost.example.com:8080", "address:port"},
      {"127.0.0.1", "address:port"},
      {"[::1]", "address:port"},
      {"127.0.0.1:", "address:port"},
      {"127.0.0.1:65536", "address:port"},
      {"127.0.0.1:-1", "address:port"},
      {"127.0.0.1:80x", "address:port"},
      {"127.0.0.1: 80", "address:port"},
      {"", "address:port"},
  };
  for (const auto& [text, message] : cases) {
    const auto endpoint = parseLoopbackEndpoint(text);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().reason, Reason::UsageError) << text;
    EXPECT_THAT(endpoint.error().message, HasSubstr(message)) << text;
    EXPECT_THAT(endpoint.error().message, HasSubstr(std::string("\"") + text + "\""));
  }
}

TEST(Loopback, UnderTlsAnyAddressWillDo) {
  for (const char* text : {"0.0.0.0:8443", "[::]:8443", "127.0.0.1:0"}) {
    std::ostringstream shown;
    shown << parseEndpoint(text).value();
    EXPECT_EQ(shown.str(), text);
  }
  EXPECT_FALSE(parseEndpoint("example.com:1"));
}

TEST(Loopback, HostHeaders) {
  for (const char* host :
       {"localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080"}) {
    EXPECT_TRUE(isLoopbackHost(host)) << host;
  }
  for (const char* host :
       {"attacker.example", "attacker.example:8080", "10.0.0.1", "localhost.attacker.example", ""}) {
    EXPECT_FALSE(isLoopbackHost(host)) << host;
  }
}

}  // namespace
}  // namespace rookery::http
