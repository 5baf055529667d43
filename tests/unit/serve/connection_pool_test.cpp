#include "serve/connection_pool.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <iterator>
#include <list>
#include <utility>

namespace rookery::serve {
namespace {

/// Greets, then listens until the client goes away or the connection is cut.
void greet(ConnectionPool::Connection& connection) {
  const int socket = connection.socket();
  char byte = '!';
  ::send(socket, &byte, 1, MSG_NOSIGNAL);
  while (::recv(socket, &byte, 1, 0) > 0) {
  }
}

/// The client's end of a connection that was given to the pool.
class Client {
 public:
  explicit Client(ConnectionPool& pool) {
    std::array<int, 2> sockets{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
    socket_ = sockets[0];
    pool.add(sockets[1]);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(char byte) const { ::send(socket_, &byte, 1, MSG_NOSIGNAL); }
  void hangUp() const { ::shutdown(socket_, SHUT_WR); }

  /// What comes next: '!' when served, 0 at the end.
  char receive() const {
    char byte = 0;
    return ::recv(socket_, &byte, 1, 0) == 1 ? byte : '\0';
  }

 private:
  int socket_ = -1;
};

TEST(ConnectionPool, ServesSeveralAtOnce) {
  ConnectionPool pool({.connections = 2}, greet);
  const Client first(pool), second(pool);
  EXPECT_EQ(second.receive(), '!');
  EXPECT_EQ(first.receive(), '!');
}

TEST(ConnectionPool, TheOldestIsCutOffForTheNewest) {
  ConnectionPool pool({.connections = 2}, greet);
  const Client first(pool);
  EXPECT_EQ(first.receive(), '!');
  const Client second(pool);
  EXPECT_EQ(second.receive(), '!');
  const Client third(pool);
  EXPECT_EQ(third.receive(), '!');
  EXPECT_EQ(first.receive(), '\0');
  const Client fourth(pool);
  EXPECT_EQ(fourth.receive(), '!');
  EXPECT_EQ(second.receive(), '\0');
}

TEST(ConnectionPool, TheLastOfABurstIsServed) {
  ConnectionPool pool({.connections = 2}, greet);
  for (int round = 0; round < 50; ++round) {
    std::list<Client> burst;
    for (int i = 0; i < 7; ++i) burst.emplace_back(pool);
    EXPECT_EQ(burst.back().receive(), '!');
    EXPECT_EQ(std::next(burst.rbegin())->receive(), '!');
  }
}

TEST(ConnectionPool, AFreeThreadTakesTheNextWithoutCutting) {
  ConnectionPool pool({.connections = 1}, [](ConnectionPool::Connection& connection) {
    const char byte = '!';
    ::send(connection.socket(), &byte, 1, MSG_NOSIGNAL);
  });
  for (int i = 0; i < 20; ++i) {
    const Client client(pool);
    EXPECT_EQ(client.receive(), '!');
    EXPECT_EQ(client.receive(), '\0');
  }
}

TEST(ConnectionPool, WhatIsAtWorkIsCutOffLast) {
  bool first = true;
  ConnectionPool pool({.connections = 2}, [&first](ConnectionPool::Connection& connection) {
    connection.setAtWork(std::exchange(first, false));
    greet(connection);
  });
  const Client working(pool);
  EXPECT_EQ(working.receive(), '!');
  const Client idle(pool);
  EXPECT_EQ(idle.receive(), '!');
  const Client third(pool);
  EXPECT_EQ(third.receive(), '!');
  EXPECT_EQ(idle.receive(), '\0');
  const Client fourth(pool);
  EXPECT_EQ(fourth.receive(), '!');
  EXPECT_EQ(third.receive(), '\0');
}

TEST(ConnectionPool, LongRunningConnectionsHaveALimitOfTheirOwn) {
  ConnectionPool pool({.connections = 1, .longRunning = 3}, [](ConnectionPool::Connection& connection) {
    char wanted = '!';
    ::recv(connection.socket(), &wanted, 1, 0);
    if (wanted == 'l' && !connection.becomeLongRunning()) return;
    greet(connection);
  });
  std::list<Client> watchers;
  for (int i = 0; i < 3; ++i) {
    watchers.emplace_back(pool).send('l');
    EXPECT_EQ(watchers.back().receive(), '!');
  }
  for (int i = 0; i < 20; ++i) {
    const Client client(pool);
    client.send('o');
    EXPECT_EQ(client.receive(), '!');
  }
  const Client tooMany(pool);
  tooMany.send('l');
  EXPECT_EQ(tooMany.receive(), '\0');

  watchers.front().hangUp();  // makes room for another
  EXPECT_EQ(watchers.front().receive(), '\0');
  const Client next(pool);
  next.send('l');
  EXPECT_EQ(next.receive(), '!');
  pool.stop();
  EXPECT_EQ(watchers.back().receive(), '\0');
  EXPECT_EQ(next.receive(), '\0');
}

TEST(ConnectionPool, StoppingEndsAllConnections) {
  ConnectionPool pool({.connections = 2}, greet);
  const Client first(pool), second(pool);
  EXPECT_EQ(first.receive(), '!');
  EXPECT_EQ(second.receive(), '!');
  pool.stop();
  EXPECT_EQ(first.receive(), '\0');
  EXPECT_EQ(second.receive(), '\0');
  const Client late(pool);
  EXPECT_EQ(late.receive(), '\0');
}

}  // namespace
}  // namespace rookery::serve
