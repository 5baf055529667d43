#include "serve/connection_pool.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace rookery::serve {

ConnectionPool::ConnectionPool(std::size_t threads, Serve serve)
    : threadCount_(threads), serve_(std::move(serve)) {
  try {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
}

ConnectionPool::~ConnectionPool() { stop(); }

void ConnectionPool::add(int socket) {
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    ::close(socket);
    return;
  }
  waiting_.push_back(socket);
  const auto live = static_cast<std::size_t>(std::ranges::count(served_, false, &Connection::cut));
  if (live + waiting_.size() > threadCount_) dropOldest();
  changed_.notify_one();
}

void ConnectionPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int socket : waiting_) ::close(socket);
    waiting_.clear();
    for (const Connection& connection : served_) ::shutdown(connection.socket, SHUT_RDWR);
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ConnectionPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const int socket = waiting_.front();
    waiting_.pop_front();
    const auto connection = served_.insert(served_.end(), {.socket = socket, .cut = false});
    lock.unlock();
    serve_(socket);
    lock.lock();
    served_.erase(connection);
    ::close(socket);  // under the lock: nobody else shuts down a number that is another connection's by then
  }
}

void ConnectionPool::dropOldest() {
  const auto oldest = std::ranges::find(served_, false, &Connection::cut);
  if (oldest != served_.end()) {
    oldest->cut = true;
    ::shutdown(oldest->socket, SHUT_RDWR);
  } else {
    ::close(waiting_.front());
    waiting_.pop_front();
  }
}

}  // namespace rookery::serve
