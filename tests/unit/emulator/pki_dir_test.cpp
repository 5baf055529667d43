#include "emulator/pki_dir.h"

#include <gtest/gtest.h>

#include "fixtures/temp_dir.h"

namespace rookery::emulator {
namespace {

namespace fs = std::filesystem;

TEST(PkiDir, MakesWhatIsMissingAndKeepsWhatIsThere) {
  const fixtures::TempDir temp;
  const fs::path folder = temp.path() / "a" / "pki";
  const auto made = openPki(folder);
  ASSERT_TRUE(made) << made.error().message;
  for (const auto* key : {"ca.key", "server.key"}) {
    EXPECT_EQ(fs::perms::owner_read | fs::perms::owner_write, fs::status(folder / key).permissions()) << key;
  }
  const auto again = openPki(folder);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(made->ca, again->ca);
  EXPECT_EQ(made->server.certificate, again->server.certificate);
  EXPECT_EQ(made->server.privateKey, again->server.privateKey);

  fs::remove(folder / "server.pem");
  fs::remove(folder / "server.key");
  const auto renewed = openPki(folder);
  ASSERT_TRUE(renewed) << renewed.error().message;
  EXPECT_EQ(made->ca, renewed->ca);
  EXPECT_NE(made->server.certificate, renewed->server.certificate);
}

struct Missing {
  std::vector<const char*> removed;
  const char* said;  // file that the message names first
};

class HalfAPki : public testing::TestWithParam<Missing> {};

TEST_P(HalfAPki, IsRefused) {
  const fixtures::TempDir temp;
  ASSERT_TRUE(openPki(temp.path()));
  for (const auto* file : GetParam().removed) fs::remove(temp.path() / file);
  const auto pki = openPki(temp.path());
  ASSERT_FALSE(pki);
  EXPECT_EQ(Reason::CredentialInvalid, pki.error().reason);
  EXPECT_TRUE(pki.error().message.starts_with((temp.path() / GetParam().said).string() + " is missing"))
      << pki.error().message;
}

INSTANTIATE_TEST_SUITE_P(Table, HalfAPki,
                         testing::Values(Missing{{"cacert.pem"}, "cacert.pem"},
                                         Missing{{"server.pem"}, "server.pem"},
                                         Missing{{"server.key"}, "server.key"},
                                         Missing{{"ca.key", "server.pem", "server.key"}, "server.pem"}));

}  // namespace
}  // namespace rookery::emulator
