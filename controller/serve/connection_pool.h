#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace rookery::serve {

/// Threads that serve connections, each for as long as its connection lasts. There are never more connections
/// than threads: the one that has been open longest is cut off for a new one. So the newest is served at
/// once, however many clients are slow.
class ConnectionPool {
 public:
  /// Talks to the client until the connection ends; must not throw or close the socket. Returns soon after
  /// the socket has been shut down.
  using Serve = std::function<void(int socket)>;

  /// Throws std::system_error when threads cannot be had.
  ConnectionPool(std::size_t threads, Serve serve);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  /// Takes ownership of the socket.
  void add(int socket);

  /// Cuts off all connections and waits for the threads. What is added later is closed.
  void stop();

 private:
  struct Connection {
    int socket = -1;
    bool cut = false;  // shut down already; its thread is about to let go of it
  };

  void work();
  void dropOldest();

  const std::size_t threadCount_;
  const Serve serve_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> waiting_;
  std::list<Connection> served_;  // the oldest first
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rookery::serve
