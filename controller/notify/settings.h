#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/selector.h"
#include "error.h"
#include "file/settling.h"
#include "notify/notification.h"
#include "notify/queue.h"
#include "notify/rules.h"

namespace rookery::notify {

/// JSON by POST.
struct Webhook {
  std::string url;
  std::string secret = {};  // of the signature; empty: it has none
  std::string bearer = {};  // a token; empty: none
};
/// An incoming webhook of Slack's form, as Mattermost and others have it, too.
struct Slack {
  std::string url;  // as good as a password
};
struct Matrix {
  std::string homeserver;  // https://matrix.example.org
  std::string room;        // "!abc:example.org"
  std::string token;
};
struct Email {
  std::string server;  // smtp://HOST[:PORT] or smtps://HOST[:PORT]
  std::string from;
  std::vector<std::string> to;
  std::string username = {}, password = {};
  bool plain = false;  // without TLS
};
/// A mark beside a commit, in the forge that a manifest root is a checkout of.
struct CommitStatusWay {
  enum class Forge { GitHub, GitLab, Gitea };
  Forge forge = Forge::GitHub;
  std::string api;  // https://api.github.com, https://gitlab.com/api/v4, https://gitea.example.org/api/v1
  std::string repository;  // "org/fleet"
  std::string token;
  std::filesystem::path root;  // the manifest root
  std::string context = "rookery";
};

/// Which notifications a receiver gets.
struct Filter {
  std::optional<Severity> severity = {};  // this or a higher one
  std::set<Type> types = {};              // empty: those that matter, or all of `severity`
  std::set<api::Kind> kinds = {};         // empty: all
  std::set<std::string> namespaces = {};  // empty: all, and what has none
  api::LabelSelector labels = {};

  bool matches(const Notification& notification) const;
};

struct Receiver {
  std::string name;
  std::variant<Webhook, Slack, Matrix, Email, CommitStatusWay> way;
  Filter filter = {};
  std::string title = "$(summary)";
  std::string text = "$(message)";
  unsigned perMinute = 20;

  bool wants(const Notification& notification) const;
};

/// What --notifications names, with all secrets read.
struct Settings {
  std::vector<Receiver> receivers;
  Rules::Options rules;
  std::vector<std::filesystem::path> files;  // it and those that it names
};

/// Reads
///
///   settle: 10s                      # how long something must stand before it is told
///   between: 5m                      # how long it is not told again of an object that it is lost
///   receivers:
///   - name: ops                      # unique: in logs and metrics
///     webhook: {url: https://…, secretFile: F, bearerTokenFile: F}
///     # or slack: {urlFile: F}
///     # or matrix: {homeserver: https://…, room: "!x:example.org", tokenFile: F}
///     # or email: {server: smtps://…, from: a@b, to: [c@d], username: a, passwordFile: F, plain: false}
///     # or commitStatus: {forge: github, api: https://…, repository: org/fleet, tokenFile: F, root: DIR,
///     #                   context: rookery}
///     match: {severity: warning, types: […], kinds: […], namespaces: […], labelSelector: app=web}
///     title: $(summary)              # placeholders as in arguments: $(NAME), and $$(NAME) for the words
///     text: $(message)
///     perMinute: 20
///
/// Files are relative to it. Errors (CredentialInvalid): it or a file that it names cannot be read; or the
/// first mistake, with file:line:column. BeingWritten, as file::readCredentialFile() has it.
Result<Settings> readSettings(const std::filesystem::path& file, file::Settling* settling = nullptr);

/// Gives the content of a file that settings name.
using ReadSecret = std::function<Result<std::string>(const std::filesystem::path& file)>;

/// The same of a text; `name` is how messages name it, and what its files are relative to.
Result<Settings> parseSettings(std::string_view text, const std::filesystem::path& name,
                               const ReadSecret& readSecret);

}  // namespace rookery::notify
