#pragma once

#include <httplib.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace rookery::benchmark {

using Clock = std::chrono::steady_clock;

/// How to reach an API: over TLS, with one of several tokens, as servers limit the requests of each caller.
struct Access {
  std::string url;  // "https://127.0.0.1:PORT"
  std::string caFile;
  std::vector<std::string> tokens;
};

/// One connection to an API, kept open between requests. Used by one thread at a time. What the API does not
/// answer as wished ends the program, with what it said instead.
class Client {
 public:
  Client(const Access& access, std::size_t token);

  struct Answer {
    std::string body;  // as it came: not decompressed
    std::chrono::duration<double, std::milli> took{};
  };
  /// Status 200; `encoding` is for Accept-Encoding.
  Answer get(const std::string& path, const std::string& encoding = "identity");
  /// A merge patch; status 200.
  Answer patch(const std::string& path, const std::string& body);
  /// Of an object as YAML; status 201.
  void create(const std::string& path, const std::string& body);

 private:
  httplib::Client http_;
};

/// Watches that are open at the same time, each on a connection and a thread of its own, from one
/// resourceVersion on. They note when the text that is awaited first came.
class Watchers {
 public:
  /// Returns when all of them are open. Ends the program when that takes longer than a minute.
  Watchers(const Access& access, std::size_t token, std::size_t count, const std::string& path);
  ~Watchers();
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  /// From now on, `text` is awaited.
  void expect(const std::string& text);
  struct Arrival {
    Clock::time_point first, last;
  };
  /// Waits until every watcher had it. Ends the program when that takes longer than a minute.
  Arrival await();

 private:
  struct Watcher {
    std::unique_ptr<httplib::Client> http;
    std::thread thread;
    bool open = false;
    bool arrived = false;
  };

  void follow(Watcher& watcher, const std::string& path);
  void noteOpen(Watcher& watcher);
  void look(Watcher& watcher, const std::string& received);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string expected_;
  std::size_t arrived_ = 0;
  Arrival arrival_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

/// Ends the program with the reason.
[[noreturn]] void giveUp(const std::string& why);

}  // namespace rookery::benchmark
