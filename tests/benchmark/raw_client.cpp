#include "benchmark/raw_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "albatross/reply.h"
#include "tls/openssl.h"

namespace rookery::benchmark {

namespace {

constexpr std::size_t headerSize = 4;
constexpr std::size_t frameSize = std::size_t{1} << 16;
constexpr std::size_t longestReply = std::size_t{1} << 20;
constexpr timeval patience{.tv_sec = 30, .tv_usec = 0};

/// Closed with the object.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }

 private:
  int number_;
};

std::unexpected<Error> failed(std::string_view what) {
  const std::string system = std::strerror(errno);
  const std::string tls = tls::lastError();
  return fail(Reason::SystemError, fmt::format("{}: {}; OpenSSL says {}.", what, system, tls));
}

Result<Descriptor> connectTo(std::uint16_t port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return failed("No socket can be made");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  std::memcpy(&generic, &address, sizeof address);
  const int atOnce = 1;
  if (::connect(socket.get(), &generic, sizeof address) != 0 ||
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &atOnce, sizeof atOnce) != 0 ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
    return failed(fmt::format("No connection to port {}", port));
  }
  return socket;
}

bool writeAll(SSL* ssl, const std::string& bytes, std::size_t size) {
  std::size_t written = 0;
  return SSL_write_ex(ssl, bytes.data(), size, &written) == 1 && written == size;
}

/// The image in frames, each with its header before it in the same write, and the frame that ends it.
Result<void> sendImage(SSL* ssl, const std::filesystem::path& file) {
  const Descriptor image(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!image.valid()) return failed("The image cannot be opened");
  std::string frame(headerSize + frameSize, '\0');
  while (true) {
    const ssize_t length = ::read(image.get(), frame.data() + headerSize, frameSize);
    if (length < 0) return failed("The image cannot be read");
    const auto size = static_cast<std::size_t>(length);
    frame.replace(0, headerSize, albatross::frameHeader(size));
    if (!writeAll(ssl, frame, headerSize + size)) return failed("The image cannot be sent");
    if (size == 0) return {};
  }
}

bool readAll(SSL* ssl, std::string& bytes) {
  std::size_t got = 0;
  while (got < bytes.size()) {
    std::size_t more = 0;
    if (SSL_read_ex(ssl, bytes.data() + got, bytes.size() - got, &more) != 1) return false;
    got += more;
  }
  return true;
}

Result<void> readReply(SSL* ssl) {
  std::string header(headerSize, '\0');
  if (!readAll(ssl, header)) return failed("No reply came");
  std::size_t length = 0;
  for (const char byte : header) length = length << 8 | static_cast<unsigned char>(byte);
  std::string body(std::min(length, longestReply), '\0');
  if (!readAll(ssl, body)) return failed("The reply broke off");
  const auto reply = albatross::interpretReply(body, "", "127.0.0.1");
  return reply ? Result<void>{} : std::unexpected(reply.error());
}

/// One command on a connection of its own, with `image` where it takes one.
Result<void> command(const RawServer& server, const albatross::Domain& domain, const std::string& name,
                     const albatross::UnikernelCommand& asked, const std::filesystem::path* image) {
  const auto ssl = server.credential->prepare({domain}, name, asked, std::chrono::system_clock::now());
  if (!ssl) return std::unexpected(ssl.error());
  const auto socket = connectTo(server.port);
  if (!socket) return std::unexpected(socket.error());
  SSL* const client = ssl->get();
  if (SSL_set_fd(client, socket->get()) != 1 || SSL_connect(client) != 1) {
    return failed("No TLS handshake");
  }
  if (image != nullptr) {
    if (auto sent = sendImage(client, *image); !sent) return sent;
  }
  return readReply(client);
}

Result<void> createOne(const RawServer& server, const RawLoad& load, std::size_t number) {
  return command(server, load.domain, fmt::format("uk-{}", number),
                 albatross::unikernel::Create{{.image = {}, .arguments = load.arguments}}, &load.image);
}

double cpuOfThisThread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// All of one server; the CPU seconds of its thread.
Result<double> createOn(const RawServer& server, const RawLoad& load) {
  for (std::size_t i = 0; i < load.count; ++i) {
    if (auto created = createOne(server, load, i); !created) return std::unexpected(created.error());
  }
  return cpuOfThisThread();
}

}  // namespace

Result<RawCost> createPlainly(const std::vector<RawServer>& servers, const RawLoad& load) {
  std::vector<Result<double>> results(servers.size(), Result<double>(0));
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::jthread> threads;
  threads.reserve(servers.size());
  for (std::size_t i = 0; i < servers.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = createOn(servers[i], load); });
  }
  threads.clear();
  RawCost cost;
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (const auto& result : results) {
    if (!result) return std::unexpected(result.error());
    cost.cpu += *result;
  }
  return cost;
}

Result<void> destroyPlainly(const RawServer& server, const RawLoad& load, const std::string& name) {
  return command(server, load.domain, name, albatross::unikernel::Destroy{}, nullptr);
}

}  // namespace rookery::benchmark
