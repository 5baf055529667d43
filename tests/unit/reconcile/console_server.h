#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "reconcile/consoles.h"
#include "unit/plan/scene.h"
#include "unit/reconcile/fake_server.h"

namespace rookery::reconcile {

/// A server, eu-1, with its consoles, on a thread of its own; it runs nothing, and prints what it is told.
/// Its consoles can be read from any thread.
class ConsoleServer {
 public:
  ConsoleServer() : thread_([this] { context_.run(); }) {
    scene.declare("shop/web");
    reached();
  }
  ~ConsoleServer() {
    if (consoles_) consoles_->stop();
    until([this] { return server.openStreams() == 0; });
    work_.reset();
    thread_.join();
  }
  ConsoleServer(const ConsoleServer&) = delete;
  ConsoleServer& operator=(const ConsoleServer&) = delete;

  /// On the server's thread.
  template <class Function>
  auto ask(Function function) {
    std::packaged_task<std::invoke_result_t<Function>()> task(std::move(function));
    auto result = task.get_future();
    asio::post(context_, [&task] { task(); });
    return result.get();
  }
  void print(const std::string& line, const std::string& label = "web",
             albatross::Time time = albatross::Time(std::chrono::seconds(1))) {
    ask([&] { server.server.consoles().print({{"shop"}, label}, time, line); });
  }
  /// Waits for something that the server sees.
  void until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!ask(holds)) ASSERT_LT(std::chrono::steady_clock::now(), end) << "it does not come to that";
  }
  std::size_t subscriptions() {
    return ask([this] { return server.subscriptions; });
  }

  /// The instance's loop has reached the server, and knows what is desired.
  void reached() {
    servers_.reached({client, std::make_shared<plan::Desired>(scene.desired), {}, scene.observed.policies});
  }
  void declareSecrets(const std::string& path, std::vector<std::string> secrets) {
    scene.declare(path, [&](api::Unikernel& spec, plan::DesiredUnikernel& unikernel) {
      spec.argumentsFrom.resize(secrets.size());
      unikernel.secrets = std::move(secrets);
    });
    reached();
  }

  /// `options` are those of when this is called first.
  Consoles& consoles() {
    if (!consoles_) consoles_.emplace(context_.get_executor(), servers_, options);
    return *consoles_;
  }

 private:
  asio::io_context context_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{context_.get_executor()};
  Servers servers_;

 public:
  plan::Scene scene;
  FakeServer server;
  std::shared_ptr<albatross::Client> client = server.connect();
  Consoles::Options options{.mostOpen = 64,
                            .quiet = std::chrono::milliseconds(5),
                            .longestReplay = std::chrono::seconds(3),
                            .lingering = std::chrono::hours(1)};

 private:
  std::optional<Consoles> consoles_;
  std::thread thread_;
};

}  // namespace rookery::reconcile
