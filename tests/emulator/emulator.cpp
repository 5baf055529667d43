#include "emulator/emulator.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <memory>
#include <variant>

#include "emulator/frames.h"
#include "emulator/peer.h"

namespace rookery::emulator {

using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds lingering(2);  // for a client to take the end of the connection
constexpr std::chrono::milliseconds pauseWithoutFiles(50);
constexpr std::size_t largestCertificateList =
    32U << 20U;  // bytes: a certificate may carry an image of up to 16 MiB

Result<asio::ssl::context> makeTls(const ServerPki& pki) {
  asio::ssl::context tls(asio::ssl::context::tlsv13_server);
  error_code error;
  tls.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  const auto step = [&](auto&& action) {
    if (!error) action();
  };
  step([&] { tls.add_certificate_authority(asio::buffer(pki.ca), error); });
  step([&] { tls.use_certificate_chain(asio::buffer(pki.server.certificate), error); });
  step([&] { tls.use_private_key(asio::buffer(pki.server.privateKey), asio::ssl::context::pem, error); });
  SSL_CTX* handle = tls.native_handle();
  if (error || ::SSL_CTX_check_private_key(handle) != 1) {
    return fail(Reason::CredentialInvalid,
                fmt::format("The server's certificates cannot be used: {}.",
                            error ? error.message() : "server.key is not the key of server.pem"));
  }
  ::X509_VERIFY_PARAM_set_flags(::SSL_CTX_get0_param(handle), X509_V_FLAG_PARTIAL_CHAIN);
  ::SSL_CTX_set_max_cert_list(handle, largestCertificateList);
  ::SSL_CTX_set_num_tickets(handle, 0);  // a certificate is a command: a session has no use for a second one
  ::SSL_CTX_set_session_cache_mode(handle, SSL_SESS_CACHE_OFF);
  return tls;
}

Result<tcp::acceptor> listen(asio::io_context& context, const tcp::endpoint& endpoint) {
  tcp::acceptor acceptor(context);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return acceptor;
  return fail(Reason::SystemError,
              fmt::format("The emulator cannot listen on {}:{}: {}.", endpoint.address().to_string(),
                          endpoint.port(), error.message()));
}

/// The image in a command; null when it is of another kind.
std::string* imageIn(Request& request) {
  auto* unikernel = std::get_if<albatross::UnikernelCommand>(&request.command);
  if (unikernel == nullptr) return nullptr;
  if (auto* create = std::get_if<albatross::unikernel::Create>(unikernel)) return &create->config.image;
  auto* create = std::get_if<albatross::unikernel::ForceCreate>(unikernel);
  return create == nullptr ? nullptr : &create->config.image;
}

/// Where the image or the content goes that a command leaves to be streamed; null when there is none.
std::string* streamed(Request& request) {
  const auto* block = std::get_if<albatross::BlockCommand>(&request.command);
  if (block != nullptr && std::holds_alternative<albatross::block::Set>(*block)) return &request.content;
  std::string* image = imageIn(request);
  return image == nullptr || !image->empty() ? nullptr : image;
}

std::string toFrame(const albatross::Name& name, albatross::Payload payload) {
  const std::string message = albatross::encode({{0, name}, std::move(payload)});
  return albatross::frameHeader(message.size()) + message;
}

/// A message of which nobody knows what it says: its data is of an alternative [9].
std::string unknownFrame() {
  using namespace std::string_literals;
  const std::string message =
      "\x30\x16"s  // Wire
      "\x30\x10\x02\x01\x05\x04\x08"s +
      std::string(8, '\0') +
      "\x0c\x01:"s          // its header
      "\xa3\x02\xa9\x00"s;  // data [3], [9]
  return albatross::frameHeader(message.size()) + message;
}

bool isAnsweredWithStream(const albatross::Command& command) {
  const auto* console = std::get_if<albatross::ConsoleCommand>(&command);
  if (console != nullptr) return std::holds_alternative<albatross::console::Subscribe>(*console);
  const auto* block = std::get_if<albatross::BlockCommand>(&command);
  if (block != nullptr) return std::holds_alternative<albatross::block::Dump>(*block);
  const auto* stats = std::get_if<albatross::StatsCommand>(&command);
  return stats != nullptr && std::holds_alternative<albatross::stats::Subscribe>(*stats);
}

Outcome outcomeOf(const Answer& answer) {
  if (!answer) return Outcome::Closed;
  return std::holds_alternative<albatross::Success>(*answer) ? Outcome::Ok : Outcome::Failed;
}

}  // namespace

/// One client and its one command.
struct Emulator::Connection {
  using Tls = asio::ssl::stream<tcp::socket>;
  using Local = asio::local::stream_protocol::socket;

  Connection(tcp::socket socket, asio::ssl::context& context)
      : stream(std::in_place_type<Tls>, std::move(socket), context), timer(tls().get_executor()) {}
  explicit Connection(Local socket)
      : stream(std::move(socket)), timer(std::get<Local>(stream).get_executor()) {}

  Tls& tls() { return std::get<Tls>(stream); }
  bool isLocal() const { return std::holds_alternative<Local>(stream); }

  void breakOff() {
    error_code ignored;
    if (isLocal()) {
      std::get<Local>(stream).close(ignored);
    } else {
      tls().next_layer().close(ignored);
    }
  }

  asio::awaitable<std::size_t> readSome(asio::mutable_buffer buffer, error_code& error) {
    if (isLocal()) {
      co_return co_await std::get<Local>(stream).async_read_some(
          buffer, asio::redirect_error(asio::use_awaitable, error));
    }
    co_return co_await tls().async_read_some(buffer, asio::redirect_error(asio::use_awaitable, error));
  }
  asio::awaitable<void> write(asio::const_buffer bytes, error_code& error) {
    if (isLocal()) {
      co_await asio::async_write(std::get<Local>(stream), bytes,
                                 asio::redirect_error(asio::use_awaitable, error));
    } else {
      co_await asio::async_write(tls(), bytes, asio::redirect_error(asio::use_awaitable, error));
    }
  }

  std::variant<Tls, Local> stream;
  asio::steady_timer timer;
  Request request;        // until the server has it
  albatross::Name name;   // its name
  bool mutation = false;  // whether it changes something
  Journal::Entry entry{"none", "", 0, Outcome::Closed, ""};
  std::optional<Answer> answer;  // once the server has one

  std::optional<albatross::Command> subscription;  // what it asked for, where that is a stream
  std::deque<Consoles::Line> lines;                // that have not been sent yet
  bool displaced = false;                          // a newer reader has taken its place
  std::uint64_t messages = 0;                      // of a stream, that were sent
};

Result<std::unique_ptr<Emulator>> Emulator::start(asio::io_context& context, Options options) {
  auto tls = makeTls(options.pki);
  if (!tls) return std::unexpected(tls.error());
  std::optional<StateDir> stateDir;
  State state;
  if (options.stateDir) {
    auto opened = StateDir::open(*options.stateDir);
    if (!opened) return std::unexpected(opened.error());
    auto loaded = opened->load();
    if (!loaded) return std::unexpected(loaded.error());
    stateDir = *std::move(opened);
    state = *std::move(loaded);
  }
  auto acceptor = listen(context, options.listen);
  if (!acceptor) return std::unexpected(acceptor.error());
  std::unique_ptr<Emulator> emulator(
      new Emulator(context, *std::move(acceptor), *std::move(tls), std::move(stateDir), std::move(options)));
  emulator->server_.restore(state, emulator->options_.now());
  emulator->scheduleTick();
  if (const auto& folder = emulator->options_.listenLocally) {
    if (auto listening = emulator->listenLocally(*folder); !listening)
      return std::unexpected(listening.error());
  }
  asio::co_spawn(context, emulator->accept(), asio::detached);
  return emulator;
}

Emulator::Emulator(asio::io_context& context, tcp::acceptor acceptor, asio::ssl::context tls,
                   std::optional<StateDir> stateDir, Options options)
    : context_(context),
      acceptor_(std::move(acceptor)),
      tls_(std::move(tls)),
      stateDir_(std::move(stateDir)),
      options_(std::move(options)),
      journal_([this](const Journal::Entry& entry) { options_.log(entry.logfmt()); }),
      server_(options_.machine, hooks()),
      tick_(context) {
  server_.faults() = options_.faults;
}

ServerHooks Emulator::hooks() {
  ServerHooks hooks;
  hooks.policyAdded = [this](const albatross::Name& domain) {
    journal_.add({"policy-add", domain.toString(), 0, Outcome::Ok, "added policy"});
  };
  if (stateDir_) {
    hooks.dump = [this](const Resources& resources) { saved(stateDir_->save(resources)); };
    hooks.blocksChanged = [this](const Resources& resources) { saved(stateDir_->saveBlocks(resources)); };
  }
  return hooks;
}

void Emulator::saved(const Result<void>& result) {
  if (!result) options_.log(fmt::format("error=\"{}\"", result.error().message));
}

void Emulator::passTime() {
  server_.tick(options_.now());
  scheduleTick();
}

void Emulator::scheduleTick() {
  const auto next = server_.nextEvent();
  if (!next) {
    tick_.cancel();
    return;
  }
  tick_.expires_after(std::max(*next - options_.now(), milliseconds(0)));
  tick_.async_wait([this](const error_code& error) {
    if (!error) passTime();
  });
}

asio::awaitable<void> Emulator::accept() {
  while (true) {
    error_code error;
    tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      socket.set_option(tcp::no_delay(true), error);
      auto connection = std::make_shared<Connection>(std::move(socket), tls_);
      asio::co_spawn(context_, serve(std::move(connection)), asio::detached);
      continue;
    }
    asio::steady_timer pause(context_,
                             pauseWithoutFiles);  // no file descriptor left, or the client gone already
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

// -- Local sockets
// -------------------------------------------------------------------------------------------------------

Result<void> Emulator::listenLocally(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  for (const char* name : {"vmmd.sock", "console.sock", "stat.sock"}) {
    const std::filesystem::path path = folder / name;
    std::filesystem::remove(path, ignored);
    auto& acceptor = localAcceptors_.emplace_back(context_);
    error_code error;
    acceptor.open(asio::local::stream_protocol(), error);
    if (!error) acceptor.bind(asio::local::stream_protocol::endpoint(path.string()), error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return fail(Reason::SystemError,
                  fmt::format("The emulator cannot listen on {}: {}.", path.string(), error.message()));
    }
    asio::co_spawn(context_, acceptLocally(acceptor), asio::detached);
  }
  return {};
}

asio::awaitable<void> Emulator::acceptLocally(asio::local::stream_protocol::acceptor& acceptor) {
  for (;;) {
    error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      asio::steady_timer pause(context_, pauseWithoutFiles);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    asio::co_spawn(context_, serveLocally(std::make_shared<Connection>(std::move(socket))), asio::detached);
  }
}

/// A daemon reads on after a policy, and closes after any other command.
asio::awaitable<void> Emulator::serveLocally(std::shared_ptr<Connection> connection) {
  Connection& client = *connection;
  if (server_.faults().hang) {
    co_await drainStream(client);
    co_return;
  }
  for (bool more = true; more;) {
    client.entry = {"none", "", 0, Outcome::Closed, ""};
    client.answer.reset();
    if (!co_await receiveMessage(client)) break;
    const bool isPolicy = std::holds_alternative<albatross::PolicyCommand>(client.request.command);
    Answer answer = co_await carryOut(client);
    const bool success = answer && std::holds_alternative<albatross::Success>(*answer);
    co_await reply(client, std::move(answer));
    if (success && client.subscription) co_await stream(client);
    more = success && isPolicy && client.mutation;
  }
  client.breakOff();
}

/// One command as a message. False: there is none.
asio::awaitable<bool> Emulator::receiveMessage(Connection& client) {
  auto& socket = std::get<Connection::Local>(client.stream);
  const auto quietly = [](error_code& error) { return asio::redirect_error(asio::use_awaitable, error); };
  error_code error;
  std::array<std::uint8_t, 4> header{};
  co_await asio::async_read(socket, asio::buffer(header), quietly(error));
  if (error) co_return false;
  std::size_t length = 0;
  for (const std::uint8_t octet : header) length = length << 8U | octet;
  std::string body;  // grows with what arrives
  auto growing = asio::dynamic_buffer(body, length);
  co_await asio::async_read(socket, growing, asio::transfer_exactly(length), quietly(error));
  if (error && body.size() > header.size()) {
    client.entry.outcome = Outcome::Aborted;
    client.entry.result = "the message broke off";
    journal_.add(client.entry);
  }
  auto wire = error ? fail(Reason::ProtocolError, "It broke off.") : albatross::decodeWire(body);
  auto* command = wire ? std::get_if<albatross::Command>(&wire->payload) : nullptr;
  if (command == nullptr) co_return false;
  client.request = {
      .policies = {}, .name = std::move(wire->header.name), .command = std::move(*command), .local = true};
  if (const std::string* image = imageIn(client.request)) {
    client.entry.bytes = image->size();
    journal_.countImageBytes(image->size());
  }
  co_return true;
}

// -- TLS
// -------------------------------------------------------------------------------------------------------------

asio::awaitable<void> Emulator::serve(std::shared_ptr<Connection> connection) {
  Connection& client = *connection;
  error_code error;
  if (server_.faults().hang) {
    co_await drain(client);
    co_return;
  }
  co_await client.tls().async_handshake(asio::ssl::stream_base::server,
                                        asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    client.entry.outcome = Outcome::Closed;
    client.entry.result = fmt::format("handshake: {}", error.message());
    journal_.add(std::move(client.entry));
    client.tls().next_layer().shutdown(tcp::socket::shutdown_send, error);
    breakOffLater(connection);
    co_await drain(client);
    client.timer.cancel();
    co_return;
  }
  Answer answer = co_await carryOutCertificate(client);
  const bool streams = client.subscription && answer && std::holds_alternative<albatross::Success>(*answer);
  co_await reply(client, std::move(answer));
  if (streams) co_await stream(client);
  breakOffLater(connection);
  co_await client.tls().async_shutdown(asio::redirect_error(asio::use_awaitable, error));
  client.timer.cancel();
}

/// The client's own end of a connection is waited for, but not for ever: what it still sends must not destroy
/// the alert or the reply on its way.
void Emulator::breakOffLater(const std::shared_ptr<Connection>& connection) {
  connection->timer.expires_after(lingering);
  connection->timer.async_wait([connection](const error_code& cancelled) {
    if (!cancelled) connection->breakOff();
  });
}

asio::awaitable<void> Emulator::drain(Connection& client) {
  std::array<char, 4096> ignored{};
  error_code error;
  while (!error) {
    co_await client.tls().next_layer().async_read_some(asio::buffer(ignored),
                                                       asio::redirect_error(asio::use_awaitable, error));
  }
}

/// Whether the stream came to its end.
asio::awaitable<bool> Emulator::receiveStream(Connection& client) {
  const auto* device = server_.resources().blocks().find(client.name);
  FrameCollector frames(device == nullptr ? 0 : sizeInBytes(*device));
  std::array<char, 1U << 16U> buffer{};
  while (true) {
    error_code error;
    const std::size_t length = co_await client.readSome(asio::buffer(buffer), error);
    const bool ended = frames.feed({buffer.data(), length});
    journal_.countImageBytes(frames.content().size() - client.entry.bytes);
    client.entry.bytes = frames.content().size();
    if (const auto limit = server_.faults().cutAfter; limit && client.entry.bytes >= *limit) {
      client.breakOff();
      co_return false;
    }
    if (ended) break;
    if (error) co_return false;
  }
  *streamed(client.request) = frames.takeContent();
  co_return true;
}

asio::awaitable<Answer> Emulator::carryOutCertificate(Connection& client) {
  auto request = requestOf(*client.tls().native_handle());
  if (!request) {
    client.entry.result = request.error().message;
    co_return std::nullopt;
  }
  client.request = *std::move(request);
  co_return co_await carryOut(client);
}

asio::awaitable<Answer> Emulator::carryOut(Connection& client) {
  client.entry.command = kindOf(client.request.command);
  client.entry.name = client.request.name.toString();
  client.name = client.request.name;
  client.mutation = isMutation(client.request.command);
  if (isAnsweredWithStream(client.request.command)) client.subscription = client.request.command;
  if (streamed(client.request) != nullptr) {
    const bool complete = co_await receiveStream(client);
    if (!complete) {
      client.entry.outcome = Outcome::Aborted;
      co_return std::nullopt;
    }
  }

  client.timer.expires_at(asio::steady_timer::time_point::max());
  // The server may keep this for ever: a second command can take this one's place. So does the connection.
  server_.submit(std::move(client.request), options_.now(), [&client](Answer answer) {
    client.answer = std::move(answer);
    client.timer.cancel();
  });
  scheduleTick();
  error_code cancelled;
  if (!client.answer) co_await client.timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  co_return *std::move(client.answer);
}

asio::awaitable<void> Emulator::reply(Connection& client, Answer answer) {
  const Faults& faults = server_.faults();
  const bool drop = faults.dropReply && client.mutation && answer;
  const bool aborted = client.entry.outcome == Outcome::Aborted;
  if (!aborted) client.entry.outcome = drop ? Outcome::Unsent : outcomeOf(answer);
  if (client.entry.result.empty()) client.entry.result = aborted ? "the stream broke off" : summary(answer);
  const bool told = client.isLocal() && client.entry.command == "policy-add";  // where one is set
  if (!told || client.entry.outcome != Outcome::Ok) journal_.add(client.entry);
  if (!answer || drop) co_return;

  error_code error;
  client.timer.expires_after(faults.delay);
  co_await client.timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  const std::string frame =
      toFrame(client.name, std::visit([](const auto& part) { return albatross::Payload(part); }, *answer));
  co_await client.write(asio::buffer(frame), error);
}

// -- Streams
// -------------------------------------------------------------------------------------------------------------

/// Until the client has closed, or another has taken its place.
asio::awaitable<void> Emulator::stream(Connection& client) {
  using asio::experimental::awaitable_operators::operator||;
  if (server_.faults().stallStreams) co_return co_await drainStream(client);
  const auto* console = std::get_if<albatross::ConsoleCommand>(&*client.subscription);
  const auto* block = std::get_if<albatross::BlockCommand>(&*client.subscription);
  if (block != nullptr) {
    const auto level = static_cast<int>(std::get<albatross::block::Dump>(*block).compressionLevel);
    co_await (streamContent(client, level) || drainStream(client));
  } else if (console != nullptr) {
    co_await (streamConsole(client, std::get<albatross::console::Subscribe>(*console)) ||
              drainStream(client));
  } else {
    co_await (streamStatistics(client) || drainStream(client));
  }
}

asio::awaitable<void> Emulator::drainStream(Connection& client) {
  std::array<char, 4096> ignored{};
  error_code error;
  while (!error) {
    co_await client.readSome(asio::buffer(ignored), error);
  }
}

asio::awaitable<void> Emulator::streamConsole(Connection& client, albatross::console::Subscribe wanted) {
  auto subscription =
      server_.consoles().subscribe(client.name, wanted.from, [&client](const Consoles::Line* line) {
        client.displaced = line == nullptr;
        if (line != nullptr) client.lines.push_back(*line);
        client.timer.cancel();
      });
  // Also when the whole context is destroyed, after the emulator.
  const std::shared_ptr<void> leave(nullptr, [&, there = std::weak_ptr(there_)](void*) {
    if (!client.displaced && !there.expired())
      server_.consoles().unsubscribe(client.name, subscription.reader);
  });
  client.lines.assign(subscription.replay.begin(), subscription.replay.end());
  while (!client.displaced) {
    while (!client.lines.empty()) {
      Consoles::Line line = std::move(client.lines.front());
      client.lines.pop_front();
      if (!co_await sendData(client, client.name, std::move(line))) co_return;
    }
    error_code cancelled;
    client.timer.expires_at(asio::steady_timer::time_point::max());
    co_await client.timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

asio::awaitable<void> Emulator::streamStatistics(Connection& client) {
  for (;;) {
    error_code cancelled;
    client.timer.expires_after(options_.statisticsInterval);
    co_await client.timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    passTime();
    for (auto& [name, statistics] : server_.statistics(client.name.path, options_.now())) {
      if (!co_await sendData(client, std::move(name), std::move(statistics))) co_return;
    }
  }
}

/// All of the block device, what was never written included, and its end.
asio::awaitable<void> Emulator::streamContent(Connection& client, int compressionLevel) {
  constexpr std::size_t chunk = 4096;
  const auto* device = server_.resources().blocks().find(client.name);
  if (device == nullptr) co_return;
  const ContentPtr written = server_.resources().content(client.name);
  std::string_view bytes = written == nullptr ? std::string_view() : written->bytes;
  std::size_t size = sizeInBytes(*device);
  std::string compressed;
  if (compressionLevel > 0) {
    std::string whole(bytes);
    whole.resize(size);
    bytes = compressed = compress(whole, compressionLevel);
    size = bytes.size();
  }
  std::string frame;  // all are the same but for the chunk, which they end with
  for (std::size_t at = 0; at < size; at += chunk) {
    const std::size_t length = std::min(chunk, size - at);
    if (at == 0 || length < chunk)
      frame = toFrame(client.name, albatross::Data(albatross::data::Block{std::string(length, '\0')}));
    const std::string_view part = at < bytes.size() ? bytes.substr(at, length) : std::string_view();
    const auto begin = frame.end() - static_cast<std::ptrdiff_t>(length);
    std::fill(std::ranges::copy(part, begin).out, frame.end(), '\0');
    if (!co_await sendFrame(client, frame)) co_return;
  }
  co_await sendData(client, client.name, albatross::data::Block{});
}

asio::awaitable<bool> Emulator::sendData(Connection& client, albatross::Name name, albatross::Data data) {
  co_return co_await sendFrame(client, toFrame(name, std::move(data)));
}

/// False: the connection is of no use any more.
asio::awaitable<bool> Emulator::sendFrame(Connection& client, std::string_view frame) {
  const Faults& faults = server_.faults();
  const bool cut = faults.cutStreamAfter && client.messages >= *faults.cutStreamAfter;
  if (cut) frame = frame.substr(0, frame.size() / 2);
  error_code error;
  if (faults.unknownData) co_await client.write(asio::buffer(unknownFrame()), error);
  if (!error) co_await client.write(asio::buffer(frame), error);
  ++client.messages;
  if (cut) client.breakOff();
  co_return !cut && !error;
}

EmulatorThread::EmulatorThread(Options options) {
  auto emulator = Emulator::start(context_, std::move(options));
  check(emulator.has_value(), emulator ? "" : emulator.error().message);
  emulator_ = *std::move(emulator);
  port_ = emulator_->endpoint().port();
  thread_ = std::thread([this] { context_.run(); });
}

EmulatorThread::~EmulatorThread() {
  context_.stop();
  thread_.join();
}

void EmulatorThread::post(std::function<void()> function) { asio::post(context_, std::move(function)); }

}  // namespace rookery::emulator
