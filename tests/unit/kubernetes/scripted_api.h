#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "kubernetes/config.h"

namespace rookery::kubernetes {

/// An API server on a free port of 127.0.0.1 that answers as a test says, on the test's own context, which
/// must outlive it.
class ScriptedApi {
 public:
  struct Request {
    std::string method, target;
    nlohmann::json body;
  };
  struct Answer {
    unsigned status = 200;
    nlohmann::json body = nlohmann::json::object();
  };
  using Script = std::function<boost::asio::awaitable<Answer>(Request request)>;

  ScriptedApi(boost::asio::io_context& context, Script script)
      : script_(std::move(script)),
        acceptor_(context, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
    boost::asio::co_spawn(context, accept(), boost::asio::detached);
  }

  Config config() const {
    Config config;
    config.host = "127.0.0.1";
    config.port = std::to_string(acceptor_.local_endpoint().port());
    config.tls = false;
    return config;
  }

 private:
  using Tcp = boost::asio::ip::tcp;
  static constexpr auto quiet = boost::asio::as_tuple(boost::asio::use_awaitable);

  boost::asio::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(quiet);
      if (error) co_return;
      auto connection = std::make_shared<Tcp::socket>(std::move(socket));
      boost::asio::co_spawn(connection->get_executor(), serve(connection), boost::asio::detached);
    }
  }

  boost::asio::awaitable<void> serve(std::shared_ptr<Tcp::socket> socket) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    for (;;) {
      http::request<http::string_body> asked;
      const auto [readError, received] = co_await http::async_read(*socket, buffer, asked, quiet);
      if (readError) co_return;
      Request request{std::string(asked.method_string()), std::string(asked.target()),
                      nlohmann::json::parse(asked.body(), nullptr, false)};
      const Answer answer = co_await script_(request);
      http::response<http::string_body> response(static_cast<http::status>(answer.status), 11);
      response.body() = answer.body.dump();
      response.prepare_payload();
      const auto [writeError, written] = co_await http::async_write(*socket, response, quiet);
      if (writeError) co_return;
    }
  }

  Script script_;
  Tcp::acceptor acceptor_;
};

/// Runs the context until something is so. False: it was not within a time that is enough for all.
template <class Condition>
bool runUntil(boost::asio::io_context& context, const Condition& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    context.restart();
    context.run_one_for(std::chrono::milliseconds(50));
  }
  return true;
}

}  // namespace rookery::kubernetes
