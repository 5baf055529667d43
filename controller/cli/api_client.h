#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "cli/client_options.h"
#include "error.h"

namespace httplib {
class ClientImpl;
struct Request;
}  // namespace httplib

namespace rookery::cli {

/// The body of a request, made piece by piece while it is sent.
class BodySource {
 public:
  virtual ~BodySource() = default;

  virtual std::string contentType() const = 0;
  virtual std::uint64_t size() const = 0;
  /// How many bytes come before those that make it long: enough for the server to see who asks for what, not
  /// enough for it to do that.
  virtual std::uint64_t headSize() const = 0;
  /// Some of the bytes from `offset` (less than size()) on: at least one, valid until the next call.
  virtual Result<std::string_view> read(std::uint64_t offset) = 0;
};

/// Talks to a running controller's API, over HTTP or HTTPS. Of a server that speaks TLS, the certificate is
/// verified always. One thread at a time.
///
/// Nothing that a server sends is kept without a bound: an answer may have longestAnswer bytes, an event of a
/// watch longestEvent, a refusal longestRefusal; a list in parts has longestList for all of them.
///
/// Errors of the requests: ConnectionFailed (names the server and says how one is started), TlsFailed,
/// Refused (the server's Status, worded as kubectl words it), ProtocolError (the answer is not JSON, or
/// longer than it may be).
class ApiClient {
 public:
  /// A controller with 10,000 unikernels lists them in some 30 MiB, in parts of 500 or at once.
  static constexpr std::size_t longestAnswer = std::size_t{256} << 20;
  static constexpr std::size_t longestList = std::size_t{1} << 30;
  static constexpr std::size_t longestEvent = std::size_t{64} << 20;
  static constexpr std::size_t longestRefusal = std::size_t{1} << 20;

  /// Errors: UsageError (not "http[s]://host[:port]", or a token for plain HTTP), CredentialInvalid,
  /// BeingWritten (the token file; never quotes it).
  static Result<ApiClient> to(const ClientOptions& options);

  /// GET of a path that is percent-encoded already.
  Result<nlohmann::json> get(const std::string& path) const;
  /// The same of something that may have expired: nothing when it has (410 Gone). `left`: how many bytes it
  /// may have, as one part of several; what came is taken off.
  Result<std::optional<nlohmann::json>> getUnlessGone(const std::string& path, std::size_t& left) const;
  /// The same of something that may not be there: nothing when it is not (404 Not Found).
  Result<std::optional<nlohmann::json>> getIfPresent(const std::string& path) const;

  enum class WatchEnd {
    Closed,   // by the server, or the connection was cut
    Gone,     // the resourceVersion is too old: list again
    Stopped,  // by `take`
  };
  /// Hands the events of a watch to `take` as they come, until it returns false.
  Result<WatchEnd> watch(const std::string& path,
                         const std::function<bool(const nlohmann::json& event)>& take) const;

  /// Hands the bytes of an answer that may go on for as long as the server likes to `take`, as they come,
  /// until it returns false. Error, besides those of the others: ConnectionFailed, where the server broke it
  /// off.
  Result<void> read(const std::string& path, const std::function<bool(std::string_view)>& take) const;

  /// POST of a body of any size; waits for the answer `patience` longer than usual. When the server ends the
  /// connection before it has everything, the head of the body is sent once more, alone, to learn why.
  Result<nlohmann::json> post(const std::string& path, BodySource& body, std::chrono::seconds patience) const;
  /// The same as PUT.
  Result<nlohmann::json> put(const std::string& path, BodySource& body, std::chrono::seconds patience) const;

  /// What became of a change that the server may have good reasons to refuse.
  struct Changed {
    enum class End {
      Done,
      Conflict,  // 409: somebody else changed the object meanwhile
      Refused,   // 403, 405: it cannot be changed there, or not by who asks
    };
    End end = End::Done;
    std::string refusal;  // worded as kubectl words it; empty where it is Done
  };
  /// A JSON merge patch (RFC 7396).
  Result<Changed> patch(const std::string& path, const nlohmann::json& change) const;
  /// The same, a few times more where somebody else changes the object meanwhile.
  Result<Changed> patchInSpiteOfOthers(const std::string& path, const nlohmann::json& change) const;
  /// DELETE. Done says that it is to go, not that it is gone.
  Result<Changed> remove(const std::string& path) const;

 private:
  ApiClient() = default;
  std::unique_ptr<httplib::ClientImpl> connect(std::chrono::seconds readTimeout) const;
  Result<std::optional<nlohmann::json>> getUnless(int absent, const std::string& path,
                                                  std::size_t& left) const;
  struct Answer {
    int status = 0;
    std::string body;
  };
  struct Flow {
    Answer answer;         // without the body that was handed on
    bool whole = false;    // its end has come
    bool stopped = false;  // nobody wanted more
  };
  Result<Flow> flow(httplib::ClientImpl& client, const std::string& path,
                    const std::function<bool(std::string_view)>& take) const;
  Result<Answer> exchange(httplib::ClientImpl& client, httplib::Request request, std::size_t longest) const;
  Result<Changed> change(httplib::Request request) const;
  Error unreachable(httplib::ClientImpl& client, int error) const;
  Result<nlohmann::json> parse(const std::string& body) const;
  Result<nlohmann::json> send(const std::string& method, const std::string& path, BodySource& body,
                              std::chrono::seconds patience) const;
  Error explainCut(const std::string& method, const std::string& path, BodySource& body,
                   std::uint64_t sent) const;

  std::string url_;
  bool tls_ = false;
  std::string host_;
  std::uint16_t port_ = 0;
  std::string token_;
  std::filesystem::path certificateAuthority_;
  std::chrono::seconds crawlGrace_{};
};

}  // namespace rookery::cli
