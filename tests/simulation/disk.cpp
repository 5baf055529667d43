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
  std::string* path;     // null: a temporary file
  std::string* content;  // of Disk::contents_; null: likewise

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
    const auto size = static_cast<sqlite3_int64>(content->size());
    const sqlite3_int64 there = std::clamp<sqlite3_int64>(size - at, 0, count);
    std::string bytes =
        there == 0 ? "" : content->substr(static_cast<std::size_t>(at), static_cast<std::size_t>(there));
    disk->unsure_[*path].push_back({at, std::move(bytes), size});
  }

  /// What is in the file, which may have been another when it was open last.
  std::string* load() {
    sqlite3_int64 size = 0;
    check(below().xFileSize(real(), &size) == SQLITE_OK, "a file has a size");
    std::string& all = disk->contents_[*path];
    all.assign(static_cast<std::size_t>(size), '\0');
    if (size > 0)
      check(below().xRead(real(), all.data(), static_cast<int>(size), 0) == SQLITE_OK, "a file is read");
    return &all;
  }

  static int close(sqlite3_file* file) {
    const int code = of(file).below().xClose(of(file).real());
    delete of(file).path;
    return code;
  }
  /// Of the copy in memory: whoever starts reads all that was ever written, a page at a time.
  static int read(sqlite3_file* file, void* bytes, int count, sqlite3_int64 at) {
    if (of(file).content == nullptr) return of(file).below().xRead(of(file).real(), bytes, count, at);
    const std::string_view all = *of(file).content;
    const auto wanted = static_cast<std::size_t>(count);
    const std::string_view there = all.substr(std::min(static_cast<std::size_t>(at), all.size()), wanted);
    std::ranges::copy(there, static_cast<char*>(bytes));
    std::fill_n(static_cast<char*>(bytes) + there.size(), wanted - there.size(), '\0');
    return there.size() == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }
  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 at) {
    if (const auto code = of(file).trouble(SQLITE_IOERR_WRITE)) return *code;
    of(file).keep(at, count);
    const std::string_view written(static_cast<const char*>(bytes), static_cast<std::size_t>(count));
    of(file).disk->onWrite(written);
    const int code = of(file).below().xWrite(of(file).real(), bytes, count, at);
    if (code != SQLITE_OK || of(file).content == nullptr) return code;
    std::string& all = *of(file).content;
    const auto begin = static_cast<std::size_t>(at);
    all.resize(std::max(all.size(), begin + written.size()));
    std::ranges::copy(written, all.begin() + at);
    return code;
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (const auto code = of(file).trouble(SQLITE_IOERR_TRUNCATE)) return *code;
    of(file).keep(size, std::numeric_limits<int>::max());
    const int code = of(file).below().xTruncate(of(file).real(), size);
    if (code == SQLITE_OK && of(file).content != nullptr)
      of(file).content->resize(static_cast<std::size_t>(size));
    return code;
  }
  static int sync(sqlite3_file* file, int flags);
  static int fileSize(sqlite3_file* file, sqlite3_int64* size) {
    if (of(file).content == nullptr) return of(file).below().xFileSize(of(file).real(), size);
    *size = static_cast<sqlite3_int64>(of(file).content->size());
    return SQLITE_OK;
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
  if (name != nullptr) {
    made->path = new std::string(name);
    made->content = made->load();
  }
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
