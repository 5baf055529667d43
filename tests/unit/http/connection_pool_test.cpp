#include "http/connection_pool.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <iterator>
#include <list>
#include <string>
#include <vector>

namespace rookery::http {
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
  explicit Client(ConnectionPool& pool, const std::string& address = "10.0.0.1") {
    std::array<int, 2> sockets{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
    socket_ = sockets[0];
    pool.add(sockets[1], address);
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
  ConnectionPool pool({.connections = 1, .newcomers = 2}, greet);
  const Client first(pool), second(pool);
  EXPECT_EQ(second.receive(), '!');
  EXPECT_EQ(first.receive(), '!');
}

TEST(ConnectionPool, TheOldestIsCutOffForTheNewest) {
  ConnectionPool pool({.connections = 1, .newcomers = 2}, greet);
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
  ConnectionPool pool({.connections = 1, .newcomers = 2}, greet);
  for (int round = 0; round < 50; ++round) {
    std::list<Client> burst;
    for (int i = 0; i < 7; ++i) burst.emplace_back(pool);
    EXPECT_EQ(burst.back().receive(), '!');
    EXPECT_EQ(std::next(burst.rbegin())->receive(), '!');
  }
}

TEST(ConnectionPool, AFreeThreadTakesTheNextWithoutCutting) {
  ConnectionPool pool({.connections = 1, .newcomers = 1}, [](ConnectionPool::Connection& connection) {
    const char byte = '!';
    ::send(connection.socket(), &byte, 1, MSG_NOSIGNAL);
  });
  for (int i = 0; i < 20; ++i) {
    const Client client(pool);
    EXPECT_EQ(client.receive(), '!');
    EXPECT_EQ(client.receive(), '\0');
  }
}

/// Does what its client tells it, and says when that is done: 'w' is at work, 'i' waits for the next request.
void obey(ConnectionPool::Connection& connection) {
  char byte = 0;
  while (::recv(connection.socket(), &byte, 1, 0) > 0) {
    if (byte == 'w' || byte == 'i') connection.setAtWork(byte == 'w');
    byte = '!';
    ::send(connection.socket(), &byte, 1, MSG_NOSIGNAL);
  }
}

class StagesTest : public testing::Test {
 protected:
  /// A connection that has been through these stages.
  Client& with(const char* stages, const std::string& address = "10.0.0.1") {
    Client& client = clients_.emplace_back(pool_, address);
    for (const char* stage = stages; *stage != 0; ++stage) tell(client, *stage);
    return client;
  }
  static void tell(const Client& client, char stage) {
    client.send(stage);
    EXPECT_EQ(client.receive(), '!') << stage;
  }
  static bool open(const Client& client) {
    client.send('?');
    return client.receive() == '!';
  }

  ConnectionPool pool_{{.connections = 3, .newcomers = 3}, obey};
  std::list<Client> clients_;
};

TEST_F(StagesTest, WhatIsAtWorkIsCutOffLast) {
  const Client& working = with("w");
  const Client& idle = with("wi");
  const Client& busy = with("w");
  with("w");
  EXPECT_FALSE(open(idle));
  EXPECT_TRUE(open(working));
  with("w");
  EXPECT_FALSE(open(working)) << "the oldest, where all are at work";
  EXPECT_TRUE(open(busy));
}

TEST_F(StagesTest, NewcomersAndTheOthersKeepNobodyOut) {
  const Client* working[] = {&with("w"), &with("w"), &with("wi")};
  std::vector<const Client*> newcomers;
  for (int i = 0; i < 20; ++i) newcomers.push_back(&with("?"));
  for (const Client* client : working) EXPECT_TRUE(open(*client)) << "newcomers have their own share";
  for (std::size_t i = newcomers.size() - 3; i < newcomers.size(); ++i) EXPECT_TRUE(open(*newcomers[i]));
  EXPECT_FALSE(open(*newcomers.front()));
  tell(*newcomers.back(), 'w');
  EXPECT_TRUE(open(*newcomers.back())) << "and come in";
  EXPECT_FALSE(open(*working[2]));
}

TEST_F(StagesTest, WhoHasTheMostLosesFirst) {
  for (const char* stages : {"?", "wi", "w"}) {
    const Client& one = with(stages, "10.0.0.1");
    const Client& greedy = with(stages, "10.0.0.2");
    with(stages, "10.0.0.2");
    for (int i = 0; i < 5; ++i) with(stages, "10.0.0.2");
    EXPECT_TRUE(open(one)) << stages;
    EXPECT_FALSE(open(greedy)) << stages;
    clients_.clear();
  }
}

TEST_F(StagesTest, WhatIsIdleCanMakeRoom) {
  EXPECT_FALSE(pool_.dropIdle());
  const Client& working = with("w");
  EXPECT_FALSE(pool_.dropIdle());
  const Client& idle = with("wi");
  EXPECT_TRUE(pool_.dropIdle());
  EXPECT_FALSE(open(idle));
  EXPECT_TRUE(open(working));
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
  ConnectionPool pool({.connections = 1, .newcomers = 2}, greet);
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
}  // namespace rookery::http
