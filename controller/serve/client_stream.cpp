#include "serve/client_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rookery::serve {

bool ClientStream::awaitRequest() {
  const bool begun = begin_ < end_ || receive(Clock::now() + limits_.idle) > 0;
  deadline_ = Clock::now() + limits_.request;
  bytesLeft_ = limits_.requestBytes;
  return begun;
}

void ClientStream::beginResponse() { deadline_ = Clock::now() + limits_.response; }

void ClientStream::finish() {
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = Clock::now() + limits_.linger;
  for (std::size_t drained = 0; drained < limits_.lingerBytes;) {
    const ssize_t received = receive(deadline);
    if (received <= 0) return;
    drained += static_cast<std::size_t>(received);
  }
}

bool ClientStream::is_readable() const { return begin_ < end_ || wait(POLLIN, Clock::now()); }

bool ClientStream::is_writable() const { return wait(POLLOUT, Clock::now()); }

ssize_t ClientStream::read(char* data, std::size_t size) {
  if (bytesLeft_ == 0) return -1;
  if (begin_ == end_) {
    const ssize_t received = receive(deadline_);
    if (received <= 0) return received;
  }
  const std::size_t count = std::min({size, end_ - begin_, bytesLeft_});
  std::memcpy(data, buffer_.data() + begin_, count);
  begin_ += count;
  bytesLeft_ -= count;
  return static_cast<ssize_t>(count);
}

ssize_t ClientStream::write(const char* data, std::size_t size) {
  while (wait(POLLOUT, deadline_)) {
    const ssize_t sent = ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    if (errno != EINTR && errno != EAGAIN) return -1;
  }
  return -1;
}

bool ClientStream::wait(short events, Clock::time_point deadline) const {
  pollfd entry{.fd = socket_, .events = events, .revents = 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  const auto timeout = static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
  return ::poll(&entry, 1, timeout) > 0;
}

ssize_t ClientStream::receive(Clock::time_point deadline) {
  begin_ = end_ = 0;
  while (wait(POLLIN, deadline)) {
    const ssize_t received = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (received >= 0) {
      end_ = static_cast<std::size_t>(received);
      return received;
    }
    if (errno != EINTR && errno != EAGAIN) return -1;
  }
  return -1;
}

}  // namespace rookery::serve
