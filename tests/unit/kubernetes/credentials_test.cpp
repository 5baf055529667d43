#include "kubernetes/credentials.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"

namespace rookery::kubernetes {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

fixtures::Identity identity(const std::string& name) {
  return fixtures::makeIdentity({.commonName = name, .keyType = fixtures::KeyType::P256});
}

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    const fixtures::Identity client = identity("client");
    config_.host = "api.example";
    config_.ca.file = folder_.write("ca.crt", identity("ca").certificate);
    config_.certificate.file = folder_.write("tls.crt", client.certificate);
    config_.privateKey.file = folder_.write("tls.key", client.privateKey);
    config_.token.file = folder_.write("token", "one\n");
  }
  Credentials credentials() {
    return Credentials(config_, [this](const std::string& message) { warnings_.push_back(message); });
  }

  fixtures::TempDir folder_;
  Config config_;
  std::vector<std::string> warnings_;
};

TEST_F(CredentialsTest, AFileOfNoUseLeavesTheFormerContentInUse) {
  struct Case {
    const char* what;
    const char* file;
    std::string content;
    const char* warning;
  };
  const std::string whole = identity("other").certificate;
  const std::string half = whole.substr(0, whole.size() / 2);
  const std::vector<Case> cases = {
      {"an empty token", "token", "", "is no token"},
      {"a token of two lines", "token", "two\nlines\n", "is no token"},
      {"binary for a token", "token", "\x01\x02", "is no token"},
      {"an empty CA", "ca.crt", "", "The CA of the API server"},
      {"half a CA", "ca.crt", half, "The CA of the API server"},
      {"a CA and a half", "ca.crt", whole + half, "The CA of the API server"},
      {"rubbish for a certificate", "tls.crt", "rubbish", "The client certificate"},
      {"the certificate of another key", "tls.crt", whole, "The client certificate"},
      {"half a key", "tls.key", identity("other").privateKey.substr(0, 60), "The client certificate"},
  };
  for (const Case& given : cases) {
    SCOPED_TRACE(given.what);
    warnings_.clear();
    Credentials credentials = this->credentials();
    const auto context = credentials.tlsContext();
    ASSERT_TRUE(context) << context.error().message;
    ASSERT_EQ(credentials.token(), "one");
    const std::string before = fixtures::readFile(folder_.path() / given.file);
    folder_.replace(given.file, given.content);
    for (int again = 0; again < 3; ++again) {
      EXPECT_EQ(credentials.tlsContext(), context);
      EXPECT_EQ(credentials.token(), "one");
    }
    ASSERT_THAT(warnings_, SizeIs(1));
    EXPECT_THAT(warnings_[0], AllOf(HasSubstr(given.warning), HasSubstr("what was there before")));
    folder_.replace(given.file, before);
    EXPECT_EQ(credentials.tlsContext(), context);
    EXPECT_EQ(credentials.token(), "one");
    EXPECT_THAT(warnings_, SizeIs(1));
  }
}

TEST_F(CredentialsTest, AFileThatIsBeingWrittenIsNotBelieved) {
  Credentials credentials = this->credentials();
  const auto context = credentials.tlsContext();
  ASSERT_TRUE(context) << context.error().message;
  ASSERT_EQ(credentials.token(), "one");
  {
    std::ofstream token(config_.token.file), ca(config_.ca.file);
    token << "tw" << std::flush;
    ca << identity("another").certificate << std::flush;
    for (int again = 0; again < 3; ++again) {
      EXPECT_EQ(credentials.token(), "one");
      EXPECT_EQ(credentials.tlsContext(), context);
    }
    EXPECT_THAT(warnings_, SizeIs(2));
    EXPECT_THAT(warnings_, testing::Each(HasSubstr("being written")));
    const auto first = this->credentials().token();
    ASSERT_FALSE(first) << "nor when it is the first that there is";
    EXPECT_EQ(first.error().reason, Reason::BeingWritten);
    token << "o";
  }
  EXPECT_EQ(credentials.token(), "two");
  const auto renewed = credentials.tlsContext();
  ASSERT_TRUE(renewed);
  EXPECT_NE(*renewed, *context);
}

TEST_F(CredentialsTest, WhatNeverWasOfUseIsAnError) {
  folder_.replace("token", "");
  folder_.replace("ca.crt", "rubbish");
  Credentials credentials = this->credentials();
  EXPECT_EQ(credentials.token().error().reason, Reason::CredentialInvalid);
  EXPECT_EQ(credentials.tlsContext().error().reason, Reason::CredentialInvalid);
  EXPECT_THAT(warnings_, IsEmpty());
}

}  // namespace
}  // namespace rookery::kubernetes
