#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::http {

/// How much of a server's time and memory one client may take.
struct StreamLimits {
  std::chrono::milliseconds idle{5'000};       // until the first byte of a request comes
  std::chrono::milliseconds request{5'000};    // for a TLS handshake, and for the head of a request
  std::chrono::milliseconds bodyIdle{10'000};  // between two pieces of a body
  std::chrono::milliseconds response{30'000};  // until all of an answer, or of a piece of one, has been taken
  std::chrono::milliseconds linger{1'000};     // for the client to close after the last answer
  std::chrono::milliseconds grace{30'000};     // that a body may be behind its rate
  std::size_t bytesPerSecond = 16 << 10;       // the least rate of a body
  std::size_t requestBytes = 64 << 10;         // of a request's head, or of a body's chunk header and trailer
  std::size_t lingerBytes = 1 << 20;           // of a body that nobody reads
};

/// Until when the next piece of a transfer must have moved, so that it neither stops nor crawls.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  /// `pause`: the longest time without a byte.
  Pace(const StreamLimits& limits, std::chrono::milliseconds pause, Clock::time_point start = Clock::now())
      : limits_(limits), pause_(pause), start_(start) {}

  void moved(std::size_t bytes) { bytes_ += bytes; }
  Clock::time_point deadline(Clock::time_point now = Clock::now()) const;

 private:
  StreamLimits limits_;
  std::chrono::milliseconds pause_;
  Clock::time_point start_;
  std::size_t bytes_ = 0;
};

/// A client's connection: bytes in and out, each wait under a deadline. One thread at a time; what the
/// transport is (TCP here, TLS in TlsStream) changes only how bytes get through it.
class ClientStream {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Received { Bytes, End, TimedOut, Failed };

  /// Does not own the socket.
  explicit ClientStream(int socket, const StreamLimits& limits = {}) : socket_(socket), limits_(limits) {}
  virtual ~ClientStream() = default;
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  const StreamLimits& limits() const { return limits_; }

  /// What the transport does before the first request. False: it failed, and nothing can be sent.
  virtual bool open() { return true; }
  virtual bool encrypted() const { return false; }
  /// The common name of the client's certificate, if it showed one that is trusted still.
  virtual std::optional<std::string> commonName() { return std::nullopt; }

  /// Waits for a request to begin. False: the client went away, or sent nothing for too long.
  bool awaitRequest();
  /// What has been received and not consumed yet; valid until the next call of receive or consume.
  std::string_view pending() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) { begin_ += bytes; }
  /// Adds to what is pending. What is pending grows only as far as the caller lets it.
  Received receive(Clock::time_point deadline);

  /// All of it. False: the client went away or did not take it in time.
  bool send(std::string_view bytes, Clock::time_point deadline);
  /// Whether the client has closed its side: it does not wait for an answer any more.
  bool gone();
  /// Ends what is sent and lets the client finish, so that closing does not reset the connection (as unread
  /// input would make it) before the client has read the answer.
  void finish();

 protected:
  /// How one attempt to move bytes ended.
  struct Attempt {
    enum class State { Done, WantRead, WantWrite, End, Failed };
    State state = State::Failed;
    std::size_t bytes = 0;
  };

  virtual Attempt tryReceive(char* data, std::size_t size);
  virtual Attempt trySend(const char* data, std::size_t size);
  /// As tryReceive, of one byte that stays; never waits.
  virtual Attempt peek();
  /// Tells the client, as the transport does, that nothing more is sent.
  virtual void sayGoodbye() {}

  /// False when the deadline passed first.
  bool wait(Attempt::State wanted, Clock::time_point deadline) const;
  const int& socketNumber() const { return socket_; }

 private:
  const int socket_;
  StreamLimits limits_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace rookery::http
