#include "http/connection_pool.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

namespace rookery::http {

void ConnectionPool::Connection::setAtWork(bool atWork) {
  const std::lock_guard lock(pool_->mutex_);
  atWork_ = atWork;
  if (atWork && std::exchange(newcomer_, false)) pool_->makeRoomFor(*this);
}

bool ConnectionPool::Connection::becomeLongRunning() {
  pool_->joinRetired();
  return pool_->promote(*this);
}

ConnectionPool::ConnectionPool(const Limits& limits, Serve serve)
    : limits_(limits), serve_(std::move(serve)) {
  try {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < limits_.connections + limits_.newcomers; ++i) startThread();
  } catch (...) {
    stop();
    throw;
  }
}

ConnectionPool::~ConnectionPool() { stop(); }

void ConnectionPool::add(int socket, std::string client) {
  joinRetired();
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    ::close(socket);
    return;
  }
  waiting_.push_back({socket, std::move(client)});
  makeRoomForNewcomer();
  changed_.notify_one();
}

void ConnectionPool::stop() {
  Threads threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Waiting& waiting : waiting_) ::close(waiting.socket);
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
    connection->socket_ = waiting_.front().socket;
    connection->client_ = std::move(waiting_.front().client);
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

/// Of the candidates, all but those that are cut off already or long-running, the one to be cut off; null:
/// there is none.
ConnectionPool::Connection* ConnectionPool::victim(const std::function<bool(const Connection&)>& candidate) {
  const auto eligible = [&](const Connection& c) { return !c.cut_ && !c.longRunning_ && candidate(c); };
  std::map<std::string_view, std::size_t> byClient;
  for (const Connection& connection : served_) {
    if (eligible(connection)) ++byClient[connection.client_];
  }
  Connection* chosen = nullptr;
  for (Connection& connection : served_) {  // the oldest first, which stays the choice among equals
    if (!eligible(connection)) continue;
    if (chosen == nullptr || byClient[connection.client_] > byClient[chosen->client_]) chosen = &connection;
  }
  return chosen;
}

void ConnectionPool::cut(Connection& connection) {
  connection.cut_ = true;
  ::shutdown(connection.socket_, SHUT_RDWR);
}

void ConnectionPool::makeRoomForNewcomer() {
  const auto newcomers = static_cast<std::size_t>(std::ranges::count_if(
      served_, [](const Connection& c) { return !c.cut_ && !c.longRunning_ && c.newcomer_; }));
  if (newcomers + waiting_.size() <= limits_.newcomers) return;
  if (Connection* oldest = victim([](const Connection& c) { return c.newcomer_; })) {
    cut(*oldest);
  } else {
    ::close(waiting_.front().socket);
    waiting_.pop_front();
  }
}

void ConnectionPool::makeRoomFor(const Connection& promoted) {
  const auto others = [&](const Connection& c) { return !c.newcomer_ && &c != &promoted; };
  const auto settled = static_cast<std::size_t>(std::ranges::count_if(
      served_, [](const Connection& c) { return !c.cut_ && !c.longRunning_ && !c.newcomer_; }));
  if (settled <= limits_.connections) return;
  Connection* oldest = victim([&](const Connection& c) { return others(c) && !c.atWork_; });
  if (oldest == nullptr) oldest = victim(others);
  if (oldest != nullptr) cut(*oldest);
}

bool ConnectionPool::dropIdle() {
  const std::lock_guard lock(mutex_);
  Connection* oldest = victim([](const Connection& c) { return !c.atWork_; });
  if (oldest != nullptr) cut(*oldest);
  return oldest != nullptr;
}

}  // namespace rookery::http
