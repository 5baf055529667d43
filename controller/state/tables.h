#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "state/content.h"
#include "state/database.h"

/// The database of a state directory. A row's key says what it is about; beside it stand columns for people
/// who look into it, which are written and never read.
namespace rookery::state {

/// Of the tables as this release has them.
inline constexpr std::int64_t schemaVersion = 1;

/// A row that is not what it should be.
struct OddRow {
  std::string table;
  std::int64_t id;
  std::string key;
};

/// What was read of a database.
struct Tables {
  std::int64_t version = 0;  // where it is not schemaVersion, nothing else was read
  Content content;
  std::vector<OddRow> odd;
};

/// Makes the tables in a database that has none.
DatabaseResult<void> createTables(Database& database);

/// Everything that is in them; what is damaged, as far as SQLite can tell, is an error.
DatabaseResult<Tables> readTables(Database& database);

/// Moves a row to the table `set_aside`.
DatabaseResult<void> setAside(Database& database, const OddRow& row);

/// Writes changes, with statements that are prepared once.
class TableWriter {
 public:
  static DatabaseResult<TableWriter> of(Database& database);

  DatabaseResult<void> apply(const Change& change);

 private:
  struct EntryStatements {
    Statement put, erase;
  };
  struct Statements {
    EntryStatements entries, volumes;
    Statement putServer, putObject, eraseObject, putDeletion, eraseDeletion, putNote, eraseNote;
  };
  explicit TableWriter(Statements statements) : statements_(std::move(statements)) {}
  DatabaseResult<void> write(const plan::Entry& entry);
  DatabaseResult<void> write(const EntryKey& erased);
  DatabaseResult<void> write(const ServerMemory& memory);
  DatabaseResult<void> write(const KnownObject& object);
  DatabaseResult<void> write(const api::ObjectKey& erased);
  DatabaseResult<void> write(const Note& note);

  Statements statements_;
};

}  // namespace rookery::state
