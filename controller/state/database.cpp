#include "state/database.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "text.h"

namespace rookery::state {

namespace fs = std::filesystem;

namespace {

constexpr int busyMillis = 5'000;
constexpr int mostReads = 50;
constexpr std::chrono::milliseconds rereadInterval{20};

DatabaseError errorOf(sqlite3* database, int code) {
  const int kind = code & 0xff;
  DatabaseError error{code, 0, database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database)};
  if (kind == SQLITE_FULL) error.cause = ENOSPC;
  // Of a commit that failed SQLite does not keep it.
  if (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN)
    error.cause = sqlite3_system_errno(database) != 0 ? sqlite3_system_errno(database) : errno;
  return error;
}

int bind(sqlite3_stmt* statement, int index, const Parameter& parameter) {
  if (const auto* number = std::get_if<std::int64_t>(&parameter))
    return sqlite3_bind_int64(statement, index, *number);
  if (const auto* text = std::get_if<std::string_view>(&parameter)) {
    // Of an empty view the data may be a null pointer, which would stand for null.
    return sqlite3_bind_text64(statement, index, text->empty() ? "" : text->data(), text->size(),
                               SQLITE_STATIC, SQLITE_UTF8);
  }
  return sqlite3_bind_null(statement, index);
}

/// A file at one moment; nothing: there is none.
struct Stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  std::int64_t modified, modifiedNanos;
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

std::optional<Stamp> stampOf(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  return Stamp{status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

/// What a database consists of just now.
struct Files {
  std::optional<Stamp> database, wal;
  bool shm = false;  // the index of the WAL that readers and writers share

  static Files of(const fs::path& file) {
    const std::string& name = file.native();
    return {stampOf(name), stampOf(name + "-wal"), stampOf(name + "-shm").has_value()};
  }
};

/// SQLite's name of a file, with one of its parameters.
std::string uriOf(const fs::path& file, const char* parameter) {
  return "file:" + percentEncode(file.native()) + "?" + parameter;
}

/// Whether it may be otherwise in a moment.
bool isPassing(const DatabaseError& error) {
  return (error.code & 0xff) == SQLITE_BUSY || (error.code & 0xff) == SQLITE_PROTOCOL ||
         error.code == SQLITE_READONLY_RECOVERY || error.code == SQLITE_READONLY_CANTINIT;
}

}  // namespace

bool DatabaseError::isDamage() const {
  const int kind = code & 0xff;
  return kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB || kind == SQLITE_ERROR;
}

std::int64_t Row::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Row::text(int column) const {
  const auto* text = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return text == nullptr
             ? ""
             : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

bool Row::isNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

DatabaseResult<void> Statement::run(std::initializer_list<Parameter> parameters, const Show& show) {
  sqlite3_stmt* const statement = statement_.get();
  int code = SQLITE_OK, index = 0;
  errno = 0;
  for (const Parameter& parameter : parameters) {
    if (code == SQLITE_OK) code = bind(statement, ++index, parameter);
  }
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
    if (show) show(Row(statement));
  }
  DatabaseResult<void> done;
  if (code != SQLITE_DONE) done = std::unexpected(errorOf(sqlite3_db_handle(statement), code));
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return done;
}

DatabaseResult<Database> Database::open(const std::string& name, int flags, const char* vfs) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(
      name.c_str(), &opened, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
  Database database(opened);  // also where it could not be opened
  if (code != SQLITE_OK) return std::unexpected(errorOf(opened, code));
  sqlite3_busy_timeout(opened, busyMillis);
  // What is in the file may be somebody else's.
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return database;
}

DatabaseResult<Database> Database::open(const fs::path& file) {
  auto database = open(uriOf(file, "mode=rw"), SQLITE_OPEN_READWRITE, nullptr);
  if (!database) return database;
  if (auto set = database->run("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"); !set)
    return std::unexpected(set.error());
  return database;
}

DatabaseResult<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return std::unexpected(errorOf(database_.get(), code));
  return Statement(statement);
}

DatabaseResult<void> Database::run(std::string_view sql, const Statement::Show& show) {
  while (!trimmed(sql).empty()) {
    sqlite3_stmt* prepared = nullptr;
    const char* rest = nullptr;
    const int code =
        sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &prepared, &rest);
    if (code != SQLITE_OK) return std::unexpected(errorOf(database_.get(), code));
    sql.remove_prefix(static_cast<std::size_t>(rest - sql.data()));
    if (auto ran = Statement(prepared).run({}, show); !ran) return ran;
  }
  return {};
}

DatabaseResult<Database> Database::openToRead(const fs::path& file, Way way) {
  constexpr std::array parameters = {"mode=ro&readonly_shm=1", "mode=ro", "mode=ro&immutable=1"};
  auto database = open(uriOf(file, parameters.at(static_cast<std::size_t>(way))), SQLITE_OPEN_READONLY,
                       way == Way::Alone ? "unix-none" : nullptr);
  if (!database) return database;
  sqlite3_db_config(database->database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // Who is alone with a database keeps the index in memory.
  if (way == Way::Alone) {
    if (auto set = database->run("PRAGMA locking_mode = EXCLUSIVE;"); !set)
      return std::unexpected(set.error());
  }
  if (auto begun = database->run("BEGIN;"); !begun) return std::unexpected(begun.error());
  return database;
}

DatabaseResult<void> readDatabase(const fs::path& file, Others others,
                                  const std::function<DatabaseResult<void>(Database&)>& read) {
  DatabaseResult<void> done;
  for (int attempt = 0; attempt < mostReads; ++attempt) {
    const Files before = Files::of(file);
    const bool shared = others == Others::Write && before.wal && before.shm;
    auto database = Database::openToRead(file, shared       ? Database::Way::Shared
                                               : before.wal ? Database::Way::Alone
                                                            : Database::Way::Still);
    done = database ? read(*database) : std::unexpected(database.error());
    database = std::unexpected(DatabaseError());  // closed, before another look at its files
    const Files after = Files::of(file);
    // SQLite's locks see to what is shared.
    const bool oneVersion =
        shared ? after.wal && after.shm : before.database == after.database && before.wal == after.wal;
    if (oneVersion && (done || !isPassing(done.error()))) break;
    std::this_thread::sleep_for(rereadInterval);
  }
  return done;
}

}  // namespace rookery::state
