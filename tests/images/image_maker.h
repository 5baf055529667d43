#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "error.h"

namespace rookery::images {

/// What a test image is to look like. The defaults make a valid image without devices.
struct ImageSpec {
  std::uint32_t target = 1;  // hvt
  std::uint32_t abiVersion = 2;
  std::vector<std::string> networks = {};  // device names: at most 67 bytes each
  std::vector<std::string> blocks = {};
  std::uint64_t size = 4096;  // bytes of the whole file; raised to what headers, notes and content need
  std::string content = {};   // goes into the body: other content, other digest
};

/// A static ELF64 file with Solo5's notes (sections and PT_NOTE segments), as a Solo5 toolchain links it as
/// far as a deployer can see. Nothing in it boots. The same spec gives the same bytes.
std::string makeImage(const ImageSpec& spec);

/// The same as a file, put in place by renaming: who watches `path` sees the old image or the new one. Memory
/// does not grow with the image's size, and what is only padding is a hole in the file. Error: SystemError.
Result<void> writeImage(const ImageSpec& spec, const std::filesystem::path& path);

}  // namespace rookery::images
