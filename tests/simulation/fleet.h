#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/object.h"

namespace rookery::simulation {

/// What people mean to run, and the files in which they say so.
class Fleet {
 public:
  struct Unikernel {
    std::string server;  // where it runs, unless it has a placement
    std::string file;
    enum class Placement {
      None,
      Everywhere,  // a replica on each server
      Somewhere    // one, that goes to another server when its own is out of reach for long
    } placement = Placement::None;
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
  std::chrono::seconds stream{600};  // that an image may take, and what became of a command may be unknown

  /// Where a unikernel is asked whether it is well; `server`: one of several that it is on.
  static std::string addressOf(const api::ObjectKey& key, const std::string& server = "") {
    return key.name + "." + key.nameSpace + (server.empty() ? "" : "." + server);
  }
  /// The servers that it is to be on; empty: on one that is not ours to choose.
  std::set<std::string> homesOf(const Unikernel& unikernel) const;
  /// That its own server has to be out of reach before one goes to another.
  static constexpr std::chrono::minutes failoverAfter{5};
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
