#include "images/image_server.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <optional>
#include <thread>
#include <utility>

#include "error.h"

namespace rookery::images {

struct ImageServer::State {
  std::optional<std::pair<std::string, std::string>> identity;  // files of certificate and key
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::map<std::string, File> files;
  std::vector<Asked> asked;
  bool released = false;
  int port = 0;
  std::unique_ptr<httplib::Server> server;
  std::thread thread;

  void answer(const httplib::Request& request, httplib::Response& response);
  void send(const httplib::Request& request, httplib::Response& response, const File& file);
  bool sendPiece(const File& file, std::size_t offset, std::uint64_t begin, httplib::DataSink& sink);
};

void ImageServer::State::answer(const httplib::Request& request, httplib::Response& response) {
  File file{.status = 404};
  {
    const std::lock_guard lock(mutex);
    asked.push_back({request.path, request.get_header_value("Range"), request.get_header_value("If-Range")});
    const auto found = files.find(request.path);
    if (found != files.end()) file = found->second;
  }
  changed.notify_all();
  if (!file.retryAfter.empty()) response.set_header("Retry-After", file.retryAfter);
  if (!file.redirect.empty()) return response.set_redirect(file.redirect);
  if (file.status == 200) return send(request, response, file);  // 206 is for the library to say
  response.status = file.status;
  response.set_content("<h1>This is no image</h1>", "text/html");
}

void ImageServer::State::send(const httplib::Request& request, httplib::Response& response,
                              const File& file) {
  // As RFC 9110 has it, section 13.1.5; the library knows ranges, but not this.
  const std::string ifRange = request.get_header_value("If-Range");
  const bool part = file.ranges && !request.ranges.empty() && (ifRange.empty() || ifRange == file.etag);
  if (!part) const_cast<httplib::Request&>(request).ranges.clear();
  if (!file.etag.empty()) response.set_header("ETag", file.etag);
  const std::uint64_t begin = part ? static_cast<std::uint64_t>(request.ranges.front().first) : 0;
  const std::size_t length = file.announce > 0 ? file.announce : file.bytes.size();
  response.set_content_provider(
      length, "application/octet-stream",
      [this, file, begin](std::size_t offset, std::size_t, httplib::DataSink& sink) {
        return sendPiece(file, offset, begin, sink);
      });
}

/// False: the connection is to be closed.
bool ImageServer::State::sendPiece(const File& file, std::size_t offset, std::uint64_t begin,
                                   httplib::DataSink& sink) {
  std::size_t end = std::min(offset + file.piece, file.bytes.size());
  if (file.cutAfter > 0) end = std::min<std::size_t>(end, begin + file.cutAfter);
  if (file.held && offset < file.bytes.size() / 2) end = std::min(end, file.bytes.size() / 2);
  if (file.held && offset >= file.bytes.size() / 2) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return released; });
  }
  if (end <= offset) return false;
  return sink.write(file.bytes.data() + offset, end - offset);
}

ImageServer::ImageServer() : state_(std::make_unique<State>()) { listen(); }

ImageServer::ImageServer(const std::filesystem::path& certificate, const std::filesystem::path& key)
    : state_(std::make_unique<State>()) {
  state_->identity = {certificate.string(), key.string()};
  listen();
}

ImageServer::~ImageServer() {
  release();
  stop();
}

void ImageServer::listen() {
  State& state = *state_;
  if (state.identity) {
    state.server =
        std::make_unique<httplib::SSLServer>(state.identity->first.c_str(), state.identity->second.c_str());
  } else {
    state.server = std::make_unique<httplib::Server>();
  }
  state.server->set_keep_alive_max_count(1);  // a stop waits for no connection that is kept
  state.server->Get(".*", [&state](const httplib::Request& request, httplib::Response& response) {
    state.answer(request, response);
  });
  if (state.port == 0) {
    state.port = state.server->bind_to_any_port("127.0.0.1");
  } else {
    check(state.server->bind_to_port("127.0.0.1", state.port), "the port is still free");
  }
  state.thread = std::thread([&state] { state.server->listen_after_bind(); });
}

void ImageServer::stop() {
  if (!state_->thread.joinable()) return;
  while (!state_->server->is_running()) std::this_thread::yield();  // stop() would do nothing
  state_->server->stop();
  state_->thread.join();
}

void ImageServer::put(const std::string& path, File file) {
  const std::lock_guard lock(state_->mutex);
  state_->files[path] = std::move(file);
}

void ImageServer::release() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->released = true;
  }
  state_->changed.notify_all();
}

std::string ImageServer::url(const std::string& path) const {
  return fmt::format("{}://127.0.0.1:{}{}", state_->identity ? "https" : "http", state_->port, path);
}

std::vector<ImageServer::Asked> ImageServer::asked() const {
  const std::lock_guard lock(state_->mutex);
  return state_->asked;
}

std::size_t ImageServer::countOf(const std::string& path) const {
  return static_cast<std::size_t>(std::ranges::count(asked(), path, &Asked::path));
}

bool ImageServer::waitForRequests(const std::string& path, std::size_t count) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::minutes(1), [&] {
    return std::cmp_greater_equal(std::ranges::count(state_->asked, path, &Asked::path), count);
  });
}

}  // namespace rookery::images
