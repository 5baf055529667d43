#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace rookery::file {

/// Room on a file system, in bytes.
struct DiskRoom {
  std::uint64_t left;     // may be written
  std::uint64_t reserve;  // is left free beyond that, unless others take it
};

/// What may be written to the file system of `folder`: all but a reserve of 256 MiB, or 5 % of a small one. A
/// process that can no longer write its state stops reconciling for everybody: what others send must not
/// bring that about. Where the file system does not tell, anything may be written. Thread-safe.
DiskRoom diskRoom(const std::filesystem::path& folder);

/// That there is no more room than the reserve, as the cause in a sentence: "No space left on device, but …".
std::string noRoomBut(std::uint64_t reserve);

/// "512 bytes", "3 MiB": whole ones, rounded up.
std::string inUnits(std::uint64_t bytes);

}  // namespace rookery::file
