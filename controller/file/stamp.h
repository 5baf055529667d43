#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

namespace rookery::file {

/// A file's time: since the epoch, in two parts because either end of what a file system stores overflows
/// one.
struct FileTime {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  auto operator<=>(const FileTime&) const = default;
};

/// The same time, and back; a time that the clock cannot have becomes the nearest that it can.
FileTime toFileTime(const timespec& time);
FileTime toFileTime(std::chrono::system_clock::time_point time);
std::chrono::system_clock::time_point toSystemTime(const FileTime& time);

/// What tells one state of a file from another without reading it. The change time is in it because tools
/// that copy a modification time (cp -p, rsync -t) cannot set that one.
struct Stamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  FileTime modified;
  FileTime changed;

  /// Which file it is, however it is called.
  std::pair<std::uint64_t, std::uint64_t> id() const { return {device, inode}; }
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

Stamp stampOf(const struct stat& status);
/// The stamp of what `path` leads to now; nothing when it cannot be had.
std::optional<Stamp> stampOf(const std::filesystem::path& path);
/// The stamp of an open file; nothing when it cannot be had.
std::optional<Stamp> stampOf(int descriptor);

}  // namespace rookery::file
