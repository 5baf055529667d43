#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/object.h"

namespace rookery::simulation {

/// What people mean to run, and the files in which they say so.
class Fleet {
 public:
  struct Unikernel {
    std::string server;
    std::string file;
    char image = 'a';
    int memory = 32;
    int edit = 0;
    bool suspend = false;
    bool once = false;
    bool secret = false;  // has the password among its arguments
    bool adoptAlways = false;
    bool volume = false;    // has the volume as its device
    bool checked = false;   // has a health check
    bool rollback = false;  // and what was well is put back where an update fails
  };

  /// `pki`: has cert.pem and key.pem.
  explicit Fleet(std::filesystem::path pki);

  std::map<api::ObjectKey, Unikernel> unikernels;
  std::map<std::string, int> policyMemory;  // by namespace
  /// The one volume that there is, db/data.
  struct Volume {
    std::string server;
    char content = 'p';  // or 'q'
    friend bool operator==(const Volume&, const Volume&) = default;
  };
  std::optional<Volume> volume;
  std::vector<std::string> servers;  // that are declared
  int password = 0;                  // another number, another password

  /// Where a unikernel is asked whether it is well.
  static std::string addressOf(const api::ObjectKey& key) { return key.name + "." + key.nameSpace; }
  /// What was removed is there again as it was in the beginning; or the first of it.
  void declareAll();
  void declareOne();
  /// It gets another name.
  void renameFile(const std::string& from);
  /// By name.
  std::map<std::string, std::string> files() const;
  /// Nobody but the server may ever be told.
  static constexpr const char* secretMark = "s3cr3t";
  /// Its unikernels never get healthy.
  static constexpr char badImage = 'e';

 private:
  std::string instances() const;
  std::string policies() const;

  const std::filesystem::path pki_;
};

inline const api::ObjectKey volumeKey{api::Kind::UnikernelVolume, "db", "data"};
/// What a unikernel has: of those with a volume, an image with that device.
std::string imageNameOf(const Fleet::Unikernel& unikernel);

/// Where unikernels run in the simulation.
inline constexpr const char* serverNames[] = {"eu", "us"};

}  // namespace rookery::simulation
