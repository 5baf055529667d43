#include "benchmark/client.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace rookery::benchmark {

namespace {

constexpr std::chrono::minutes answerLimit{1};

void prepare(httplib::Client& http, const Access& access, std::size_t token) {
  http.set_ca_cert_path(access.caFile.c_str());
  http.set_bearer_token_auth(access.tokens.at(token).c_str());
  http.set_keep_alive(true);
  http.set_decompress(false);
  http.set_tcp_nodelay(true);
  http.set_read_timeout(answerLimit);
}

void expectStatus(const httplib::Result& result, int status, const std::string& what) {
  if (!result) giveUp(fmt::format("{}: {}", what, httplib::to_string(result.error())));
  if (result->status != status)
    giveUp(fmt::format("{}: {} {}", what, result->status, result->body.substr(0, 500)));
}

template <class Call>
Client::Answer timed(int status, const std::string& what, const Call& call) {
  const auto begin = Clock::now();
  httplib::Result result = call();
  const auto end = Clock::now();
  expectStatus(result, status, what);
  return {std::move(result->body), end - begin};
}

}  // namespace

void giveUp(const std::string& why) {
  // The first reason ends the program; the other threads must not disturb that.
  static std::mutex once;
  once.lock();
  fmt::print(stderr, "api-benchmark: {}\n", why);
  std::exit(1);
}

Client::Client(const Access& access, std::size_t token) : http_(access.url) { prepare(http_, access, token); }

Client::Answer Client::get(const std::string& path, const std::string& encoding) {
  return timed(200, "GET " + path, [&] { return http_.Get(path, {{"Accept-Encoding", encoding}}); });
}

Client::Answer Client::patch(const std::string& path, const std::string& body) {
  return timed(200, "PATCH " + path, [&] { return http_.Patch(path, body, "application/merge-patch+json"); });
}

void Client::create(const std::string& path, const std::string& body) {
  expectStatus(http_.Post(path, body, "application/yaml"), 201, "POST " + path);
}

Watchers::Watchers(const Access& access, std::size_t token, std::size_t count, const std::string& path) {
  // One after the other: a server may cut off the oldest of too many connections that are not yet watches.
  for (std::size_t i = 0; i < count; ++i) {
    Watcher& watcher = *watchers_.emplace_back(std::make_unique<Watcher>());
    watcher.http = std::make_unique<httplib::Client>(access.url);
    prepare(*watcher.http, access, token);
    watcher.thread = std::thread([this, &watcher, path] { follow(watcher, path); });
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, answerLimit, [&] { return watcher.open; }))
      giveUp(fmt::format("watch {} does not open", i + 1));
  }
}

Watchers::~Watchers() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (const auto& watcher : watchers_) watcher->http->stop();
  for (const auto& watcher : watchers_) watcher->thread.join();
}

void Watchers::follow(Watcher& watcher, const std::string& path) {
  std::string received;
  const auto result = watcher.http->Get(
      path, {{"Accept-Encoding", "identity"}},
      [&](const httplib::Response& response) {
        if (response.status != 200) giveUp(fmt::format("a watch is answered with {}", response.status));
        noteOpen(watcher);
        return true;
      },
      [&](const char* data, std::size_t size) {
        received.append(data, size);
        // Only whole events are looked at, so that none is missed that comes in pieces.
        const auto end = received.rfind('\n');
        if (end == std::string::npos) return true;
        look(watcher, received);
        received.erase(0, end + 1);
        return true;
      });
  const std::lock_guard lock(mutex_);
  if (!stopping_) giveUp("a watch ended: " + httplib::to_string(result.error()));
}

void Watchers::noteOpen(Watcher& watcher) {
  const std::lock_guard lock(mutex_);
  watcher.open = true;
  changed_.notify_all();
}

void Watchers::look(Watcher& watcher, const std::string& received) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (watcher.arrived || expected_.empty() || received.find(expected_) == std::string::npos) return;
  watcher.arrived = true;
  if (++arrived_ == 1) arrival_.first = now;
  arrival_.last = std::max(now, arrival_.last);
  if (arrived_ == watchers_.size()) changed_.notify_all();
}

void Watchers::expect(const std::string& text) {
  const std::lock_guard lock(mutex_);
  expected_ = text;
  arrived_ = 0;
  arrival_ = {};
  for (const auto& watcher : watchers_) watcher->arrived = false;
}

Watchers::Arrival Watchers::await() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, answerLimit, [&] { return arrived_ == watchers_.size(); }))
    giveUp(fmt::format("only {} of {} watchers were told of a change", arrived_, watchers_.size()));
  return arrival_;
}

}  // namespace rookery::benchmark
