#include "image/pull/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rookery::image {
namespace {

using ::testing::HasSubstr;

TEST(IsPublic, TellsWhatEverybodyCanReach) {
  for (const char* text :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "128.0.0.0", "172.15.0.1",
        "172.32.0.1", "192.167.0.1", "192.169.0.1", "223.255.255.255", "2606:4700::1111",
        "2a00:1450:4001::200e", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"})
    EXPECT_TRUE(isPublic(addressOf(text).value())) << text;
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.170",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.0.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "240.0.0.1",
                           "255.255.255.255",
                           "168.63.129.16",
                           "::",
                           "::1",
                           "::127.0.0.1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::ffff:0:10.0.0.1",
                           "64:ff9b::127.0.0.1",
                           "64:ff9b::10.0.0.1",
                           "64:ff9b:1::1",
                           "100::1",
                           "2001::1",
                           "2001:db8::1",
                           "2002:7f00:1::1",
                           "2002:a00:1::",
                           "3fff::1",
                           "fc00::1",
                           "fd12::1",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1"})
    EXPECT_FALSE(isPublic(addressOf(text).value())) << text;
}

TEST(Hosts, AllowWhatIsListed) {
  const Result<Hosts> hosts = Hosts::parse(
      {"Builds.Example.org", "*.ci.example.org", "10.1.0.0/16", "192.168.1.7", "fd00:1::/32", "::1"});
  ASSERT_TRUE(hosts) << hosts.error().message;
  for (const char* name : {"builds.example.org", "BUILDS.example.ORG", "builds.example.org.",
                           "a.ci.example.org", "a.b.ci.example.org"})
    EXPECT_TRUE(hosts->allowsName(name)) << name;
  for (const char* name : {"", "example.org", "ci.example.org", "xci.example.org",
                           "builds.example.org.evil.org", "evil-builds.example.org", "10.1.0.1", "localhost"})
    EXPECT_FALSE(hosts->allowsName(name)) << name;
  for (const char* text :
       {"10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "192.168.1.7", "fd00:1:2::3", "::1"})
    EXPECT_TRUE(hosts->allowsAddress(addressOf(text).value())) << text;
  for (const char* text :
       {"10.2.0.0", "10.0.255.255", "192.168.1.6", "fd00:2::", "::2", "1.1.1.1", "127.0.0.1"})
    EXPECT_FALSE(hosts->allowsAddress(addressOf(text).value())) << text;
}

TEST(Hosts, PublicAndEverythingHaveWords) {
  const Hosts everything = Hosts::parse({"*"}).value();
  EXPECT_TRUE(everything.allowsName("localhost"));
  EXPECT_TRUE(everything.allowsAddress(addressOf("127.0.0.1").value()));
  EXPECT_FALSE(Hosts::publicOnly().allowsName("example.org")) << "its address is to be looked at";
  EXPECT_TRUE(Hosts::publicOnly().allowsAddress(addressOf("1.1.1.1").value()));
  EXPECT_FALSE(Hosts::publicOnly().allowsAddress(addressOf("127.0.0.1").value()));
  const Hosts block = Hosts::parse({"0.0.0.0/0"}).value();
  EXPECT_TRUE(block.allowsAddress(addressOf("127.0.0.1").value()));
  EXPECT_FALSE(block.allowsAddress(addressOf("fd00::1").value()));
}

TEST(Hosts, RefuseWhatNamesNone) {
  for (const char* entry :
       {"", "*.", "*.*", "*example.org", "a b", "http://example.org", "example.org:443", "example.org/path",
        "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::/129", "[::1]", ".example.org", "a,b"}) {
    const Result<Hosts> hosts = Hosts::parse({entry});
    ASSERT_FALSE(hosts) << entry;
    EXPECT_EQ(hosts.error().reason, Reason::UsageError);
    EXPECT_THAT(hosts.error().message, HasSubstr("\"" + std::string(entry) + "\" names no hosts"));
  }
}

}  // namespace
}  // namespace rookery::image
