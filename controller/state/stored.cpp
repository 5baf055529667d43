#include "state/stored.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

#include "file/atomic.h"
#include "state/former_files.h"
#include "state/state_error.h"

namespace rookery::state {

namespace fs = std::filesystem;

namespace {

/// Of the files that SQLite has beside a database.
constexpr std::array sideFiles = {"-wal", "-shm", "-journal"};

Result<void> moveAway(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return {};
  return stateUnwritable(from, errno);
}

/// The database goes first: what is left of it after a crash in between is no part of another.
Result<void> setDatabaseAside(const fs::path& file) {
  const fs::path aside = asideName(file, ".corrupt");
  if (auto moved = moveAway(file, aside); !moved) return moved;
  for (const char* side : sideFiles) {
    if (auto moved = moveAway(file.string() + side, aside.string() + side); !moved) return moved;
  }
  return {};
}

DatabaseResult<void> fill(Database& database, const Content& content) {
  if (auto begun = database.run("BEGIN;"); !begun) return begun;
  if (auto created = createTables(database); !created) return created;
  auto tables = TableWriter::of(database);
  if (!tables) return std::unexpected(tables.error());
  DatabaseResult<void> done;
  const auto put = [&](const Change& change) {
    if (done) done = tables->apply(change);
  };
  for (const auto& [server, inventory] : content.inventories) {
    for (const auto& [name, entry] : inventory) put(entry);
  }
  for (const auto& [server, volumes] : content.volumes) {
    for (const auto& [name, entry] : volumes) put(entry);
  }
  for (const auto& [server, changes] : content.restartChangesMemory) put(ServerMemory{server, changes});
  for (const auto& [key, known] : content.identities) put(KnownObject{key, known});
  return done ? database.run("COMMIT;") : done;
}

DatabaseResult<void> fill(const fs::path& file, const Content& content) {
  auto database = Database::open(file);
  if (!database) return std::unexpected(database.error());
  auto filled = fill(*database, content);
  return filled ? database->run("PRAGMA journal_mode = WAL;") : filled;
}

/// A database is there as a whole or not at all.
Result<void> createDatabase(const fs::path& folder, const Content& content) {
  const fs::path file = databaseIn(folder), draft = file.string() + ".new";
  ::unlink(draft.c_str());
  for (const char* side : sideFiles) ::unlink((draft.string() + side).c_str());
  // SQLite would let others read it; what it puts beside a file has the same mode.
  const int made = ::open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) return stateUnwritable(draft, errno);
  ::close(made);
  if (auto filled = fill(draft, content); !filled) return stateUnwritable(file, filled.error());
  if (std::rename(draft.c_str(), file.c_str()) != 0) return stateUnwritable(file, errno);
  if (const int cause = file::syncFolder(folder); cause != 0) return stateUnwritable(folder, cause);
  return {};
}

DatabaseResult<void> setRowsAside(Database& database, const std::vector<OddRow>& rows) {
  if (rows.empty()) return {};
  auto done = database.run("BEGIN IMMEDIATE;");
  for (const OddRow& row : rows) {
    if (done) done = setAside(database, row);
  }
  return done ? database.run("COMMIT;") : done;
}

/// Error: StateUnreadable. Damage is none.
Result<void> readDatabaseOf(const fs::path& file, Others others, Stored& stored) {
  DatabaseResult<Tables> tables;
  const auto read = readDatabase(file, others, [&](Database& database) -> DatabaseResult<void> {
    tables = readTables(database);
    if (!tables) return std::unexpected(tables.error());
    return {};
  });
  if (!read && !read.error().isDamage()) return stateUnreadable(file, read.error());
  if (!read) {
    stored.damage = read.error().message;
    return {};
  }
  if (tables->version > schemaVersion) {
    return fail(Reason::StateUnreadable,
                fmt::format("{} was written by a later release of rookery: its tables have version {}, and "
                            "this release knows {}. Nothing was changed. Use that release, or give this one "
                            "another --state-dir.",
                            file.string(), tables->version, schemaVersion));
  }
  stored.content = std::move(tables->content);
  stored.odd = std::move(tables->odd);
  return {};
}

}  // namespace

fs::path databaseIn(const fs::path& folder) { return folder / "state.db"; }

Result<Stored> readStored(const fs::path& folder, Others others) {
  const fs::path file = databaseIn(folder);
  Stored stored;
  struct stat status{};
  stored.isDatabase = ::lstat(file.c_str(), &status) == 0;
  if (!stored.isDatabase && errno != ENOENT && errno != ENOTDIR) return stateUnreadable(file, errno);
  if (stored.isDatabase) {
    if (::stat(file.c_str(), &status) != 0) return stateUnreadable(file, errno);
    if (auto read = readDatabaseOf(file, others, stored); !read) return std::unexpected(read.error());
    if (!stored.damage) return stored;
  }
  auto former = readFormerFiles(folder);
  if (!former) return std::unexpected(former.error());
  stored.content = std::move(former->content);
  stored.warnings = std::move(former->warnings);
  return stored;
}

Result<Database> openStored(const fs::path& folder, const Stored& stored) {
  const fs::path file = databaseIn(folder);
  const bool left = !stored.isDatabase && isThere(file.string() + "-wal");
  if (stored.damage || left) {
    if (auto moved = setDatabaseAside(file); !moved) return std::unexpected(moved.error());
  }
  if (stored.damage || !stored.isDatabase) {
    if (auto created = createDatabase(folder, stored.content); !created)
      return std::unexpected(created.error());
  }
  if (auto moved = setFormerFilesAside(folder); !moved) return std::unexpected(moved.error());
  auto database = Database::open(file);
  if (!database) return stateUnwritable(file, database.error());
  auto ready = database->run("PRAGMA journal_mode = WAL;");
  if (ready) ready = setRowsAside(*database, stored.odd);
  if (!ready) return stateUnwritable(file, ready.error());
  return *std::move(database);
}

std::vector<std::string> warningsAbout(const fs::path& folder, const Stored& stored, bool setAside) {
  std::vector<std::string> warnings = stored.warnings;
  const std::string file = databaseIn(folder).string();
  if (stored.damage) {
    warnings.push_back(fmt::format("{} is damaged ({}){}: what it said to be ours counts as not owned.", file,
                                   *stored.damage, setAside ? " and set aside as state.db.corrupt" : ""));
  }
  for (const OddRow& row : stored.odd) {
    warnings.push_back(fmt::format(
        "{}: {} in the table {} is not what it should be{}: {}.", file, row.key, row.table,
        setAside ? ", and is set aside in the table set_aside" : "",
        row.table == "objects" ? "the object begins anew" : "what it stood for counts as not owned"));
  }
  return warnings;
}

}  // namespace rookery::state
