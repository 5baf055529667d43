#include "cli/api_client.h"

#include <fmt/format.h>
#include <httplib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include "api/json_path.h"
#include "api/syntax.h"
#include "file/content.h"
#include "yaml/writer.h"

namespace rookery::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds connectTimeout{5};
constexpr std::chrono::seconds writeTimeout{30};
constexpr std::chrono::seconds readTimeout{30};
/// A server sends a bookmark every minute: a watch that is silent for longer has lost its connection.
constexpr std::chrono::seconds watchReadTimeout{150};
/// Of what may be silent for as long as it likes: whether the server is there, TCP asks.
constexpr std::chrono::hours silentReadTimeout{24 * 365};
constexpr std::size_t longestToken = std::size_t{64} << 10;
constexpr std::uint16_t defaultHttpPort = 80, defaultHttpsPort = 443;

struct Address {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
};

std::optional<std::uint16_t> parsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::optional<Address> parseAddress(std::string_view text) {
  constexpr std::string_view http = "http://", https = "https://";
  const bool tls = text.starts_with(https);
  if (!tls && !text.starts_with(http)) return std::nullopt;
  text.remove_prefix(tls ? https.size() : http.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t colon = text.ends_with(']') ? std::string_view::npos : text.rfind(':');
  std::string_view host = text.substr(0, colon);
  const auto port = colon == std::string_view::npos ? (tls ? defaultHttpsPort : defaultHttpPort)
                                                    : parsePort(text.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.find_first_of("/?#@ ") != std::string_view::npos || !port) return std::nullopt;
  return Address{tls, std::string(host), *port};
}

Result<std::string> readToken(const std::filesystem::path& file) {
  const auto content = file::read(file, longestToken);
  if (!content) {
    const bool written = content.error().kind == file::Unread::Kind::BeingWritten;
    return fail(written ? Reason::BeingWritten : Reason::CredentialInvalid,
                fmt::format("The token file {} cannot be used: {}.", file.string(), content.error().why));
  }
  std::string token = content->bytes;
  token.erase(token.find_last_not_of(" \t\r\n") + 1);
  if (!api::isBearerToken(token)) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The token file {} does not hold a token: one line of printable characters.",
                            file.string()));
  }
  return token;
}

std::string_view describe(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "nothing answers there";
    case httplib::Error::ConnectionTimeout:
      return "the connection was not made in time";
    case httplib::Error::Read:
      return "it ended or held up its answer";
    case httplib::Error::Write:
      return "it ended the connection or takes nothing more";
    default:
      return "the request failed";
  }
}

constexpr int deepestAnswer = 96;  // a manifest's values, within an object, within a list

/// Has TCP ask a silent peer whether it is there: after a minute, and given up two later.
void probePeer(int socket) {
  const int on = 1, idle = 60, interval = 20, probes = 6;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

/// What a server says is copied on its way to people, member within member: discarded where it is no JSON, or
/// nests deeper than anything of a controller's does.
json answerOf(std::string_view text) {
  bool tooDeep = false;
  json value = json::parse(
      text,
      [&](int depth, json::parse_event_t, const json&) {
        tooDeep = tooDeep || depth > deepestAnswer;
        return depth <= deepestAnswer;
      },
      false);
  if (tooDeep) value = json(json::value_t::discarded);
  return value;
}

/// Whether an answer comes so slowly that its end need not be waited for, although it goes on. Made when it
/// begins to come.
class Crawl {
 public:
  explicit Crawl(std::chrono::seconds grace) : grace_(grace) {}

  bool isOne(std::size_t bytes) const {
    const auto elapsed = std::chrono::steady_clock::now() - begun_;
    if (elapsed < grace_) return false;
    return bytes < leastPerSecond *
                       static_cast<std::size_t>(std::chrono::floor<std::chrono::seconds>(elapsed).count());
  }

 private:
  static constexpr std::size_t leastPerSecond = 1'024;

  std::chrono::seconds grace_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

/// A failure as kubectl prints it.
std::string describeFailure(int code, const json& body) {
  if (!body.is_object() || body.value("kind", json()) != "Status") {
    return fmt::format("Error from server: HTTP status {}", code);
  }
  const std::string reason = api::textAt(body, "reason");
  return fmt::format("Error from server{}: {}", reason.empty() ? "" : fmt::format(" ({})", reason),
                     api::textAt(body, "message"));
}

Error refusal(int code, const std::string& body) {
  return {Reason::Refused, describeFailure(code, answerOf(body))};
}

/// A request whose body is to be made piece by piece.
httplib::Request uploadOf(const std::string& method, const std::string& path, const std::string& contentType,
                          std::uint64_t size) {
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.set_header("Content-Type", contentType);
  request.content_length_ = size;
  return request;
}

/// Takes the events of a watch out of the bytes in which they come: one a line.
class Events {
 public:
  explicit Events(const std::function<bool(const json&)>& take) : take_(take) {}

  /// False: no more are wanted.
  bool feed(std::string_view bytes) {
    for (std::size_t end = bytes.find('\n'); end != std::string_view::npos && !over();
         end = bytes.find('\n')) {
      line_ += bytes.substr(0, end);
      bytes.remove_prefix(end + 1);
      if (!line_.empty()) handle(answerOf(line_));
      line_.clear();
    }
    line_ += bytes;
    tooLong_ = line_.size() > ApiClient::longestEvent;
    return !over();
  }

  Result<ApiClient::WatchEnd> end(const std::string& url) const {
    if (error_) return std::unexpected(*error_);
    if (tooLong_) {
      return fail(Reason::ProtocolError,
                  fmt::format("What answers at {} sent an event of a watch that has more than {} MiB; no "
                              "controller does that.",
                              url, ApiClient::longestEvent >> 20U));
    }
    if (malformed_) {
      return fail(Reason::ProtocolError,
                  fmt::format("What answers at {} is no rookery controller: it sends no watch events.", url));
    }
    if (gone_) return ApiClient::WatchEnd::Gone;
    return stopped_ ? ApiClient::WatchEnd::Stopped : ApiClient::WatchEnd::Closed;
  }

 private:
  bool over() const { return error_ || tooLong_ || malformed_ || gone_ || stopped_; }

  void handle(const json& event) {
    const bool shaped = event.is_object() && event.contains("type") && event.contains("object") &&
                        event.at("type").is_string() && event.at("object").is_object();
    if (!shaped) {
      malformed_ = true;
    } else if (event.at("type") != "ERROR") {
      stopped_ = !take_(event);
    } else if (const json& status = event.at("object"); status.value("code", json()) == 410) {
      gone_ = true;
    } else {
      error_ = Error{Reason::Refused, describeFailure(500, status)};
    }
  }

  const std::function<bool(const json&)>& take_;
  std::string line_;  // as much of it as has come
  bool tooLong_ = false, malformed_ = false, gone_ = false, stopped_ = false;
  std::optional<Error> error_;
};

}  // namespace

Result<ApiClient> ApiClient::to(const ClientOptions& options) {
  auto address = parseAddress(options.server);
  if (!address) {
    return fail(Reason::UsageError, fmt::format("\"{}\" is not the address of a controller: write it as "
                                                "http://host:port or https://host:port, for example "
                                                "http://127.0.0.1:8080.",
                                                options.server));
  }
  ApiClient client;
  if (!options.tokenFile.empty()) {
    if (!address->tls) {
      return fail(Reason::UsageError,
                  fmt::format("A token is sent over https only, as anybody in between could read it: give "
                              "--server https://… instead of {}, or no token.",
                              options.server));
    }
    auto token = readToken(options.tokenFile);
    if (!token) return std::unexpected(token.error());
    client.token_ = *std::move(token);
  }
  client.url_ = options.server;
  client.tls_ = address->tls;
  client.host_ = std::move(address->host);
  client.port_ = address->port;
  client.certificateAuthority_ = options.certificateAuthority;
  client.crawlGrace_ = options.crawlGrace;
  return client;
}

std::unique_ptr<httplib::ClientImpl> ApiClient::connect(std::chrono::seconds timeout) const {
  std::unique_ptr<httplib::ClientImpl> client;
  if (tls_) {
    auto encrypted = std::make_unique<httplib::SSLClient>(host_, port_);
    encrypted->set_ca_cert_path(certificateAuthority_.string());
    encrypted->enable_server_certificate_verification(true);
    SSL_CTX_set_min_proto_version(encrypted->ssl_context(), TLS1_2_VERSION);
    client = std::move(encrypted);
  } else {
    client = std::make_unique<httplib::ClientImpl>(host_, port_);
  }
  client->set_connection_timeout(connectTimeout);
  client->set_write_timeout(writeTimeout);
  client->set_read_timeout(timeout);
  httplib::Headers headers = {{"Accept", "application/json"}};
  if (!token_.empty()) headers.emplace("Authorization", "Bearer " + token_);
  client->set_default_headers(std::move(headers));
  return client;
}

Error ApiClient::unreachable(httplib::ClientImpl& client, int error) const {
  switch (const auto kind = static_cast<httplib::Error>(error)) {
    case httplib::Error::SSLLoadingCerts:
      return {Reason::CredentialInvalid,
              fmt::format("{} does not hold the certificate of an authority (PEM).",
                          certificateAuthority_.string())};
    case httplib::Error::SSLServerVerification: {
      const auto* encrypted = dynamic_cast<httplib::SSLClient*>(&client);
      const long result = encrypted == nullptr ? X509_V_OK : encrypted->get_openssl_verify_result();
      return {
          Reason::TlsFailed,
          fmt::format("The certificate of the server at {} did not pass: {}. Nothing was sent to it.", url_,
                      result == X509_V_OK
                          ? fmt::format("it is not one of {}", host_)
                          : fmt::format("{}; --certificate-authority names the CA that it must come from",
                                        X509_verify_cert_error_string(result)))};
    }
    case httplib::Error::SSLConnection:
      return {Reason::TlsFailed, fmt::format("No TLS connection to {} could be made: the handshake failed. "
                                             "Does the controller speak https there?",
                                             url_)};
    default:
      return {
          Reason::ConnectionFailed,
          fmt::format("Cannot reach a controller at {}: {}. Start one with `rookery run --manifests DIR`, "
                      "or name where it listens with --server or ROOKERY_SERVER.",
                      url_, describe(kind))};
  }
}

Result<json> ApiClient::parse(const std::string& body) const {
  json parsed = answerOf(body);
  if (!parsed.is_discarded()) return parsed;
  return fail(Reason::ProtocolError,
              fmt::format("What answers at {} is no rookery controller: its answer is not JSON, or "
                          "nested deeper than any object.",
                          url_));
}

Result<json> ApiClient::get(const std::string& path) const {
  std::size_t left = longestAnswer;
  auto answer = getUnlessGone(path, left);
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return fail(Reason::Refused, "Error from server (Expired): It is not kept any more.");
  return **std::move(answer);
}

Result<std::optional<json>> ApiClient::getUnlessGone(const std::string& path, std::size_t& left) const {
  return getUnless(410, path, left);
}

Result<std::optional<json>> ApiClient::getIfPresent(const std::string& path) const {
  std::size_t left = longestAnswer;
  return getUnless(404, path, left);
}

/// The answer to a request, as far as it has no more than `longest` bytes.
Result<ApiClient::Answer> ApiClient::exchange(httplib::ClientImpl& client, httplib::Request request,
                                              std::size_t longest) const {
  Answer answer;
  std::size_t most = longestRefusal;
  bool tooLong = false, tooSlow = false;
  Crawl crawl(crawlGrace_);
  request.response_handler = [&](const httplib::Response& response) {
    crawl = Crawl(crawlGrace_);  // only now: the request, or what is done for it, may take its time
    answer.status = response.status;
    if (answer.status >= 200 && answer.status <= 299) most = longest;
    return true;
  };
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    tooLong = size > most - answer.body.size();
    if (!tooLong) answer.body.append(data, size);
    tooSlow = crawl.isOne(answer.body.size());
    return !tooLong && !tooSlow;
  };
  const httplib::Result result = client.send(request);
  if (tooLong) {
    return fail(Reason::ProtocolError,
                fmt::format("The answer of the server at {} to {} {} has more bytes than are taken of it "
                            "({}): is that a rookery controller? Of a long list, name a namespace (-n) or a "
                            "selector (-l).",
                            url_, request.method, request.path, most));
  }
  if (tooSlow) {
    return fail(Reason::ConnectionFailed,
                fmt::format("The server at {} answers {} {} too slowly to wait for the end.", url_,
                            request.method, request.path));
  }
  if (!result) return std::unexpected(unreachable(client, static_cast<int>(result.error())));
  return answer;
}

/// Nothing for the status `absent`.
Result<std::optional<json>> ApiClient::getUnless(int absent, const std::string& path,
                                                 std::size_t& left) const {
  httplib::Request request;
  request.method = "GET";
  request.path = path;
  const auto client = connect(readTimeout);
  const auto answer = exchange(*client, std::move(request), std::min(left, longestAnswer));
  if (!answer) return std::unexpected(answer.error());
  if (answer->status == absent) return std::nullopt;
  if (answer->status != 200) return std::unexpected(refusal(answer->status, answer->body));
  left -= answer->body.size();
  return parse(answer->body);
}

Result<ApiClient::Changed> ApiClient::change(httplib::Request request) const {
  const auto client = connect(readTimeout);
  const auto answer = exchange(*client, std::move(request), longestAnswer);
  if (!answer) return std::unexpected(answer.error());
  if (answer->status >= 200 && answer->status <= 299) return Changed{};
  const Error refused = refusal(answer->status, answer->body);
  if (answer->status == 403 || answer->status == 405) return Changed{Changed::End::Refused, refused.message};
  if (answer->status == 409) return Changed{Changed::End::Conflict, refused.message};
  return std::unexpected(refused);
}

Result<ApiClient::Changed> ApiClient::patch(const std::string& path, const json& change) const {
  httplib::Request request;
  request.method = "PATCH";
  request.path = path;
  request.set_header("Content-Type", "application/merge-patch+json");
  request.body = yaml::dump(change);
  return this->change(std::move(request));
}

Result<ApiClient::Changed> ApiClient::patchInSpiteOfOthers(const std::string& path,
                                                           const json& change) const {
  constexpr int mostAttempts = 5;
  Result<Changed> answer = patch(path, change);
  for (int attempt = 1; attempt < mostAttempts && answer && answer->end == Changed::End::Conflict; ++attempt)
    answer = patch(path, change);
  return answer;
}

Result<ApiClient::Changed> ApiClient::remove(const std::string& path) const {
  httplib::Request request;
  request.method = "DELETE";
  request.path = path;
  return change(std::move(request));
}

/// GET of an answer that goes on: the bytes of a good one are handed to `take`, of another the body is kept.
Result<ApiClient::Flow> ApiClient::flow(httplib::ClientImpl& client, const std::string& path,
                                        const std::function<bool(std::string_view)>& take) const {
  Flow flow;
  const httplib::Result result = client.Get(
      path,
      [&](const httplib::Response& response) {
        flow.answer.status = response.status;
        return true;
      },
      [&](const char* data, std::size_t size) {
        if (flow.answer.status == 200) return !(flow.stopped = !take({data, size}));
        flow.answer.body.append(data, size);
        return flow.answer.body.size() <= longestRefusal;
      });
  if (flow.answer.status == 0) return std::unexpected(unreachable(client, static_cast<int>(result.error())));
  flow.whole = static_cast<bool>(result);
  return flow;
}

Result<ApiClient::WatchEnd> ApiClient::watch(const std::string& path,
                                             const std::function<bool(const json&)>& take) const {
  const auto client = connect(watchReadTimeout);
  Events events(take);
  const auto ended = flow(*client, path, [&](std::string_view bytes) { return events.feed(bytes); });
  if (!ended) return std::unexpected(ended.error());
  const auto& [status, body] = ended->answer;
  if (status == 410) return WatchEnd::Gone;
  if (status != 200) return std::unexpected(refusal(status, body));
  return events.end(url_);
}

Result<void> ApiClient::read(const std::string& path,
                             const std::function<bool(std::string_view)>& take) const {
  const auto client = connect(silentReadTimeout);
  client->set_socket_options(&probePeer);
  const auto ended = flow(*client, path, take);
  if (!ended) return std::unexpected(ended.error());
  if (ended->answer.status != 200) return std::unexpected(refusal(ended->answer.status, ended->answer.body));
  if (ended->whole || ended->stopped) return {};
  return fail(Reason::ConnectionFailed,
              fmt::format("The controller at {} broke off its answer: this is not the end.", url_));
}

Result<json> ApiClient::post(const std::string& path, BodySource& body, std::chrono::seconds patience) const {
  return send("POST", path, body, patience);
}

Result<json> ApiClient::put(const std::string& path, BodySource& body, std::chrono::seconds patience) const {
  return send("PUT", path, body, patience);
}

Result<json> ApiClient::send(const std::string& method, const std::string& path, BodySource& body,
                             std::chrono::seconds patience) const {
  const auto client = connect(readTimeout + patience);
  std::optional<Error> broken;
  std::uint64_t sent = 0;
  bool cut = false;
  httplib::Request request = uploadOf(method, path, body.contentType(), body.size());
  request.content_provider_ = [&](std::size_t offset, std::size_t /*length*/, httplib::DataSink& sink) {
    sent = offset;
    const auto piece = body.read(offset);
    if (!piece) {
      broken = piece.error();
      return false;
    }
    cut = !sink.write(piece->data(), piece->size());
    return true;
  };
  const auto answer = exchange(*client, std::move(request), longestAnswer);
  if (broken) return std::unexpected(*broken);
  if (!answer && cut) return std::unexpected(explainCut(method, path, body, sent));
  if (!answer) return std::unexpected(answer.error());
  if (answer->status < 200 || answer->status > 299) {
    return std::unexpected(refusal(answer->status, answer->body));
  }
  return parse(answer->body);
}

/// The client library does not read an answer that comes while the body is still being sent.
Error ApiClient::explainCut(const std::string& method, const std::string& path, BodySource& body,
                            std::uint64_t sent) const {
  const auto client = connect(readTimeout);
  const std::uint64_t size = body.headSize();
  httplib::Request request = uploadOf(method, path, body.contentType(), size);
  request.content_provider_ = [&](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
    const auto piece = body.read(offset);
    if (!piece) return false;
    sink.write(piece->data(), std::min(length, piece->size()));
    return true;
  };
  const auto answer = exchange(*client, std::move(request), longestAnswer);
  // 400 is what a body that ends in the middle gets from any server.
  if (answer && answer->status > 400 && answer->status < 500) return refusal(answer->status, answer->body);
  return {Reason::ConnectionFailed,
          fmt::format("The controller at {} ended the connection after {} of {} bytes and did not say why: "
                      "perhaps that is more than it takes. Its log may say.",
                      url_, sent, body.size())};
}

}  // namespace rookery::cli
