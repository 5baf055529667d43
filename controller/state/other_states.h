#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "albatross/name.h"

namespace rookery::state {

/// The state directories besides one's own that a Rookery on this machine is likely to have, or has when this
/// is made. Two that count
/// the same unikernel as theirs would take it from each other for ever.
class OtherStates {
 public:
  /// `own`: the state directory of this process.
  explicit OtherStates(const std::filesystem::path& own);

  /// The unikernels on a server that another of them remembers, each with that directory. Those that cannot
  /// be read are passed over: they are another user's. From any thread; reads from the disk.
  std::map<albatross::Name, std::filesystem::path> ownedOn(const std::string& serverKey) const;

 private:
  std::vector<std::filesystem::path> folders_;
};

}  // namespace rookery::state
