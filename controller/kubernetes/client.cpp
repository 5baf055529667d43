#include "kubernetes/client.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <utility>
#include <variant>

#include "albatross/client/resolve.h"
#include "kubernetes/coroutine.h"
#include "kubernetes/credentials.h"
#include "kubernetes/missing_rule.h"
#include "kubernetes/object_meta.h"
#include "sentence.h"
#include "yaml/writer.h"

namespace rookery::kubernetes {

namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using nlohmann::json;

namespace {

using Deadline = std::chrono::steady_clock::time_point;

constexpr auto quiet = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t maxIdle = 16;
constexpr std::size_t maxAnswerBytes = std::size_t{256} << 20;  // a list is asked for in pages
constexpr std::size_t maxEventBytes = std::size_t{16} << 20;
/// A watch of a quiet resource says nothing for long; the server ends it in time, and TCP notices when it is
/// gone.
constexpr std::chrono::minutes watchTimeout{15};

using TlsStream = beast::ssl_stream<beast::tcp_stream>;

/// One connection, plain or TLS.
struct Connection {
  explicit Connection(const asio::any_io_executor& executor) : plain(std::in_place, executor) {}
  Connection(const asio::any_io_executor& executor, const std::shared_ptr<asio::ssl::context>& with)
      : context(with), tls(std::in_place, executor, *with) {}

  beast::tcp_stream& lowest() { return tls ? beast::get_lowest_layer(*tls) : *plain; }

  std::shared_ptr<asio::ssl::context> context;  // outlives the stream
  std::optional<beast::tcp_stream> plain;
  std::optional<TlsStream> tls;
  beast::flat_buffer buffer;
  bool used = false;  // it has answered before
};
using ConnectionPtr = std::unique_ptr<Connection>;

/// A connection whose peer has vanished is found out within about a minute.
void keepAlive(tcp::socket& socket) {
  error_code onlySlower;
  socket.set_option(tcp::no_delay(true), onlySlower);
  socket.set_option(asio::socket_base::keep_alive(true), onlySlower);
  const auto set = [&](int option, int value) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, 30);
  set(TCP_KEEPINTVL, 10);
  set(TCP_KEEPCNT, 3);
}

/// The server's certificate must be for `name`. False: nothing can be.
bool expectName(SSL* ssl, std::string name) {
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
  error_code isName;
  asio::ip::make_address(name, isName);
  if (!isName) return X509_VERIFY_PARAM_set1_ip_asc(verify, name.c_str()) == 1;
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1 &&
         X509_VERIFY_PARAM_set1_host(verify, name.data(), name.size()) == 1;
}

Failure noAnswer(const Config& config, const std::string& why) {
  return {0, "", sentence(fmt::format("The API server {} cannot be asked: {}", config.url(), why)), {}};
}

Failure wasCancelled(const Config& config) { return noAnswer(config, "the request was cancelled"); }

/// The addresses of the API server. A name server that does not answer costs no more than the deadline.
asio::awaitable<Answer<std::vector<tcp::endpoint>>> resolve(const Config& config, Deadline deadline) {
  using asio::experimental::awaitable_operators::operator||;
  albatross::Endpoint endpoint{.host = config.host, .port = 0};
  const char* end = config.port.data() + config.port.size();
  const auto [rest, error] = std::from_chars(config.port.data(), end, endpoint.port);
  if (error != std::errc{} || rest != end)
    co_return std::unexpected(noAnswer(config, fmt::format("\"{}\" is no port", config.port)));
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, deadline);
  auto lookUp = albatross::resolve(endpoint);
  auto first = co_await (std::move(lookUp) || timer.async_wait(quiet));
  if (first.index() == 1)
    co_return std::unexpected(noAnswer(
        config, fmt::format("looking up {} took too long; see whether DNS works here", config.host)));
  auto& found = std::get<0>(first);
  if (!found) {
    const std::string why =
        sentences({fmt::format("The API server {} cannot be asked.", config.url()), found.error().message});
    co_return std::unexpected(Failure{0, "", why, {}});
  }
  co_return *std::move(found);
}

/// What we say who we are by.
std::string credentialOf(const Config& config) {
  const auto named = [](const char* what, const Config::Material& material) {
    return material.file.empty() ? fmt::format("the {} of the kubeconfig file", what)
                                 : fmt::format("the {} in {}", what, material.file.string());
  };
  if (config.token.given()) return named("token", config.token);
  if (config.certificate.given()) return named("client certificate", config.certificate);
  return "a request without credentials";
}

/// Text of the server's, or of a webhook's behind it, for one line of a log.
std::string bounded(std::string text) {
  constexpr std::size_t longest = 1'024;
  if (text.size() > longest) {
    text.resize(longest - 3);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    text += "…";
  }
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

bool hasCause(const json& status, std::string_view reason) {
  const json& causes = memberOf(memberOf(status, "details"), "causes");
  return causes.is_array() &&
         std::ranges::any_of(causes, [&](const json& cause) { return textAt(cause, "reason") == reason; });
}

Failure failureOf(const Config& config, int code, const std::string& body, std::string_view retryAfter) {
  Failure failure{.code = code,
                  .reason = "",
                  .message = fmt::format("the API server answered {}", code),
                  .retryAfter = {},
                  .terminating = false};
  const json status = json::parse(body, nullptr, false);
  failure.reason = bounded(textAt(status, "reason"));
  failure.terminating = hasCause(status, "NamespaceTerminating");
  if (std::string message = textAt(status, "message"); !message.empty()) failure.message = std::move(message);
  failure.message = sentence(bounded(std::move(failure.message)));
  if (const auto missing = failure.forbidden() ? missingRule(failure.message) : std::nullopt)
    failure.message = sentences({failure.message, howToGrant(*missing)});
  if (code == 401) {
    failure.message = fmt::format("The API server {} does not accept {} (401: {}) Renew it.", config.url(),
                                  credentialOf(config), failure.message);
  }
  std::int64_t seconds = 0;
  std::from_chars(retryAfter.data(), retryAfter.data() + retryAfter.size(), seconds);
  failure.retryAfter = std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 300));
  return failure;
}

using Request = http::request<http::string_body>;

template <class Stream>
asio::awaitable<error_code> write(Stream& stream, const Request& request) {
  const auto [error, written] = co_await http::async_write(stream, request, quiet);
  co_return error;
}

asio::awaitable<error_code> write(Connection& connection, const Request& request) {
  if (connection.tls) co_return co_await write(*connection.tls, request);
  co_return co_await write(*connection.plain, request);
}

/// Reads the head of an answer. Of a body in chunks, which has five bytes at least, it receives as many, too:
/// the parser asserts that it is given those.
template <class Stream, class Parser>
asio::awaitable<error_code> readHead(Stream& stream, beast::flat_buffer& buffer, Parser& answer) {
  auto [error, size] = co_await http::async_read_header(stream, buffer, answer, quiet);
  while (!error && answer.chunked() && buffer.size() < 5) {
    if (co_await cancelled()) co_return asio::error::operation_aborted;
    const auto [ended, received] = co_await stream.async_read_some(buffer.prepare(1024), quiet);
    buffer.commit(received);
    error = ended;
  }
  co_return error;
}

using WholeAnswer = http::response_parser<http::string_body>;

template <class Stream>
asio::awaitable<error_code> read(Stream& stream, beast::flat_buffer& buffer, WholeAnswer& answer) {
  if (const error_code error = co_await readHead(stream, buffer, answer)) co_return error;
  if (answer.is_done()) co_return error_code();
  if (co_await cancelled()) co_return asio::error::operation_aborted;
  const auto [error, size] = co_await http::async_read(stream, buffer, answer, quiet);
  co_return error;
}

asio::awaitable<error_code> read(Connection& connection, WholeAnswer& answer) {
  if (connection.tls) co_return co_await read(*connection.tls, connection.buffer, answer);
  co_return co_await read(*connection.plain, connection.buffer, answer);
}

}  // namespace

struct Client::State {
  State(Config given, Options chosen)
      : config(std::move(given)), options(std::move(chosen)), credentials(config, options.warn) {}

  Deadline deadline() const { return std::chrono::steady_clock::now() + options.timeout; }
  asio::awaitable<Answer<ConnectionPtr>> connect(Deadline deadline);
  Result<Request> request(http::verb verb, const std::string& target, const json* body,
                          const char* contentType);
  asio::awaitable<Answer<json>> send(http::verb verb, std::string target, json body, const char* contentType);
  asio::awaitable<std::expected<http::response<http::string_body>, error_code>> exchange(
      Connection& connection, const Request& request, Deadline deadline);
  ConnectionPtr takeIdle(const asio::any_io_executor& executor);
  void giveBack(ConnectionPtr connection);

  const Config config;
  const Options options;
  Credentials credentials;
  std::mutex mutex;
  std::vector<ConnectionPtr> idle;
  bool closed = false;
};

asio::awaitable<Answer<ConnectionPtr>> Client::State::connect(Deadline deadline) {
  const auto executor = co_await asio::this_coro::executor;
  ConnectionPtr connection;
  if (config.tls) {
    auto made = credentials.tlsContext();
    if (!made) co_return std::unexpected(Failure{0, "", made.error().message, {}});
    connection = std::make_unique<Connection>(executor, *made);
    const std::string& name = config.serverName.empty() ? config.host : config.serverName;
    if (!expectName(connection->tls->native_handle(), name))
      co_return std::unexpected(noAnswer(config, fmt::format("\"{}\" is no name of a server", name)));
  } else {
    connection = std::make_unique<Connection>(executor);
  }
  if (co_await cancelled()) co_return std::unexpected(wasCancelled(config));
  const auto addresses = co_await resolve(config, deadline);
  if (!addresses) co_return std::unexpected(addresses.error());
  beast::tcp_stream& lowest = connection->lowest();
  lowest.expires_at(deadline);
  if (co_await cancelled()) co_return std::unexpected(wasCancelled(config));
  auto [connectError, address] = co_await lowest.async_connect(*addresses, quiet);
  // As Asio calls it, too, where it could open no socket: for want of descriptors, say.
  boost::system::error_code opening;
  if (connectError == asio::error::operation_aborted)
    lowest.socket().open(addresses->begin()->protocol(), opening);
  if (opening) connectError = opening;
  if (connectError) co_return std::unexpected(noAnswer(config, connectError.message()));
  keepAlive(lowest.socket());
  if (connection->tls) {
    if (co_await cancelled()) co_return std::unexpected(wasCancelled(config));
    const auto [tlsError] = co_await connection->tls->async_handshake(asio::ssl::stream_base::client, quiet);
    if (tlsError) {
      const long verified = SSL_get_verify_result(connection->tls->native_handle());
      co_return std::unexpected(noAnswer(
          config, verified == X509_V_OK ? tlsError.message() : X509_verify_cert_error_string(verified)));
    }
  }
  co_return connection;
}

Result<Request> Client::State::request(http::verb verb, const std::string& target, const json* body,
                                       const char* contentType) {
  Request request(verb, config.path + target, 11);
  const bool literal = config.host.find(':') != std::string::npos;
  request.set(http::field::host,
              literal ? fmt::format("[{}]:{}", config.host, config.port) : config.host + ":" + config.port);
  request.set(http::field::user_agent, options.userAgent);
  request.set(http::field::accept, "application/json");
  if (config.token.given() && config.tls) {
    auto token = credentials.token();
    if (!token) return std::unexpected(token.error());
    request.set(http::field::authorization, "Bearer " + *token);
  }
  if (body != nullptr && !body->is_null()) {
    request.set(http::field::content_type, contentType);
    request.body() = yaml::dump(*body);
  }
  request.prepare_payload();
  return request;
}

ConnectionPtr Client::State::takeIdle(const asio::any_io_executor& executor) {
  const std::lock_guard lock(mutex);
  // A stream stays on the strand that it was made on.
  const auto found = std::ranges::find_if(
      idle, [&](const ConnectionPtr& each) { return each->lowest().get_executor() == executor; });
  if (found == idle.end()) return nullptr;
  ConnectionPtr taken = std::move(*found);
  idle.erase(found);
  return taken;
}

void Client::State::giveBack(ConnectionPtr connection) {
  connection->used = true;
  connection->lowest().expires_never();
  const std::lock_guard lock(mutex);
  if (closed) return;
  if (idle.size() >= maxIdle) idle.erase(idle.begin());
  idle.push_back(std::move(connection));
}

asio::awaitable<std::expected<http::response<http::string_body>, error_code>> Client::State::exchange(
    Connection& connection, const Request& request, Deadline deadline) {
  const error_code aborted = asio::error::operation_aborted;
  connection.lowest().expires_at(deadline);
  if (co_await cancelled()) co_return std::unexpected(aborted);
  if (const error_code error = co_await write(connection, request)) co_return std::unexpected(error);
  if (co_await cancelled()) co_return std::unexpected(aborted);
  WholeAnswer answer;
  answer.body_limit(maxAnswerBytes);
  if (const error_code error = co_await read(connection, answer)) co_return std::unexpected(error);
  co_return answer.release();
}

asio::awaitable<Answer<json>> Client::State::send(http::verb verb, std::string target, json body,
                                                  const char* contentType) {
  const auto executor = co_await asio::this_coro::executor;
  const Deadline latest = deadline();
  for (;;) {
    ConnectionPtr connection = takeIdle(executor);
    if (connection == nullptr) {
      auto opened = co_await connect(latest);
      if (!opened) co_return std::unexpected(opened.error());
      connection = *std::move(opened);
    }
    auto made = request(verb, target, &body, contentType);
    if (!made) co_return std::unexpected(Failure{0, "", made.error().message, {}});
    auto answer = co_await exchange(*connection, *made, latest);
    if (!answer) {
      const bool over = co_await cancelled();
      // The server may have closed a connection that was kept just when we used it again.
      if (connection->used && !over && answer.error() != beast::error::timeout) continue;
      co_return std::unexpected(noAnswer(config, answer.error().message()));
    }
    const int code = static_cast<int>(answer->result_int());
    const std::string retryAfter(answer->base()[http::field::retry_after]);
    if (answer->keep_alive()) giveBack(std::move(connection));
    if (code < 200 || code > 299)
      co_return std::unexpected(failureOf(config, code, answer->body(), retryAfter));
    json object = json::parse(answer->body(), nullptr, false);
    if (object.is_discarded()) co_return std::unexpected(noAnswer(config, "what it answered is not JSON"));
    co_return object;
  }
}

Client::Client(Config config, Options options)
    : state_(std::make_shared<State>(std::move(config), std::move(options))) {}

Client::~Client() = default;

void Client::close() {
  const std::lock_guard lock(state_->mutex);
  state_->closed = true;
  state_->idle.clear();
}

asio::awaitable<Answer<json>> Client::get(std::string target) {
  return state_->send(http::verb::get, std::move(target), nullptr, "");
}

asio::awaitable<Answer<json>> Client::create(std::string target, json object) {
  return state_->send(http::verb::post, std::move(target), std::move(object), "application/json");
}

asio::awaitable<Answer<json>> Client::replace(std::string target, json object) {
  return state_->send(http::verb::put, std::move(target), std::move(object), "application/json");
}

asio::awaitable<Answer<json>> Client::patch(std::string target, json change) {
  return state_->send(http::verb::patch, std::move(target), std::move(change),
                      "application/merge-patch+json");
}

asio::awaitable<Answer<json>> Client::remove(std::string target, json preconditions) {
  return state_->send(http::verb::delete_, std::move(target), std::move(preconditions), "application/json");
}

namespace {

/// The lines of a watch, as they come in pieces.
class Lines {
 public:
  explicit Lines(const Client::OnEvent& event) : event_(event) {}

  enum class State { More, Ended, TooLong, NotJson };
  State add(std::string_view piece) {
    for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
      pending_ += piece.substr(0, end);
      piece.remove_prefix(end + 1);
      const json line = json::parse(std::exchange(pending_, {}), nullptr, false);
      if (!line.is_object()) return State::NotJson;
      if (!event_(line)) return State::Ended;
    }
    pending_ += piece;
    return pending_.size() > maxEventBytes ? State::TooLong : State::More;
  }

 private:
  const Client::OnEvent& event_;
  std::string pending_;
};

/// Reads the head of an answer, and then its body piece by piece.
template <class Stream>
asio::awaitable<Answer<void>> follow(Stream& stream, Connection& connection, const Config& config,
                                     const Client::OnEvent& event) {
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  if (co_await cancelled()) co_return std::unexpected(noAnswer(config, "the watch was cancelled"));
  const error_code headError = co_await readHead(stream, connection.buffer, parser);
  if (headError) co_return std::unexpected(noAnswer(config, headError.message()));
  const int code = static_cast<int>(parser.get().result_int());
  const std::string retryAfter(parser.get().base()[http::field::retry_after]);
  std::string refusal;
  Lines lines(event);
  std::vector<char> piece(std::size_t{64} << 10);
  while (!parser.is_done()) {
    if (co_await cancelled()) co_return std::unexpected(noAnswer(config, "the watch was cancelled"));
    connection.lowest().expires_after(watchTimeout);
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    auto [error, received] = co_await http::async_read_some(stream, connection.buffer, parser, quiet);
    if (error == http::error::need_buffer) error = {};
    if (error) co_return std::unexpected(noAnswer(config, error.message()));
    const std::string_view bytes(piece.data(), piece.size() - parser.get().body().size);
    if (code != 200) {
      refusal += bytes;
      if (refusal.size() > maxEventBytes) break;
      continue;
    }
    switch (lines.add(bytes)) {
      case Lines::State::More:
        break;
      case Lines::State::Ended:
        co_return Answer<void>{};
      case Lines::State::TooLong:
        co_return std::unexpected(noAnswer(config, "an event of a watch is too large"));
      case Lines::State::NotJson:
        co_return std::unexpected(noAnswer(config, "an event of a watch is not JSON"));
    }
  }
  if (code != 200) co_return std::unexpected(failureOf(config, code, refusal, retryAfter));
  co_return Answer<void>{};
}

}  // namespace

asio::awaitable<Answer<void>> Client::watch(std::string target, OnEvent event) {
  const std::shared_ptr<State> state = state_;
  const Deadline latest = state->deadline();
  auto opened = co_await state->connect(latest);
  if (!opened) co_return std::unexpected(opened.error());
  Connection& connection = **opened;
  const auto request = state->request(http::verb::get, target, nullptr, "");
  if (!request) co_return std::unexpected(Failure{0, "", request.error().message, {}});
  if (co_await cancelled()) co_return std::unexpected(wasCancelled(state->config));
  if (const error_code error = co_await write(connection, *request))
    co_return std::unexpected(noAnswer(state->config, error.message()));
  connection.lowest().expires_after(watchTimeout);
  if (connection.tls) co_return co_await follow(*connection.tls, connection, state->config, event);
  co_return co_await follow(*connection.plain, connection, state->config, event);
}

std::string pathOf(std::string_view group, std::string_view plural, std::string_view nameSpace,
                   std::string_view name, std::string_view suffix) {
  std::string path = fmt::format("/{}/{}", group == "v1" ? "api" : "apis", group);
  if (!nameSpace.empty()) path += fmt::format("/namespaces/{}", nameSpace);
  path += fmt::format("/{}", plural);
  if (!name.empty()) path += fmt::format("/{}{}", name, suffix);
  return path;
}

}  // namespace rookery::kubernetes
