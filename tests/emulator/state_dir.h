#pragma once

#include <filesystem>

#include "emulator/server.h"
#include "error.h"

namespace rookery::emulator {

/// A folder in which the emulated server's state outlives the emulator: state.json (policies and unikernels),
/// blocks.json, and the images and the contents of block devices by their digest. Boot arguments, and so
/// secrets, are in it: it is for its owner only.
class StateDir {
 public:
  /// Makes the folder where it is missing. Error: StateUnwritable.
  static Result<StateDir> open(std::filesystem::path path);

  /// What was saved last; nothing in a new folder. Errors: SourceUnreadable, ProtocolError (not what save()
  /// writes).
  Result<State> load() const;

  /// Replace the files as a whole. Error: StateUnwritable.
  Result<void> save(const Resources& resources) const;
  Result<void> saveBlocks(const Resources& resources) const;

 private:
  explicit StateDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace rookery::emulator
