#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "file/settling.h"
#include "file/stamp.h"

namespace rookery::file {

/// A file as it was at one time.
struct Content {
  std::string bytes;
  Stamp stamp;
};

/// Why there is no Content, and the rest of a sentence about it: "it is being written: …", "Permission
/// denied".
struct Unread {
  enum class Kind {
    Missing,
    Unreadable,
    Directory,
    NotRegular,    // a FIFO, a device
    TooLarge,      // more bytes than were allowed
    BeingWritten,  // not whole: what it was counts
  };
  Kind kind = Kind::Unreadable;
  std::string why;
  std::chrono::milliseconds lookAgainIn{0};  // where it is BeingWritten
  int cause = 0;                             // as errno, where a system call failed
};

/// The whole of the regular file that `path` leads to, as one version: it did not change from before to
/// after, and nobody is writing it. Tried three times where it changes meanwhile. Never waits for a FIFO or a
/// device; of a file with more than `most` bytes nothing is kept.
///
/// Without `settling`, for what is read only once, or for the first time, when there is nothing else that
/// counts: only who is known to have it open for writing keeps it from counting, and not that it was changed
/// a moment ago.
std::expected<Content, Unread> read(const std::filesystem::path& path, std::size_t most,
                                    Settling* settling = nullptr);

/// The first bytes of a regular file, `most` of them at most and no less than one, whoever is writing it.
std::expected<std::string, Unread> readStart(const std::filesystem::path& path, std::size_t most);

/// Everything in a folder, in no order; what cannot be listed is left out.
std::vector<std::filesystem::path> entriesOf(const std::filesystem::path& folder);

}  // namespace rookery::file
