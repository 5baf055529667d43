#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::simulation {

/// The disk below SQLite: what is written to a file is there for whoever reads it, and gone with the power
/// unless it was made sure of (fsync) before. The files are real ones. One at a time, for one thread.
class Disk {
 public:
  Disk();
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  enum class Trouble { None, Full, Broken };
  void setTrouble(Trouble trouble) { trouble_ = trouble; }

  /// Who writes has died: nothing of what it still does reaches the disk.
  void freeze() { frozen_ = true; }
  /// It has closed all its files, and another may follow. With a power cut, what was not made sure of is
  /// lost.
  void thaw(bool powerCut);

  /// Something that a database's log was told could be lost.
  bool hasUnsure() const;
  /// How often something was made sure of.
  std::uint64_t syncs() const { return syncs_; }
  /// Told what is written, which is all that is ever on the disk of it.
  std::function<void(std::string_view bytes)> onWrite = [](auto) {};
  /// Called before and after something is made sure of.
  std::function<void()> aroundSync = [] {};

 private:
  friend struct DiskFile;
  /// What a write took the place of, in a file that was so long.
  struct Before {
    std::int64_t at;
    std::string bytes;
    std::int64_t size;
  };

  Trouble trouble_ = Trouble::None;
  bool frozen_ = false;
  std::uint64_t syncs_ = 0;
  std::map<std::string, std::string> contents_;        // by path, of what is or was open
  std::map<std::string, std::vector<Before>> unsure_;  // by path: what there would be after a power cut
};

}  // namespace rookery::simulation
