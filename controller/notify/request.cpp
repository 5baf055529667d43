#include "notify/request.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <map>

#include "image/image.h"
#include "notify/template.h"
#include "text.h"
#include "yaml/writer.h"

namespace rookery::notify {

using nlohmann::json;

namespace {

constexpr std::size_t longestText = 12 << 10;    // of one message to people
constexpr std::size_t longestSubject = 200;      // bytes
constexpr std::size_t longestDescription = 140;  // characters of a commit status, as GitHub takes them
constexpr std::size_t longestAnswer = 200;       // of what a receiver says that is shown

const std::string jsonType = "Content-Type: application/json; charset=utf-8";

/// What happened, of several how often.
std::string titleOf(const Receiver& receiver, const std::vector<Notification>& notifications) {
  if (notifications.size() == 1) return visible(fill(receiver.title, notifications.front()));
  std::map<std::string_view, std::size_t> counts;
  for (const Notification& each : notifications) ++counts[toString(each.type)];
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [type, count] : counts) parts.push_back(fmt::format("{} {}", count, type));
  return fmt::format("{} notifications: {}", notifications.size(), fmt::join(parts, ", "));
}

/// The lines of one message: of several each behind its title.
std::string textOf(const Receiver& receiver, const std::vector<Notification>& notifications) {
  std::string text;
  std::size_t told = 0;
  for (const Notification& each : notifications) {
    const std::string filled = visibleLines(fill(receiver.text, each));
    const std::string part = notifications.size() == 1
                                 ? filled
                                 : fmt::format("- {}: {}\n", visible(fill(receiver.title, each)), filled);
    if (told > 0 && text.size() + part.size() > longestText) break;
    text += part;
    ++told;
  }
  if (told < notifications.size()) text += fmt::format("- and {} more\n", notifications.size() - told);
  return shorten(text, longestText + 100);
}

/// What happens to be markup there: <, > and &.
std::string slackText(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

Request requestOf(const Webhook& webhook, const Receiver& receiver,
                  const std::vector<Notification>& notifications) {
  json all = json::array();
  for (const Notification& each : notifications) {
    json value = toJson(each);
    value["title"] = fill(receiver.title, each);
    value["text"] = fill(receiver.text, each);
    all.push_back(std::move(value));
  }
  Request request{.url = webhook.url, .headers = {jsonType}};
  request.body =
      yaml::dump(json{{"version", "1"}, {"receiver", receiver.name}, {"notifications", std::move(all)}});
  if (!webhook.bearer.empty()) request.headers.push_back("Authorization: Bearer " + webhook.bearer);
  if (!webhook.secret.empty())
    request.headers.push_back("X-Rookery-Signature-256: " + signatureOf(request.body, webhook.secret));
  return request;
}

Request requestOf(const Slack& slack, const Receiver& receiver,
                  const std::vector<Notification>& notifications) {
  const std::string text = fmt::format("*{}*\n{}", slackText(titleOf(receiver, notifications)),
                                       slackText(textOf(receiver, notifications)));
  return {.url = slack.url, .headers = {jsonType}, .body = yaml::dump(json::object({{"text", text}}))};
}

/// The same transaction each time that it is sent: the server passes over what it has.
Request requestOf(const Matrix& matrix, const Receiver& receiver,
                  const std::vector<Notification>& notifications) {
  const std::string text =
      fmt::format("{}\n{}", titleOf(receiver, notifications), textOf(receiver, notifications));
  return {.url = fmt::format("{}/_matrix/client/v3/rooms/{}/send/m.room.message/{}-{}", matrix.homeserver,
                             percentEncode(matrix.room), notifications.front().id, notifications.size()),
          .method = "PUT",
          .headers = {jsonType, "Authorization: Bearer " + matrix.token},
          .body = yaml::dump(json{{"msgtype", "m.text"}, {"body", text}})};
}

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// Words of a header that may hold anything (RFC 2047): each of 75 characters at most, on a line of its own.
std::string encodedWords(std::string text) {
  constexpr std::size_t most = 42;  // bytes that fit into one
  const bool plain = !text.contains("=?") && std::ranges::all_of(text, [](char c) {
    return c >= ' ' && static_cast<unsigned char>(c) < 0x7f;
  });
  if (plain) return text;
  std::string words;
  while (!text.empty()) {
    std::size_t length = 0;
    while (length < text.size()) {
      const std::size_t next = std::max<std::size_t>(utf8Length(std::string_view(text).substr(length)), 1);
      if (length + next > most) break;
      length += next;
    }
    words += fmt::format("{}=?utf-8?B?{}?=", words.empty() ? "" : "\r\n ", base64(text.substr(0, length)));
    text.erase(0, length);
  }
  return words;
}

/// In lines of 76 characters (RFC 2045, section 6.8).
std::string base64Lines(std::string_view bytes) {
  constexpr std::size_t line = 57;
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += line) text += base64(bytes.substr(at, line)) + "\r\n";
  return text;
}

Request requestOf(const Email& email, const Receiver& receiver,
                  const std::vector<Notification>& notifications) {
  const std::string host = email.from.substr(email.from.rfind('@') + 1);
  const Notification& first = notifications.front();
  std::string body = fmt::format(
      "Date: {:%a, %d %b %Y %H:%M:%S} +0000\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: "
      "<{}-{}@{}>\r\n"
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n",
      std::chrono::floor<std::chrono::seconds>(first.time), email.from, fmt::join(email.to, ",\r\n "),
      encodedWords(shorten(titleOf(receiver, notifications), longestSubject)), first.id, notifications.size(),
      host);
  body += base64Lines(textOf(receiver, notifications));
  return {.url = email.server,
          .body = std::move(body),
          .mail = Request::Mail{email.from, email.to, email.username, email.password, email.plain}};
}

Request requestOf(const CommitStatusWay& way, const Receiver& /*receiver*/,
                  const std::vector<Notification>& notifications) {
  using Forge = CommitStatusWay::Forge;
  const Notification& status = notifications.front();
  const bool gitLab = way.forge == Forge::GitLab;
  const std::string state = gitLab && status.state == "failure" ? "failed" : status.state;
  std::string description = status.message;
  if (description.size() > longestDescription) {
    std::size_t length = longestDescription - 3;
    while (length > 0 && (static_cast<unsigned char>(description[length]) & 0xc0) == 0x80) --length;
    description = description.substr(0, length) + "…";
  }
  Request request{.url = {}, .headers = {jsonType}};
  request.body = yaml::dump(
      json{{"state", state}, {gitLab ? "name" : "context", way.context}, {"description", description}});
  if (gitLab) {
    request.url =
        fmt::format("{}/projects/{}/statuses/{}", way.api, percentEncode(way.repository), status.commit);
    request.headers.push_back("PRIVATE-TOKEN: " + way.token);
  } else {
    request.url = fmt::format("{}/repos/{}/statuses/{}", way.api, way.repository, status.commit);
    request.headers.push_back(
        (way.forge == Forge::Gitea ? "Authorization: token " : "Authorization: Bearer ") + way.token);
  }
  return request;
}

/// What must not be shown, though the receiver may repeat it.
std::vector<std::string> secretsOf(const Receiver& receiver) {
  if (const auto* webhook = std::get_if<Webhook>(&receiver.way))
    return {webhook->secret, webhook->bearer, webhook->url};
  if (const auto* slack = std::get_if<Slack>(&receiver.way)) return {slack->url};
  if (const auto* matrix = std::get_if<Matrix>(&receiver.way)) return {matrix->token};
  if (const auto* email = std::get_if<Email>(&receiver.way)) return {email->password};
  return {std::get<CommitStatusWay>(receiver.way).token};
}

/// What a receiver says, to be shown; nothing where that has a secret in it.
std::string shownAnswer(const Receiver& receiver, std::string_view text) {
  for (const std::string& secret : secretsOf(receiver)) {
    if (!secret.empty() && text.contains(secret)) return {};
  }
  return visible(trimmed(text), longestAnswer);
}

}  // namespace

std::string signatureOf(std::string_view body, std::string_view secret) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  const auto* made =
      ::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(body.data()), body.size(), bytes.data(), &length);
  check(made != nullptr, "OpenSSL knows HMAC-SHA256");
  return "sha256=" + image::toHex({reinterpret_cast<const char*>(bytes.data()), length});
}

Request requestFor(const Receiver& receiver, const std::vector<Notification>& notifications) {
  check(!notifications.empty(), "a request tells of something");
  return std::visit([&](const auto& way) { return requestOf(way, receiver, notifications); }, receiver.way);
}

Outcome outcomeOf(const Receiver& receiver, long status, std::chrono::seconds retryAfter,
                  std::string_view text) {
  const std::string said = shownAnswer(receiver, text);
  const std::string answer = fmt::format("it answers {}{}{}", status, said.empty() ? "" : ": ", said);
  if (status / 100 == 2) return {Outcome::End::Sent, answer, {}};
  if (std::holds_alternative<Email>(receiver.way))
    return {status / 100 == 5 ? Outcome::End::Refused : Outcome::End::Failed, answer, retryAfter};
  // GitLab refuses a state that the commit has already.
  const auto* commits = std::get_if<CommitStatusWay>(&receiver.way);
  if (commits != nullptr && commits->forge == CommitStatusWay::Forge::GitLab && status == 400 &&
      text.contains("Cannot transition status"))
    return {Outcome::End::Sent, answer, {}};
  const bool passing = status / 100 == 5 || status == 408 || status == 425 || status == 429;
  return {passing ? Outcome::End::Failed : Outcome::End::Refused, answer, retryAfter};
}

}  // namespace rookery::notify
