#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstddef>

namespace rookery::serve {

/// How much of a server's time and memory one client may take.
struct StreamLimits {
  std::chrono::milliseconds idle{5'000};       // until the first byte of a request comes
  std::chrono::milliseconds request{5'000};    // from there until the whole of its head has come
  std::chrono::milliseconds response{30'000};  // until all of the answer has been taken
  std::chrono::milliseconds linger{1'000};     // for the client to close after the last answer
  std::size_t requestBytes = 64 << 10;         // of a request's head
  std::size_t lingerBytes = 1 << 20;           // of a body that nobody reads
};

/// A connection as httplib reads and writes it, within limits that httplib lacks: it bounds each line and
/// each wait for a byte, but not a request as a whole, which a client can therefore draw out or swell for
/// ever. One thread at a time.
class ClientStream : public httplib::Stream {
 public:
  /// Does not own the socket.
  explicit ClientStream(int socket, const StreamLimits& limits = {}) : socket_(socket), limits_(limits) {}

  /// Waits for a request to begin, and starts its limits. False: the client went away, or sent nothing for
  /// too long.
  bool awaitRequest();
  /// The head of the request is complete: from now the limit of the response counts.
  void beginResponse();
  /// Ends what is sent and lets the client finish, so that closing does not reset the connection (as unread
  /// input would make it) before the client has read the answer.
  void finish();

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  // Nobody asks for the addresses or the descriptor; httplib only refuses descriptors that select() cannot
  // take, which is not used here.
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  using Clock = std::chrono::steady_clock;

  bool wait(short events, Clock::time_point deadline) const;
  /// Refills the empty buffer. As recv(2): 0 at the end, -1 on failure or when a limit is reached.
  ssize_t receive(Clock::time_point deadline);

  int socket_;
  StreamLimits limits_;
  Clock::time_point deadline_;
  std::size_t bytesLeft_ = 0;
  std::array<char, 4096> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace rookery::serve
