#include "kubernetes/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fixtures/temp_dir.h"

namespace rookery::kubernetes {
namespace {

using testing::HasSubstr;

std::string config(const std::string& cluster, const std::string& user) {
  return fmt::format(R"(apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: me, namespace: fleet}}}}]
clusters: [{{name: test, cluster: {{{}}}}}]
users: [{{name: me, user: {{{}}}}}]
)",
                     cluster, user);
}

TEST(Kubeconfig, SaysWhereAndWho) {
  const fixtures::TempDir folder;
  folder.write("ca.pem", "the CA\n");
  folder.write("token", "secret\n");
  const auto read = kubeconfig(folder.write(
      "config",
      config("server: \"https://[::1]:6443/prefix/\", certificate-authority: ca.pem, tls-server-name: api",
             "tokenFile: token, token: other")));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->host, "::1");
  EXPECT_EQ(read->port, "6443");
  EXPECT_EQ(read->path, "/prefix");
  EXPECT_EQ(read->url(), "https://[::1]:6443/prefix");
  EXPECT_EQ(read->serverName, "api");
  EXPECT_EQ(read->nameSpace, "fleet");
  EXPECT_EQ(read->ca.read(), "the CA");
  EXPECT_EQ(read->token.read(), "secret");
  folder.write("token", "rotated\n");
  EXPECT_EQ(read->token.read(), "rotated");
}

TEST(Kubeconfig, DoesNotCountWhileItIsBeingWritten) {
  const fixtures::TempDir folder;
  const auto path = folder.path() / "config";
  std::ofstream writer(path);
  writer << config("server: https://api.example", "token: other") << std::flush;
  const auto read = kubeconfig(path);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().reason, Reason::BeingWritten);
  EXPECT_THAT(read.error().message, HasSubstr(path.string()));
  writer.close();
  EXPECT_TRUE(kubeconfig(path));
}

TEST(Kubeconfig, TakesWhatStandsInIt) {
  const fixtures::TempDir folder;
  const auto read = kubeconfig(
      folder.write("config", config("server: https://api.example, certificate-authority-data: dGhlIENB",
                                    "client-certificate-data: Y2VydA==, client-key-data: a2V5")));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->port, "443");
  EXPECT_EQ(read->ca.read(), "the CA");
  EXPECT_EQ(read->certificate.read(), "cert");
  EXPECT_EQ(read->privateKey.read(), "key");
}

TEST(Kubeconfig, SaysWhatIsWrong) {
  struct Case {
    std::string text;
    const char* message;
  };
  const Case cases[] = {
      {"kind: Config\n", "no context is chosen"},
      {"current-context: test\n", "there is none called \"test\""},
      {"- a list\n", "not a kubeconfig"},
      {"a: [", "not a kubeconfig"},
      {config("server: ftp://api.example", ""), "cluster.server"},
      {config("server: https://api, insecure-skip-tls-verify: true", ""), "name the CA"},
      {config("server: https://api, proxy-url: http://proxy", ""), "proxy-url"},
      {config("server: https://api, certificate-authority-data: '%'", ""), "not base64"},
      {config("server: https://api", "exec: {command: aws}"), "user.exec"},
      {config("server: https://api", "client-key-data: a2V5"), "go together"},
  };
  const fixtures::TempDir folder;
  for (const Case& each : cases) {
    const auto read = kubeconfig(folder.write("config", each.text));
    ASSERT_FALSE(read) << each.text;
    EXPECT_EQ(read.error().reason, Reason::CredentialInvalid);
    EXPECT_THAT(read.error().message, HasSubstr(each.message));
    EXPECT_THAT(read.error().message, HasSubstr((folder.path() / "config").string()));
  }
  EXPECT_FALSE(kubeconfig(folder.path() / "missing"));
}

TEST(InCluster, NeedsAPod) {
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  const auto none = inClusterConfig();
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("--kubeconfig"));
  ::setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  const fixtures::TempDir folder;
  folder.write("namespace", "rookery");
  folder.write("token", "t");
  const auto config = inClusterConfig(folder.path());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->nameSpace, "rookery");
  EXPECT_EQ(config->url(), "https://10.96.0.1:443");
  ::unsetenv("KUBERNETES_SERVICE_HOST");
}

}  // namespace
}  // namespace rookery::kubernetes
