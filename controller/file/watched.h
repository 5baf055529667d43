#pragma once

#include <filesystem>
#include <string>

#include "error.h"
#include "file/settling.h"

namespace rookery::file {

/// What changes when a file is written or replaced, through symbolic links (as Kubernetes mounts Secrets):
/// device, inode, size and times. "absent" when there is none.
std::string versionOf(const std::filesystem::path& file);

/// The whole of a small file of credentials. `settling` tells whether it is still being written; null: it is
/// read for the first time, when no other content is in use (see read). `what` names it in the Errors:
/// BeingWritten; CredentialInvalid, which says why it cannot be read, or that it is larger than 1 MiB.
Result<std::string> readCredentialFile(const std::filesystem::path& file, std::string_view what,
                                       Settling* settling);

/// Which news of watched files has been told: of each change that is of no use once, and once that somebody
/// is writing, however often that changes them.
class ToldOfFiles {
 public:
  /// Whether this is to be told of the files in this version.
  bool isNews(const std::string& version, const Error& error);
  /// They are of use.
  void settled() { writing_ = false; }

 private:
  std::string version_;
  bool writing_ = false;
};

}  // namespace rookery::file
