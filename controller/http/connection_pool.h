#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace rookery::http {

/// Threads that serve connections, each for as long as its connection lasts. There are never more connections
/// than threads: an old one is cut off for a new one, so that the newest is served at once, however many
/// clients are slow.
///
/// A connection that has brought no request yet is a newcomer. These have a share of their own: neither do
/// idle connections keep them out, nor do they push out those that are at work. Within each share one that
/// waits for its client is cut off rather than one that is at work, and of those one of the client that has
/// the most; of that client's, the one that has been open longest.
///
/// A connection that becomes long-running leaves this count, and a thread takes its place; these have a limit
/// of their own and are not cut off.
class ConnectionPool {
 public:
  struct Limits {
    std::size_t connections = 16;  // that have brought a request
    std::size_t newcomers = 32;
    std::size_t longRunning = 256;
  };

  /// A connection in the hands of the thread that serves it.
  class Connection {
   public:
    int socket() const { return socket_; }
    /// The connection is at work for its client (or waits for it again): from the first time on it is no
    /// newcomer.
    void setAtWork(bool atWork);
    /// Until the connection ends. False: there are too many of them already. Once true, always true.
    bool becomeLongRunning();
    bool longRunning() const { return longRunning_; }

   private:
    friend class ConnectionPool;
    ConnectionPool* pool_ = nullptr;
    int socket_ = -1;
    std::string client_;
    bool newcomer_ = true;
    bool cut_ = false;  // shut down already; its thread is about to let go of it
    bool atWork_ = false;
    bool longRunning_ = false;
  };

  /// Talks to the client until the connection ends; must not throw or close the socket. Returns soon after
  /// the socket has been shut down.
  using Serve = std::function<void(Connection&)>;

  /// Throws std::system_error when threads cannot be had.
  ConnectionPool(const Limits& limits, Serve serve);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  /// Takes ownership of the socket. `client` is whose it is: an address, say.
  void add(int socket, std::string client);

  /// Cuts off a connection that waits for its client, as for a newer one. False: there is none.
  bool dropIdle();

  /// Cuts off all connections and waits for the threads. What is added later is closed.
  void stop();

 private:
  using Threads = std::list<std::thread>;

  struct Waiting {
    int socket = -1;
    std::string client;
  };

  void startThread();
  void work(Threads::iterator self);
  Connection* victim(const std::function<bool(const Connection&)>& candidate);
  void cut(Connection& connection);
  void makeRoomForNewcomer();
  void makeRoomFor(const Connection& promoted);
  bool promote(Connection& connection);
  void joinRetired();

  const Limits limits_;
  const Serve serve_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;
  std::list<Connection> served_;  // the oldest first
  std::size_t longRunning_ = 0;
  bool stopping_ = false;
  Threads threads_;
  Threads retired_;  // of connections that were long-running: done, to be joined
};

}  // namespace rookery::http
