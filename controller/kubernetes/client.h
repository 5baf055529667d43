#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"
#include "kubernetes/config.h"

namespace rookery::kubernetes {

namespace asio = boost::asio;

/// Why a request had no success.
struct Failure {
  int code = 0;        // HTTP's; 0: there was no answer
  std::string reason;  // of the Status object: "NotFound", "Conflict", "Forbidden", …
  std::string
      message;  // says of which object what was to be done; what the server says of it is cut to 1 KiB
  std::chrono::seconds retryAfter{0};
  bool terminating = false;  // the namespace is being deleted, and takes nothing new

  bool notFound() const { return code == 404; }
  bool conflict() const { return code == 409; }
  bool forbidden() const { return code == 403; }
  bool expired() const { return code == 410; }  // list again
};

template <class T>
using Answer = std::expected<T, Failure>;

/// Requests to one API server over HTTP/1.1, on a few connections that are kept. Any coroutine may use it;
/// each must run on a strand. Nothing throws; a cancelled coroutine gets a Failure.
class Client {
 public:
  struct Options {
    std::chrono::milliseconds timeout{10'000};  // for all of one request but a watch
    std::string userAgent = "rookery";
    /// Told why files of the Config that are of no use now leave in use what they held before.
    std::function<void(const std::string& message)> warn = {};
  };

  Client(Config config, Options options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Closes the connections that are kept, and keeps no more: their executors may end before this does.
  void close();

  /// `target`: path and query, percent-encoded, from /api or /apis on.
  asio::awaitable<Answer<nlohmann::json>> get(std::string target);
  asio::awaitable<Answer<nlohmann::json>> create(std::string target, nlohmann::json object);
  asio::awaitable<Answer<nlohmann::json>> replace(std::string target, nlohmann::json object);
  /// A JSON merge patch (RFC 7396).
  asio::awaitable<Answer<nlohmann::json>> patch(std::string target, nlohmann::json change);
  asio::awaitable<Answer<nlohmann::json>> remove(std::string target, nlohmann::json preconditions);

  /// Streams what a watch tells until it ends; `event` is called for each line, and ends it by returning
  /// false. No value: it ended as watches do.
  using OnEvent = std::function<bool(const nlohmann::json& event)>;
  asio::awaitable<Answer<void>> watch(std::string target, OnEvent event);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The path of a collection, or of an object in it where `name` is given, with `suffix` ("/status") behind.
/// `group` is "v1" for the core, or "rookery.dev/v1alpha1".
std::string pathOf(std::string_view group, std::string_view plural, std::string_view nameSpace,
                   std::string_view name = {}, std::string_view suffix = {});

}  // namespace rookery::kubernetes
