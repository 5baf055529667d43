#include "http/client_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace rookery::http {
namespace {

constexpr std::size_t receiveBytes = 16 << 10;  // at least: no record of TLS has more
constexpr std::size_t mostAtOnce = 64 << 10;

}  // namespace

Pace::Clock::time_point Pace::deadline(Clock::time_point now) const {
  const std::chrono::milliseconds earned(bytes_ * 1000 / std::max<std::size_t>(limits_.bytesPerSecond, 1));
  return std::min(now + pause_, start_ + limits_.grace + earned);
}

bool ClientStream::awaitRequest() {
  return begin_ < end_ || receive(Clock::now() + limits_.idle) == Received::Bytes;
}

ClientStream::Received ClientStream::receive(Clock::time_point deadline) {
  if (begin_ > 0) {  // what was consumed makes room
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  const std::size_t before = end_;
  while (true) {
    if (buffer_.size() < end_ + receiveBytes) buffer_.resize(end_ + receiveBytes);
    const Attempt attempt = tryReceive(buffer_.data() + end_, buffer_.size() - end_);
    if (attempt.state == Attempt::State::Done) {
      end_ += attempt.bytes;
      // As much as that is of something long, of which there may be more.
      if (attempt.bytes >= receiveBytes && end_ - before < mostAtOnce) continue;
      return Received::Bytes;
    }
    if (end_ > before) return Received::Bytes;  // what ended them is said again
    if (attempt.state == Attempt::State::End) return Received::End;
    if (attempt.state == Attempt::State::Failed) return Received::Failed;
    if (!wait(attempt.state, deadline)) return Received::TimedOut;
  }
}

bool ClientStream::send(std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const Attempt attempt = trySend(bytes.data(), bytes.size());
    if (attempt.state == Attempt::State::End || attempt.state == Attempt::State::Failed) return false;
    if (attempt.state == Attempt::State::Done) {
      bytes.remove_prefix(attempt.bytes);
    } else if (!wait(attempt.state, deadline)) {
      return false;
    }
  }
  return true;
}

bool ClientStream::gone() {
  pollfd entry{.fd = socket_, .events = POLLRDHUP, .revents = 0};
  if (::poll(&entry, 1, 0) > 0) return true;
  const Attempt attempt = peek();
  return attempt.state == Attempt::State::End || attempt.state == Attempt::State::Failed;
}

void ClientStream::finish() {
  sayGoodbye();
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = Clock::now() + limits_.linger;
  std::array<char, receiveBytes> ignored{};
  for (std::size_t drained = 0; drained < limits_.lingerBytes;) {
    const Attempt attempt = ClientStream::tryReceive(ignored.data(), ignored.size());
    if (attempt.state == Attempt::State::Done) {
      drained += attempt.bytes;
    } else if (attempt.state != Attempt::State::WantRead || !wait(attempt.state, deadline)) {
      return;
    }
  }
}

ClientStream::Attempt ClientStream::tryReceive(char* data, std::size_t size) {
  const ssize_t received = ::recv(socket_, data, size, MSG_DONTWAIT);
  if (received > 0) return {Attempt::State::Done, static_cast<std::size_t>(received)};
  if (received == 0) return {Attempt::State::End};
  return {errno == EINTR || errno == EAGAIN ? Attempt::State::WantRead : Attempt::State::Failed};
}

ClientStream::Attempt ClientStream::trySend(const char* data, std::size_t size) {
  const ssize_t sent = ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return {Attempt::State::Done, static_cast<std::size_t>(sent)};
  return {errno == EINTR || errno == EAGAIN ? Attempt::State::WantWrite : Attempt::State::Failed};
}

ClientStream::Attempt ClientStream::peek() {
  char byte = 0;
  const ssize_t received = ::recv(socket_, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  if (received > 0) return {Attempt::State::Done, 1};
  if (received == 0) return {Attempt::State::End};
  return {errno == EINTR || errno == EAGAIN ? Attempt::State::WantRead : Attempt::State::Failed};
}

bool ClientStream::wait(Attempt::State wanted, Clock::time_point deadline) const {
  pollfd entry{.fd = socket_, .events = 0, .revents = 0};
  entry.events = wanted == Attempt::State::WantWrite ? POLLOUT : POLLIN;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  if (left.count() <= 0) return false;
  return ::poll(&entry, 1, static_cast<int>(left.count())) != 0;  // an interruption is a reason to try again
}

}  // namespace rookery::http
