#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "error.h"
#include "file/settling.h"
#include "image/image.h"
#include "image/inspector.h"

namespace rookery::image {

/// Looks at image files on threads of its own, so that nobody waits for one that is large, or that lies on a
/// disk which does not answer: what cannot be told at once is read meanwhile, few files at a time. A file
/// that is still being written does not count, and is looked at again. One caller at a time.
class Lookout {
 public:
  /// Where the file is; called on a thread of the lookout. Its errors are what is told of the image.
  struct Located {
    // NOLINTNEXTLINE(google-explicit-constructor): a path by itself is that of a Solo5 image
    Located(std::filesystem::path at, Content what = Content::Solo5) : path(std::move(at)), content(what) {}
    std::filesystem::path path;
    Content content;
  };
  using Locate = std::function<Result<Located>()>;

  struct Options {
    /// Something that find() says has changed while nobody waited for it in look(). Called on one of the
    /// lookout's threads, under its lock: must not use it.
    std::function<void()> changed = {};
    std::size_t looking = 6;                    // files at a time, those that are read included
    std::size_t reading = 2;                    // files at a time that are read
    std::chrono::milliseconds progress{5'000};  // between two tellings of how much of a file has been read
  };

  /// Both are shared because a thread may be stuck in a read for longer than anything else lives.
  Lookout(std::shared_ptr<Inspector> inspector, std::shared_ptr<file::Settling> settling, Options options);
  ~Lookout();
  Lookout(const Lookout&) = delete;
  Lookout& operator=(const Lookout&) = delete;

  /// Looks at these, by whatever the caller calls them, and gives up all others. Waits until there is an
  /// answer to each, but no longer than `patience`, and not for those that are being read already.
  void look(std::map<std::string, Locate> images, std::chrono::milliseconds patience);

  /// Why there is no answer yet: BeingWritten, or ImageBeingRead (and how much has been).
  struct Unsettled {
    Error error;
    friend bool operator==(const Unsettled&, const Unsettled&) = default;
  };
  using Answer = std::expected<Result<Image>, Unsettled>;
  /// What is known of one that look() was given.
  Answer find(const std::string& name) const;

  /// Breaks off what is being read; nobody is told anything any more. A thread that its disk does not let go
  /// is left behind. look() begins anew.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace rookery::image
