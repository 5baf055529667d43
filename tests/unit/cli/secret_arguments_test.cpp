#include "cli/secret_arguments.h"

#include <gmock/gmock.h>

namespace rookery::cli {
namespace {

struct SecretCase {
  std::string argument;
  std::string name = {};    // empty: it is no secret
  std::string hidden = {};  // what of it is
};

const SecretCase secretCases[] = {
    {"--ipv4=10.0.42.20/24"},
    {"--verbose"},
    {"--password="},
    {"--keyboard=us"},
    {"--hosts=www.example.org,a-rather-long-name.of-a-host.example.org"},
    {"--path=/var/lib/some/where/rather/deep/below/the/root"},
    {"--url=https://example.org/a:b@c"},
    {"--git=ssh://git@example.org/zones.git"},
    {"-p"},
    {""},
    {"="},
    {"=x"},
    {"--password=hunter2", "--password", "hunter2"},
    {"--db-Password=a=b", "--db-Password", "a=b"},
    {"PGPASSWD=x", "PGPASSWD", "x"},
    {"--client_secret=x", "--client_secret", "x"},
    {"--api.token=x", "--api.token", "x"},
    {"--credentials=x", "--credentials", "x"},
    {"--ssh-key=x", "--ssh-key", "x"},
    {"--apikey=x", "--apikey", "x"},
    {"--key-type=x", "--key-type", "x"},
    {"--seed=x", "--seed", "x"},
    {"--cert=-----BEGIN PRIVATE KEY-----\nAAAA=\n", "--cert", "-----BEGIN PRIVATE KEY-----\nAAAA=\n"},
    {"-----BEGIN PRIVATE KEY-----\nAAAA=\n", "argument 1", "-----BEGIN PRIVATE KEY-----\nAAAA=\n"},
    {"--hmac=00112233445566778899aabbccddeeff", "--hmac", "00112233445566778899aabbccddeeff"},
    {"--short=00112233445566778899"},
    {"--id=aGVsbG8gd29ybGQsIHRoaXMgaXMgbG9uZyBlbm91Z2g0", "--id",
     "aGVsbG8gd29ybGQsIHRoaXMgaXMgbG9uZyBlbm91Z2g0"},
    {"aGVsbG8gd29ybGQsIHRoaXMgaXMgbG9uZyBlbm91Z2g0==", "argument 1",
     "aGVsbG8gd29ybGQsIHRoaXMgaXMgbG9uZyBlbm91Z2g0=="},
    {"--id=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "--id", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"},
    {"--remote=https://me:pw@example.org/x", "--remote", "https://me:pw@example.org/x"},
    {"--db=host=db password=x", "--db", "host=db password=x"},
    {"--hook=https://example.org/?token=x", "--hook", "https://example.org/?token=x"},
    {"--json={\"secret\": 1}", "--json", "{\"secret\": 1}"},
    {"--note=the password is not here"},
    {"--raw=\xff", "--raw", "\xff"},
    {"\xff=x", "argument 1", "\xff=x"},
};

TEST(SecretArguments, AreKnownByTheirNamesAndTheirValues) {
  for (const SecretCase& each : secretCases) {
    SCOPED_TRACE(each.argument);
    const auto secrets = secretsAmong({each.argument});
    ASSERT_EQ(secrets.size(), each.name.empty() ? 0u : 1u);
    if (each.name.empty()) continue;
    EXPECT_EQ(secrets[0].name, each.name);
    EXPECT_EQ(each.argument.substr(secrets[0].begin), each.hidden);
  }
}

TEST(SecretArguments, MayStandBehindTheirNames) {
  const auto secrets = secretsAmong({"--token", "hunter2", "--token", "--verbose", "x", "--key"});
  ASSERT_EQ(secrets.size(), 1u);
  EXPECT_EQ(secrets[0].index, 1u);
  EXPECT_EQ(secrets[0].begin, 0u);
  EXPECT_EQ(secrets[0].name, "--token");
}

}  // namespace
}  // namespace rookery::cli
