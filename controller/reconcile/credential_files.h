#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "albatross/client/certificate.h"
#include "api/object.h"
#include "error.h"
#include "file/settling.h"

namespace rookery::reconcile {

/// The credentials of instances that name files. Files are not replaced all at once: while what they hold is
/// being written, or is of no use, the credential that was read before stays. One thread at a time.
class CredentialFiles {
 public:
  using Pem = albatross::Pem;
  using Files = api::AlbatrossInstance::Files;

  /// What an instance is to use.
  struct Read {
    Result<Pem> pem;                     // errors: CredentialInvalid (says which file, and why), BeingWritten
    std::optional<Error> standing = {};  // why `pem` is what the files held before
    std::optional<std::chrono::milliseconds> lookAgainIn = {};  // a file is being written
  };

  explicit CredentialFiles(file::Settling& settling) : settling_(settling) {}

  Read read(const std::string& instance, const Files& files);
  /// Others are not there any more.
  void keepOnly(const std::set<std::string>& instances);

 private:
  struct Known {
    Files files;
    Pem pem;
  };

  Read standing(const std::string& instance, const Files& files, Error error);

  file::Settling& settling_;
  std::map<std::string, Known> good_;  // by instance: what could be used last
};

}  // namespace rookery::reconcile
