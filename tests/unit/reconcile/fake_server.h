#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "albatross/client/client.h"
#include "emulator/server.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// An emulated server behind a client's door, without network. For a context that one thread runs.
class FakeServer {
 public:
  explicit FakeServer(std::string key = "key");

  std::unique_ptr<albatross::Client> connect();
  /// A client of whatever server stands at an address when it is called.
  static std::unique_ptr<albatross::Client> connect(std::function<FakeServer&()> address);

  /// Runs it without anybody's leave.
  void start(const albatross::Name& name, const albatross::Arguments& arguments, const std::string& image);
  /// Ends it, without anybody's leave either.
  void destroy(const albatross::Name& name);
  const emulator::Unikernel* find(const albatross::Name& name) {
    return server.resources().findUnikernel(name);
  }
  std::size_t sent(const std::string& verb) const;

  emulator::Server server;
  std::string key;
  bool down = false;                                             // connections are refused
  bool hang = false;                                             // no call ever ends by itself
  bool loseReply = false;                                        // of what changes something
  std::function<void(const albatross::Request&)> arriving = {};  // with each command, before an image
  std::function<void()> complete = {};                           // once an image is complete
  /// While a command is carried out; others may arrive meanwhile.
  std::function<asio::awaitable<void>(const albatross::Request&)> executing = {};
  std::optional<std::string> refuse = {};  // the next command that changes something, with these words
  bool breakWaiting = false;               // the connection of an image that waits for its end, once
  std::size_t received = 0;                // bytes of images
  std::vector<std::string> verbs;          // of all commands that were carried out
  std::vector<std::string> broken;         // what streams broke off with
  bool noStatistics = false;               // it refuses to tell any
  std::size_t subscriptions = 0;           // that were asked for

  /// Tells all who have subscribed what runs uses.
  void tellStatistics();
  /// The same of something, whether it runs or not.
  void mention(const albatross::Name& name);
  /// Ends all subscriptions.
  void endStreams();
  /// So many are open.
  std::size_t openStreams() const;

 private:
  class Client;
  class Stream;
  asio::awaitable<Result<std::unique_ptr<albatross::DataStream>>> subscribe(albatross::Request request);
  asio::awaitable<albatross::CallResult> carryOut(albatross::Request request);
  asio::awaitable<void> wait();
  asio::awaitable<void> breaks();

  std::set<Stream*> open_;
};

}  // namespace rookery::reconcile
