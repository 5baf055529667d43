#include "simulation/disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <new>
#include <optional>
#include <ranges>
#include <utility>

#include "error.h"

namespace rookery::simulation {

/// What SQLite has open; the file of the real disk follows it in memory.
struct DiskFile : sqlite3_file {
  Disk* disk;
  std::string* path;  // null: a temporary file

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  const sqlite3_io_methods& below() { return *real()->pMethods; }
  static DiskFile& of(sqlite3_file* file) { return *static_cast<DiskFile*>(file); }

  std::optional<int> trouble(int whenBroken) const {
    if (disk->frozen_ || disk->trouble_ == Disk::Trouble::Broken) return whenBroken;
    if (disk->trouble_ == Disk::Trouble::Full) return SQLITE_FULL;
    return std::nullopt;
  }
  /// What a power cut brings back, of the place that is about to be written to or cut off.
  void keep(sqlite3_int64 at, sqlite3_int64 count) {
    if (path == nullptr) return;
    sqlite3_int64 size = 0;
    check(below().xFileSize(real(), &size) == SQLITE_OK, "a file has a size");
    const sqlite3_int64 there = std::clamp<sqlite3_int64>(size - at, 0, count);
    std::string bytes(static_cast<std::size_t>(there), '\0');
    if (there > 0)
      check(below().xRead(real(), bytes.data(), static_cast<int>(there), at) == SQLITE_OK, "a file is read");
    disk->unsure_[*path].push_back({at, std::move(bytes), size});
  }

  static int close(sqlite3_file* file) {
    const int code = of(file).below().xClose(of(file).real());
    delete of(file).path;
    return code;
  }
  static int read(sqlite3_file* file, void* bytes, int count, sqlite3_int64 at) {
    return of(file).below().xRead(of(file).real(), bytes, count, at);
  }
  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 at) {
    if (const auto code = of(file).trouble(SQLITE_IOERR_WRITE)) return *code;
    of(file).keep(at, count);
    of(file).disk->onWrite({static_cast<const char*>(bytes), static_cast<std::size_t>(count)});
    return of(file).below().xWrite(of(file).real(), bytes, count, at);
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (const auto code = of(file).trouble(SQLITE_IOERR_TRUNCATE)) return *code;
    of(file).keep(size, std::numeric_limits<int>::max());
    return of(file).below().xTruncate(of(file).real(), size);
  }
  static int sync(sqlite3_file* file, int flags);
  static int fileSize(sqlite3_file* file, sqlite3_int64* size) {
    return of(file).below().xFileSize(of(file).real(), size);
  }
  static int lock(sqlite3_file* file, int kind) { return of(file).below().xLock(of(file).real(), kind); }
  static int unlock(sqlite3_file* file, int kind) { return of(file).below().xUnlock(of(file).real(), kind); }
  static int checkLock(sqlite3_file* file, int* reserved) {
    return of(file).below().xCheckReservedLock(of(file).real(), reserved);
  }
  static int control(sqlite3_file* file, int operation, void* argument) {
    return of(file).below().xFileControl(of(file).real(), operation, argument);
  }
  static int sectorSize(sqlite3_file* file) { return of(file).below().xSectorSize(of(file).real()); }
  /// What was made sure of stays when something is written beside it, as SQLite takes for granted; no more.
  static int promises(sqlite3_file* /*file*/) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }
  static int shmMap(sqlite3_file* file, int page, int size, int extend, void volatile** mapped) {
    return of(file).below().xShmMap(of(file).real(), page, size, extend, mapped);
  }
  static int shmLock(sqlite3_file* file, int offset, int count, int flags) {
    return of(file).below().xShmLock(of(file).real(), offset, count, flags);
  }
  static void shmBarrier(sqlite3_file* file) { of(file).below().xShmBarrier(of(file).real()); }
  static int shmUnmap(sqlite3_file* file, int remove) {
    return of(file).below().xShmUnmap(of(file).real(), remove);
  }
};

namespace {

/// The one of this process; null: there is none.
Disk* theDisk = nullptr;
sqlite3_vfs* realDisk = nullptr;

constexpr sqlite3_io_methods methods = {2,
                                        DiskFile::close,
                                        DiskFile::read,
                                        DiskFile::write,
                                        DiskFile::truncate,
                                        DiskFile::sync,
                                        DiskFile::fileSize,
                                        DiskFile::lock,
                                        DiskFile::unlock,
                                        DiskFile::checkLock,
                                        DiskFile::control,
                                        DiskFile::sectorSize,
                                        DiskFile::promises,
                                        DiskFile::shmMap,
                                        DiskFile::shmLock,
                                        DiskFile::shmBarrier,
                                        DiskFile::shmUnmap,
                                        nullptr,
                                        nullptr};

int openFile(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* file, int flags, int* opened) {
  check(theDisk != nullptr, "there is a simulated disk");
  auto* made = new (file) DiskFile{};
  made->disk = theDisk;
  const int code = realDisk->xOpen(realDisk, name, made->real(), flags, opened);
  if (code != SQLITE_OK) {
    file->pMethods = nullptr;
    return code;
  }
  file->pMethods = &methods;
  if (name != nullptr) made->path = new std::string(name);
  return code;
}

/// The unix VFS with another xOpen; all else goes where it went.
sqlite3_vfs makeVfs() {
  sqlite3_vfs vfs = *realDisk;
  vfs.zName = "simulated";
  vfs.szOsFile = static_cast<int>(sizeof(DiskFile)) + realDisk->szOsFile;
  vfs.pNext = nullptr;
  vfs.xOpen = openFile;
  return vfs;
}

}  // namespace

int DiskFile::sync(sqlite3_file* file, int /*flags*/) {
  DiskFile& here = of(file);
  if (const auto code = here.trouble(SQLITE_IOERR_FSYNC)) return *code;
  here.disk->aroundSync();
  if (here.disk->frozen_) return SQLITE_IOERR_FSYNC;
  if (here.path != nullptr) here.disk->unsure_[*here.path].clear();
  ++here.disk->syncs_;
  here.disk->aroundSync();
  return SQLITE_OK;
}

Disk::Disk() {
  check(theDisk == nullptr, "there is one simulated disk at a time");
  theDisk = this;
  if (realDisk == nullptr) {
    realDisk = sqlite3_vfs_find(nullptr);
    static sqlite3_vfs vfs = makeVfs();
    check(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK, "SQLite takes another disk");
  }
}

Disk::~Disk() { theDisk = nullptr; }

bool Disk::hasUnsure() const {
  return std::ranges::any_of(
      unsure_, [](const auto& item) { return !item.second.empty() && item.first.ends_with("-wal"); });
}

void Disk::thaw(bool powerCut) {
  frozen_ = false;
  if (!powerCut) return;
  for (auto& [path, writes] : unsure_) {
    if (!std::filesystem::exists(path)) continue;
    for (const Before& before : std::views::reverse(writes)) {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(before.at);
      file << before.bytes << std::flush;
      check(file.good(), "a file is brought back");
      std::filesystem::resize_file(path, static_cast<std::uintmax_t>(before.size));
    }
    writes.clear();
    std::filesystem::remove(path + "-shm");  // which is memory
  }
}

}  // namespace rookery::simulation
