#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace rookery::serve {

/// Threads that serve connections, each for as long as its connection lasts. There are never more connections
/// than threads: the one that has been open longest is cut off for a new one, and one that waits for its
/// client rather than one that is at work. So the newest is served at once, however many clients are slow.
///
/// A connection that becomes long-running leaves this count, and a thread takes its place; these have a limit
/// of their own and are not cut off.
class ConnectionPool {
 public:
  struct Limits {
    std::size_t connections = 16;
    std::size_t longRunning = 256;
  };

  /// A connection in the hands of the thread that serves it.
  class Connection {
   public:
    int socket() const { return socket_; }
    /// The connection is at work for its client (or waits for it again).
    void setAtWork(bool atWork);
    /// Until the connection ends. False: there are too many of them already. Once true, always true.
    bool becomeLongRunning();
    bool longRunning() const { return longRunning_; }

   private:
    friend class ConnectionPool;
    ConnectionPool* pool_ = nullptr;
    int socket_ = -1;
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

  /// Takes ownership of the socket.
  void add(int socket);

  /// Cuts off all connections and waits for the threads. What is added later is closed.
  void stop();

 private:
  using Threads = std::list<std::thread>;

  void startThread();
  void work(Threads::iterator self);
  void dropOldest();
  bool promote(Connection& connection);
  void joinRetired();

  const Limits limits_;
  const Serve serve_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> waiting_;
  std::list<Connection> served_;  // the oldest first
  std::size_t longRunning_ = 0;
  bool stopping_ = false;
  Threads threads_;
  Threads retired_;  // of connections that were long-running: done, to be joined
};

}  // namespace rookery::serve
