#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace rookery::images {

/// A web server on loopback with files that images are pulled from, and with the faults of such servers. What
/// it is to do may be changed while it runs.
class ImageServer {
 public:
  /// How a path is answered.
  struct File {
    std::string bytes = {};
    int status = 200;
    std::string etag = {};         // quoted
    std::string redirect = {};     // a URL: status 302
    std::string retryAfter = {};   // a header
    std::uint64_t cutAfter = 0;    // bytes of an answer, then the connection is closed; 0: it is not
    std::uint64_t announce = 0;    // Content-Length; 0: the true one
    bool ranges = true;            // whether it can send the rest only
    std::size_t piece = 1u << 16;  // bytes that are sent at a time
    bool held = false;             // sends half, then waits until release()
  };
  struct Asked {
    std::string path;
    std::string range;  // "bytes=100-", or empty
    std::string ifRange;
  };

  /// http; https with a certificate for 127.0.0.1 and its key, PEM files.
  ImageServer();
  ImageServer(const std::filesystem::path& certificate, const std::filesystem::path& key);
  ~ImageServer();
  ImageServer(const ImageServer&) = delete;
  ImageServer& operator=(const ImageServer&) = delete;

  void put(const std::string& path, File file);
  void release();
  /// Nothing listens any more, until the next listen(), on the same port.
  void stop();
  void listen();

  std::string url(const std::string& path) const;
  /// The requests, in their order. One by way of a proxy has a whole URL as path.
  std::vector<Asked> asked() const;
  std::size_t countOf(const std::string& path) const;
  /// Returns once there were that many requests for `path`; false: there were not within a minute.
  bool waitForRequests(const std::string& path, std::size_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::images
