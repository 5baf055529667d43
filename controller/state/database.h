#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

/// SQLite, as far as it is needed: errors are values, and what is opened is closed.
namespace rookery::state {

/// Why SQLite did not do something.
struct DatabaseError {
  int code = SQLITE_ERROR;  // with SQLite's details
  int cause = 0;            // as errno; 0: no system call failed
  std::string message;      // SQLite's words

  /// The file is no database of ours, or one that was spoilt.
  bool isDamage() const;
};

template <class T>
using DatabaseResult = std::expected<T, DatabaseError>;

/// A row of what a statement found; only while it is shown. Columns count from 0.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  std::int64_t integer(int column) const;
  std::string text(int column) const;  // null: empty
  bool isNull(int column) const;

 private:
  sqlite3_stmt* statement_;
};

/// What takes the place of a `?`. A text must live until the statement has run.
using Parameter = std::variant<std::nullptr_t, std::int64_t, std::string_view>;

/// A statement of SQL that is run many times. Its database must outlive it. For one thread at a time.
class Statement {
 public:
  using Show = std::function<void(const Row& row)>;

  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  /// Runs it to its end, and shows each row that it finds.
  DatabaseResult<void> run(std::initializer_list<Parameter> parameters = {}, const Show& show = {});

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// Whether another may be writing to a database that is to be read.
enum class Others { Write, Rest };

/// An open database. For one thread at a time.
class Database {
 public:
  /// A database that is there, to write to; it waits some seconds for others who have it locked.
  static DatabaseResult<Database> open(const std::filesystem::path& file);

  /// How one is read of which nothing must be changed.
  enum class Way {
    Shared,  // with the index of its WAL that the writer keeps
    Alone,   // with an index in memory, of a WAL that nobody writes to
    Still,   // without a WAL
  };
  /// A database as it is now, to read from.
  static DatabaseResult<Database> openToRead(const std::filesystem::path& file, Way way);

  DatabaseResult<Statement> prepare(std::string_view sql);
  /// Runs statements that have no parameters, one after the other, and shows each row that they find.
  DatabaseResult<void> run(std::string_view sql, const Statement::Show& show = {});

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  explicit Database(sqlite3* database) : database_(database) {}
  static DatabaseResult<Database> open(const std::string& name, int flags, const char* vfs);

  std::unique_ptr<sqlite3, Close> database_;
};

/// Reads a database as it is at one moment, and changes nothing in its folder, which need not be writable.
/// `read` may be called again, when what it has seen does not count.
DatabaseResult<void> readDatabase(const std::filesystem::path& file, Others others,
                                  const std::function<DatabaseResult<void>(Database&)>& read);

}  // namespace rookery::state
