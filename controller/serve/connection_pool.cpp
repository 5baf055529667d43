#include "serve/connection_pool.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace rookery::serve {

void ConnectionPool::Connection::setAtWork(bool atWork) {
  const std::lock_guard lock(pool_->mutex_);
  atWork_ = atWork;
}

bool ConnectionPool::Connection::becomeLongRunning() {
  pool_->joinRetired();
  return pool_->promote(*this);
}

ConnectionPool::ConnectionPool(const Limits& limits, Serve serve)
    : limits_(limits), serve_(std::move(serve)) {
  try {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < limits_.connections; ++i) startThread();
  } catch (...) {
    stop();
    throw;
  }
}

ConnectionPool::~ConnectionPool() { stop(); }

void ConnectionPool::add(int socket) {
  joinRetired();
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    ::close(socket);
    return;
  }
  waiting_.push_back(socket);
  const auto live = static_cast<std::size_t>(
      std::ranges::count_if(served_, [](const Connection& c) { return !c.cut_ && !c.longRunning_; }));
  if (live + waiting_.size() > limits_.connections) dropOldest();
  changed_.notify_one();
}

void ConnectionPool::stop() {
  Threads threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int socket : waiting_) ::close(socket);
    waiting_.clear();
    for (const Connection& connection : served_) ::shutdown(connection.socket_, SHUT_RDWR);
    threads.splice(threads.end(), threads_);
    threads.splice(threads.end(), retired_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

/// Under the lock, so that the thread sees itself in the list. Throws std::system_error.
void ConnectionPool::startThread() {
  const auto self = threads_.emplace(threads_.end());
  try {
    *self = std::thread([this, self] { work(self); });
  } catch (...) {
    threads_.erase(self);
    throw;
  }
}

void ConnectionPool::work(Threads::iterator self) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const auto connection = served_.emplace(served_.end());
    connection->pool_ = this;
    connection->socket_ = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    serve_(*connection);
    lock.lock();
    const bool replaced = connection->longRunning_;
    ::close(
        connection->socket_);  // under the lock: nobody else shuts down a number that is another's by then
    served_.erase(connection);
    if (!replaced) continue;
    --longRunning_;
    if (!stopping_) retired_.splice(retired_.end(), threads_, self);
    return;
  }
}

bool ConnectionPool::promote(Connection& connection) {
  const std::lock_guard lock(mutex_);
  if (connection.longRunning_) return true;
  if (stopping_ || longRunning_ >= limits_.longRunning) return false;
  try {
    startThread();
  } catch (const std::exception&) {
    return false;  // no thread or memory to be had: one limit more
  }
  connection.longRunning_ = true;
  ++longRunning_;
  return true;
}

void ConnectionPool::joinRetired() {
  Threads threads;
  {
    const std::lock_guard lock(mutex_);
    threads.swap(retired_);
  }
  for (std::thread& thread : threads) thread.join();
}

void ConnectionPool::dropOldest() {
  const auto idle = [](const Connection& c) { return !c.cut_ && !c.longRunning_ && !c.atWork_; };
  const auto any = [](const Connection& c) { return !c.cut_ && !c.longRunning_; };
  auto oldest = std::ranges::find_if(served_, idle);
  if (oldest == served_.end()) oldest = std::ranges::find_if(served_, any);
  if (oldest != served_.end()) {
    oldest->cut_ = true;
    ::shutdown(oldest->socket_, SHUT_RDWR);
  } else {
    ::close(waiting_.front());
    waiting_.pop_front();
  }
}

}  // namespace rookery::serve
