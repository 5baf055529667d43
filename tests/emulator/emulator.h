#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>

#include "emulator/faults.h"
#include "emulator/journal.h"
#include "emulator/pki_dir.h"
#include "emulator/server.h"
#include "emulator/state_dir.h"
#include "error.h"

namespace rookery::emulator {

namespace asio = boost::asio;

struct Options {
  asio::ip::tcp::endpoint listen{asio::ip::address_v4::loopback(), 0};
  /// The folder of its daemons' sockets, for clients on this machine; what stands there is replaced.
  std::optional<std::filesystem::path> listenLocally;
  ServerPki pki;
  Machine machine;
  Faults faults;
  std::optional<std::filesystem::path> stateDir;
  /// The time that guests live in; certificates are always checked at the wall clock.
  std::function<albatross::Time()> now = [] {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  };
  std::chrono::milliseconds statisticsInterval{10'000};
  /// A line (without its end) for each command and each trouble.
  std::function<void(std::string_view)> log = [](std::string_view) {};
};

/// An Albatross server on TLS 1.3, and on the sockets of its daemons: the Server behind the endpoints that
/// clients speak to. One command runs at a time. It lives on one io_context, which one thread runs; nothing
/// else may touch it, and the context must not be run any more when it is destroyed.
class Emulator {
 public:
  /// Listens at once. Errors: CredentialInvalid (what OpenSSL does not take), SystemError (the address), and
  /// those of StateDir.
  static Result<std::unique_ptr<Emulator>> start(asio::io_context& context, Options options);

  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }
  Server& server() { return server_; }
  const Journal& journal() const { return journal_; }
  /// Looks at the clock now, for whoever moves it.
  void passTime();

 private:
  struct Connection;

  Emulator(asio::io_context& context, asio::ip::tcp::acceptor acceptor, asio::ssl::context tls,
           std::optional<StateDir> stateDir, Options options);

  ServerHooks hooks();
  void saved(const Result<void>& result);

  asio::awaitable<void> accept();
  Result<void> listenLocally(const std::filesystem::path& folder);
  asio::awaitable<void> acceptLocally(asio::local::stream_protocol::acceptor& acceptor);
  asio::awaitable<void> serve(std::shared_ptr<Connection> connection);
  asio::awaitable<void> serveLocally(std::shared_ptr<Connection> connection);
  asio::awaitable<bool> receiveMessage(Connection& connection);
  static void breakOffLater(const std::shared_ptr<Connection>& connection);
  static asio::awaitable<void> drain(Connection& connection);
  static asio::awaitable<void> drainStream(Connection& connection);
  asio::awaitable<bool> receiveStream(Connection& connection);
  asio::awaitable<Answer> carryOutCertificate(Connection& connection);
  asio::awaitable<Answer> carryOut(Connection& connection);
  asio::awaitable<void> reply(Connection& connection, Answer answer);
  asio::awaitable<void> stream(Connection& connection);
  asio::awaitable<void> streamConsole(Connection& connection, albatross::console::Subscribe subscription);
  asio::awaitable<void> streamStatistics(Connection& connection);
  asio::awaitable<void> streamContent(Connection& connection, int compressionLevel);
  asio::awaitable<bool> sendData(Connection& connection, albatross::Name name, albatross::Data data);
  asio::awaitable<bool> sendFrame(Connection& connection, std::string_view frame);
  void scheduleTick();

  asio::io_context& context_;
  asio::ip::tcp::acceptor acceptor_;
  std::list<asio::local::stream_protocol::acceptor> localAcceptors_;
  asio::ssl::context tls_;
  std::optional<StateDir> stateDir_;
  Options options_;
  Journal journal_;
  Server server_;
  asio::steady_timer tick_;
  const std::shared_ptr<const bool> there_ = std::make_shared<const bool>(true);  // as long as it lives
};

/// An Emulator on a thread of its own, for tests.
class EmulatorThread {
 public:
  /// Aborts when it cannot start.
  explicit EmulatorThread(Options options);
  ~EmulatorThread();
  EmulatorThread(const EmulatorThread&) = delete;
  EmulatorThread& operator=(const EmulatorThread&) = delete;

  std::uint16_t port() const { return port_; }

  /// Runs `function(Emulator&)` on the emulator's thread, between two commands, and returns what it returns.
  template <class Function>
  auto ask(Function function) {
    std::packaged_task<std::invoke_result_t<Function, Emulator&>()> task(
        [&] { return function(*emulator_); });
    auto result = task.get_future();
    post([&task] { task(); });
    return result.get();
  }

 private:
  void post(std::function<void()> function);

  asio::io_context context_;
  std::unique_ptr<Emulator> emulator_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace rookery::emulator
