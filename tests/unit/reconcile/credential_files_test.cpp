#include "reconcile/credential_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"

namespace rookery::reconcile {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CredentialFilesTest : public testing::Test {
 protected:
  CredentialFilesTest() {
    write(pem_);
    files_ = {path("ca.pem"), path("admin.pem"), path("admin.key")};
  }

  fs::path path(const std::string& name) const { return folder_.path() / name; }
  void write(const CredentialFiles::Pem& pem) const {
    folder_.replace("ca.pem", pem.ca);
    folder_.replace("admin.pem", pem.certificate);
    folder_.replace("admin.key", pem.privateKey);
  }
  static CredentialFiles::Pem made() {
    const fixtures::Identity ca = fixtures::makeIdentity({});
    const fixtures::Identity admin = fixtures::makeIdentity({.commonName = "admin"}, &ca);
    return {ca.certificate, admin.certificate, admin.privateKey};
  }
  CredentialFiles::Read read() { return credentials_.read("eu-1", files_); }

  fixtures::TempDir folder_;
  file::Settling settling_;
  CredentialFiles credentials_{settling_};
  const CredentialFiles::Pem pem_ = made();
  CredentialFiles::Files files_;
};

TEST_F(CredentialFilesTest, FollowsWhatTheFilesHold) {
  EXPECT_EQ(read().pem, pem_);
  const CredentialFiles::Pem next = made();
  write(next);
  const CredentialFiles::Read read = this->read();
  EXPECT_EQ(read.pem, next);
  EXPECT_FALSE(read.standing);
}

TEST_F(CredentialFilesTest, KeepsWhatWasThereWhileAFileIsWritten) {
  ASSERT_EQ(read().pem, pem_);
  const CredentialFiles::Pem next = made();
  {
    std::ofstream writer(path("admin.key"), std::ios::trunc);
    writer << next.privateKey.substr(0, 60) << std::flush;
    const CredentialFiles::Read half = read();
    EXPECT_EQ(half.pem, pem_);
    ASSERT_TRUE(half.standing);
    EXPECT_EQ(half.standing->reason, Reason::BeingWritten);
    EXPECT_THAT(half.standing->message,
                HasSubstr("spec.credentials.files.privateKey: " + path("admin.key").string()));
    EXPECT_TRUE(half.lookAgainIn);
    writer << next.privateKey.substr(60);
  }
  // Its certificate comes after it.
  const CredentialFiles::Read mixed = read();
  EXPECT_EQ(mixed.pem, pem_);
  ASSERT_TRUE(mixed.standing);
  EXPECT_EQ(mixed.standing->reason, Reason::CredentialInvalid);
  write(next);
  EXPECT_EQ(read().pem, next);
}

TEST_F(CredentialFilesTest, SaysThatAFileIsWrittenWhereNothingWasThereBefore) {
  std::ofstream writer(path("ca.pem"), std::ios::app);
  const CredentialFiles::Read half = read();
  ASSERT_FALSE(half.pem);
  EXPECT_EQ(half.pem.error().reason, Reason::BeingWritten);
  EXPECT_TRUE(half.lookAgainIn);
}

// Whoever takes a key away, or names another file, does not want the old one to be used.
TEST_F(CredentialFilesTest, KeepsNothingOfFilesThatAreGoneOrAreOthers) {
  ASSERT_EQ(read().pem, pem_);
  files_.privateKey = path("other.key");
  std::ofstream writer(path("other.key"));
  EXPECT_FALSE(read().pem);
  writer.close();
  files_.privateKey = path("admin.key");
  fs::remove(path("admin.key"));
  EXPECT_FALSE(read().pem);
}

TEST_F(CredentialFilesTest, WaitsForNoFifoAndReadsNoDevice) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  for (const fs::path& special : {path("fifo"), fs::path("/dev/zero"), folder_.path()}) {
    files_.ca = special;
    const CredentialFiles::Read refused = read();
    ASSERT_FALSE(refused.pem);
    EXPECT_THAT(refused.pem.error().message, HasSubstr("not a regular file"));
  }
}

}  // namespace
}  // namespace rookery::reconcile
