#pragma once

#include <optional>
#include <string>
#include <vector>

#include "notify/settings.h"

namespace rookery::notify {

/// What is sent for some notifications: an HTTP request, or a mail. It holds secrets: never to be shown.
struct Request {
  std::string url;
  std::string method = "POST";
  std::vector<std::string> headers = {};
  std::string body = {};
  struct Mail {
    std::string from;
    std::vector<std::string> to;
    std::string username, password;
    bool plain = false;
  };
  std::optional<Mail> mail = {};  // then `body` is the message, and `url` the server
};

/// Pure. `notifications`: one at least; of a commit status one.
Request requestFor(const Receiver& receiver, const std::vector<Notification>& notifications);

/// What the header X-Rookery-Signature-256 holds: "sha256=" and the HMAC-SHA256 of the body, in hex.
std::string signatureOf(std::string_view body, std::string_view secret);

/// What came of it.
struct Outcome {
  enum class End {
    Sent,
    Failed,   // it may work another time
    Refused,  // it would not, as it is
  };
  End end = End::Failed;
  std::string answer;  // half a sentence: "it answers 200", "connection refused"
  std::chrono::seconds retryAfter{0};
};

/// What an answer to such a request says. `text`: what it holds.
Outcome outcomeOf(const Receiver& receiver, long status, std::chrono::seconds retryAfter,
                  std::string_view text);

}  // namespace rookery::notify
