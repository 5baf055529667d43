#include "notify/settings.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>

#include "file/content.h"
#include "fixtures/temp_dir.h"

namespace rookery::notify {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// Every secret is its file's name.
Result<Settings> parse(const std::string& text) {
  return parseSettings(text, "/etc/rookery/notify.yaml",
                       [](const std::filesystem::path& file) -> Result<std::string> {
                         if (file.filename() == "missing")
                           return fail(Reason::CredentialInvalid, "It cannot be read.");
                         if (file.extension() == ".url") return "https://hooks.example.org/s3cret\n";
                         return file.filename().string() + "\n";
                       });
}

TEST(Settings, AreReadWithTheSecretsThatTheyName) {
  const auto settings = parse(R"yaml(
settle: 30s
between: 10m
receivers:
- name: hook
  webhook: {url: "https://ops.example.org/hook/", secretFile: key, bearerTokenFile: /run/token}
  match: {severity: warning, types: [ReadyLost, PruneWaits], kinds: [Unikernel], namespaces: [shop], labelSelector: app=web}
  title: "[$(severity)] $(object)"
  perMinute: 60
- {name: chat, slack: {urlFile: chat.url}}
- {name: room, matrix: {homeserver: "https://matrix.example.org", room: "!abc:example.org", tokenFile: token}}
- name: mail
  email: {server: "smtps://mail.example.org", from: rookery@example.org, to: [ops@example.org, "on-call@example.org"],
          username: rookery, passwordFile: password}
- {name: forge, commitStatus: {forge: gitlab, repository: org/fleet, tokenFile: token, root: /srv/fleet/}}
)yaml");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->rules.settle, 30s);
  EXPECT_EQ(settings->rules.between, 10min);
  ASSERT_EQ(settings->receivers.size(), 5U);
  const auto& hook = std::get<Webhook>(settings->receivers[0].way);
  EXPECT_EQ(hook.url, "https://ops.example.org/hook");
  EXPECT_EQ(hook.secret, "key");
  EXPECT_EQ(hook.bearer, "token");
  EXPECT_EQ(settings->receivers[0].perMinute, 60U);
  EXPECT_EQ(std::get<Slack>(settings->receivers[1].way).url, "https://hooks.example.org/s3cret");
  EXPECT_EQ(std::get<Matrix>(settings->receivers[2].way).token, "token");
  EXPECT_THAT(std::get<Email>(settings->receivers[3].way).to,
              ElementsAre("ops@example.org", "on-call@example.org"));
  const auto& forge = std::get<CommitStatusWay>(settings->receivers[4].way);
  EXPECT_EQ(forge.api, "https://gitlab.com/api/v4");
  EXPECT_EQ(forge.root, "/srv/fleet");
  EXPECT_THAT(settings->files, testing::Contains("/etc/rookery/key"));
  EXPECT_THAT(settings->files, testing::Contains("/run/token"));
}

TEST(Settings, MayNameNobody) {
  ASSERT_TRUE(parse(""));
  EXPECT_TRUE(parse("")->receivers.empty());
}

struct Refused {
  const char* receiver;
  const char* message;
};

class SettingsMistake : public testing::TestWithParam<Refused> {};

TEST_P(SettingsMistake, IsNamedWithItsPlace) {
  const auto settings = parse(fmt::format("receivers:\n- {}\n", GetParam().receiver));
  ASSERT_FALSE(settings);
  EXPECT_THAT(settings.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(settings.error().message, HasSubstr("/etc/rookery/notify.yaml:2:"));
}

INSTANTIATE_TEST_SUITE_P(
    Of, SettingsMistake,
    testing::Values(
        Refused{"{name: a}", "exactly one of"},
        Refused{"{name: a, slack: {urlFile: a.url}, webhook: {url: 'http://x'}}", "exactly one of"},
        Refused{"{name: A, slack: {urlFile: a.url}}", "name"},
        Refused{"{name: a, slak: {}}", "did you mean slack?"},
        Refused{"{name: a, webhook: {url: 'ftp://x'}}", "must be a URL that begins with https:// or http://"},
        Refused{"{name: a, webhook: {url: 'http://x', urlFile: a.url}}", "either url or urlFile"},
        Refused{"{name: a, slack: {urlFile: missing}}", "It cannot be read."},
        Refused{"{name: a, slack: {urlFile: plain}}", "must hold a URL"},
        Refused{"{name: a, matrix: {homeserver: 'https://x', room: '#a:x', tokenFile: t}}", "an alias"},
        Refused{"{name: a, email: {server: 'smtp://x', from: 'a@b', to: []}}", "1 to 50 addresses"},
        Refused{"{name: a, email: {server: 'smtp://x', from: \"a@b\\nBcc: x@y\", to: [c@d]}}",
                "e-mail address"},
        Refused{"{name: a, email: {server: 'smtp://x', from: a@b, to: [c@d], username: u}}", "both username"},
        Refused{"{name: a, email: {server: 'smtp://x', from: a@b, to: [c@d], username: u, passwordFile: p, "
                "plain: true}}",
                "without TLS"},
        Refused{"{name: a, commitStatus: {forge: cvs, repository: a/b, tokenFile: t, root: /x}}",
                "github, gitlab or gitea"},
        Refused{"{name: a, commitStatus: {forge: gitea, repository: a/b, tokenFile: t, root: /x}}",
                "needs api"},
        Refused{"{name: a, slack: {urlFile: a.url}, match: {types: [Sundry]}}", "known are Changed"},
        Refused{"{name: a, slack: {urlFile: a.url}, match: {severity: high}}", "info, warning or error"},
        Refused{"{name: a, slack: {urlFile: a.url}, match: {kinds: [Pod]}}", "is no kind"},
        Refused{"{name: a, slack: {urlFile: a.url}, match: {labelSelector: '=='}}", "labelSelector"},
        Refused{"{name: a, slack: {urlFile: a.url}, title: '$(password)'}", "$(password) is no placeholder"},
        Refused{"{name: a, slack: {urlFile: a.url}, perMinute: 0}", "from 1 to 600"}));

TEST(Settings, NameEachReceiverOnce) {
  const auto twice =
      parse("receivers:\n- {name: a, slack: {urlFile: a.url}}\n- {name: a, slack: {urlFile: a.url}}\n");
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message, HasSubstr("is there twice"));
}

TEST(Settings, DoNotRepeatASecretInAMistake) {
  const auto settings = parseSettings(
      "receivers: [{name: a, slack: {urlFile: f}}]", "/n.yaml",
      [](const std::filesystem::path&) -> Result<std::string> { return "hooks.example.org/s3cret"; });
  ASSERT_FALSE(settings);
  EXPECT_THAT(settings.error().message, testing::Not(HasSubstr("s3cret")));
}

TEST(Settings, AreReadOfAFile) {
  const fixtures::TempDir folder;
  folder.write("secrets/url", "http://127.0.0.1:9/x\n");
  const auto file = folder.write("notify.yaml", "receivers: [{name: a, slack: {urlFile: secrets/url}}]\n");
  const auto settings = readSettings(file);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(std::get<Slack>(settings->receivers[0].way).url, "http://127.0.0.1:9/x");
  EXPECT_FALSE(readSettings(folder.path() / "missing"));
}

TEST(Settings, AreWhatThePackageShows) {
  const auto example = std::filesystem::path(TEST_DATA) / "../../../packaging/example/notifications.yaml";
  const auto text = file::read(example, 1 << 20);
  ASSERT_TRUE(text) << text.error().why;
  const auto settings = parse(text->bytes);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->receivers.size(), 2U);
}

struct Match {
  const char* filter;
  bool lost, regained, changed, warning, otherNamespace;
};

class Matching : public testing::TestWithParam<Match> {};

TEST_P(Matching, ChoosesWhatIsAskedFor) {
  const auto settings =
      parse(fmt::format("receivers: [{{name: a, slack: {{urlFile: a.url}}, match: {}}}]", GetParam().filter));
  ASSERT_TRUE(settings) << settings.error().message;
  const auto wants = [&](Type type, const std::string& nameSpace = "shop") {
    return settings->receivers[0].wants({.id = "1",
                                         .time = {},
                                         .type = type,
                                         .object = api::ObjectKey{api::Kind::Unikernel, nameSpace, "web"},
                                         .labels = {{"app", "web"}}});
  };
  EXPECT_EQ(wants(Type::ReadyLost), GetParam().lost);
  EXPECT_EQ(wants(Type::ReadyRegained), GetParam().regained);
  EXPECT_EQ(wants(Type::Changed), GetParam().changed);
  EXPECT_EQ(wants(Type::Warning), GetParam().warning);
  EXPECT_EQ(wants(Type::ReadyLost, "other"), GetParam().otherNamespace);
  EXPECT_FALSE(wants(Type::CommitStatus));
}

INSTANTIATE_TEST_SUITE_P(
    Of, Matching,
    testing::Values(Match{"{}", true, true, false, false, true},
                    Match{"{severity: info}", true, true, true, true, true},
                    Match{"{severity: warning}", true, true, false, true, true},
                    Match{"{severity: error}", true, true, false, false, true},
                    Match{"{types: [Changed]}", false, false, true, false, false},
                    Match{"{namespaces: [shop]}", true, true, false, false, false},
                    Match{"{kinds: [UnikernelPolicy]}", false, false, false, false, false},
                    Match{"{labelSelector: 'app!=web'}", false, false, false, false, false},
                    Match{"{labelSelector: 'app in (web)'}", true, true, false, false, true}));

}  // namespace
}  // namespace rookery::notify
