#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "error.h"
#include "image/image.h"
#include "image/inspector.h"
#include "image/pull/hosts.h"
#include "image/pull/transfer.h"
#include "image/store.h"

namespace rookery::image {

/// Brings images into the store: each content once, however many name it, and from whichever of their URLs
/// gives it. What breaks off goes on where it was, unless its room was needed meanwhile; what fails is tried
/// again, later each time. An image is in the store only once its SHA-256 is the one that was asked for and
/// it is a Solo5 image. Thread-safe; the work is done on a thread of its own, which begins with the first
/// image that is missing.
class Puller {
 public:
  /// One attempt and how it ended.
  struct Attempt {
    Remote remote;
    std::uint64_t bytes = 0;  // that came
    std::chrono::nanoseconds duration{0};
    std::optional<Error> error;  // absent: the image is in the store
  };

  struct Options {
    /// Something that find() says has changed. On the puller's thread.
    std::function<void()> changed = {};
    /// On the puller's thread.
    std::function<void(const Attempt&)> ended = {};
    std::chrono::milliseconds firstRetry{1'000};
    std::chrono::milliseconds longestRetry{300'000};
    Transfer::Patience patience = {};
    std::size_t parallel = 8;  // images at a time
    /// Where all images must come from; nothing: from anywhere, but for anybody's.
    std::optional<Hosts> hosts = {};
  };

  /// Both must outlive it.
  Puller(ImageStore& store, Inspector& inspector, Options options);
  ~Puller();
  Puller(const Puller&) = delete;
  Puller& operator=(const Puller&) = delete;

  /// These are wanted, and no others: pulls what is not there, and gives up what is wanted no more.
  void want(const std::set<Remote>& remotes);
  /// Gives up everything and waits for the thread's end. Not while another thread calls want().
  void stop();

  /// The image, if it is in the store. Errors: ImagePulling (on its way, or not asked for yet),
  /// DigestMismatch, those of Transfer, ImageInvalid, ImageUnreadable. StoreUnwritable is none that lasts: it
  /// is tried again as others are.
  std::expected<Image, Missing> find(const Remote& remote);

 private:
  struct State;
  class Worker;

  std::unique_ptr<State> state_;
};

}  // namespace rookery::image
