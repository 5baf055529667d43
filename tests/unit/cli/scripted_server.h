#pragma once

#include <httplib.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace rookery::cli {

/// A controller on a free port of which a test says what it answers.
class ScriptedServer {
 public:
  struct Answer {
    int status = 200;
    std::vector<std::string> pieces = {};  // of the body: each is sent on its own
  };
  /// Called for one request at a time.
  using Script = std::function<Answer(const httplib::Request& request)>;
  /// Of a server that speaks TLS: PEM files.
  struct Identity {
    std::filesystem::path certificate, key;
  };

  explicit ScriptedServer(Script script)
      : ScriptedServer(std::move(script), std::make_unique<httplib::Server>()) {}
  ScriptedServer(Script script, const Identity& identity)
      : ScriptedServer(std::move(script), std::make_unique<httplib::SSLServer>(identity.certificate.c_str(),
                                                                               identity.key.c_str())) {
    tls_ = true;
  }
  ~ScriptedServer() { server_->stop(); }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url(const std::string& host = "127.0.0.1") const {
    return (tls_ ? "https://" : "http://") + host + ":" + std::to_string(port_);
  }
  int port() const { return port_; }
  /// What was asked for so far, path and query as they were sent.
  std::vector<std::string> targets() const {
    const std::lock_guard lock(mutex_);
    return targets_;
  }

 private:
  ScriptedServer(Script script, std::unique_ptr<httplib::Server> server)
      : script_(std::move(script)), server_(std::move(server)) {
    const auto handler = [this](const httplib::Request& request, httplib::Response& response) {
      handle(request, response);
    };
    server_->Get(".*", handler);
    server_->Post(".*", handler);
    server_->Patch(".*", handler);
    server_->Delete(".*", handler);
    server_->Put(".*", handler);
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();  // stop() is lost on one that does not run yet
  }

  void handle(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex_);
    targets_.push_back(request.target);
    Answer answer = script_(request);
    response.status = answer.status;
    response.set_chunked_content_provider(
        "application/json", [pieces = std::move(answer.pieces)](std::size_t, httplib::DataSink& sink) {
          for (const std::string& piece : pieces) sink.write(piece.data(), piece.size());
          sink.done();
          return true;
        });
  }

  mutable std::mutex mutex_;
  Script script_;
  std::vector<std::string> targets_;
  std::unique_ptr<httplib::Server> server_;
  bool tls_ = false;
  int port_ = 0;
  std::jthread thread_;
};

}  // namespace rookery::cli
