// Rows of the state's database: an entry, and what is known of an object, each with its key before it. What
// was read is written, and read again.

#include <filesystem>

#include "fixtures/temp_dir.h"
#include "fuzz/target.h"
#include "state/tables.h"

namespace rookery::fuzz {
namespace {

using state::Database;

/// A database that may be lost.
class ScratchDatabase {
 public:
  ScratchDatabase() : database_(made()) {}

  Database& get() { return database_; }
  void run(std::string_view sql, std::initializer_list<state::Parameter> parameters = {}) {
    auto statement = database_.prepare(sql);
    check(statement.has_value() && statement->run(parameters).has_value(), "a row can be written");
  }
  state::Tables read() {
    auto tables = state::readTables(database_);
    check(tables.has_value(), "rows can be read");
    return *std::move(tables);
  }

 private:
  Database made() const {
    auto database = Database::open(folder_.write("state.db", ""));
    check(database && database->run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;") &&
              state::createTables(*database),
          "a database can be made");
    return *std::move(database);
  }

  const fixtures::TempDir folder_;
  Database database_;
};

const Target stateRows("state_rows", [](std::string_view input) {
  static ScratchDatabase database;
  const auto parts = partsOf(input, 6);
  const auto part = [&](std::size_t index) {
    std::string_view text = partAt(parts, index);
    if (text.ends_with('\n')) text.remove_suffix(1);
    return text;
  };
  for (const char* table : {"entries", "servers", "objects", "deletions", "set_aside"})
    database.run("DELETE FROM " + std::string(table) + ";");
  database.run("INSERT INTO entries VALUES (?, ?, '', '', '', '', ?);", {part(0), part(1), part(2)});
  // Numbers as people write them, be they as large as they like.
  database.run(
      "INSERT INTO objects VALUES (?, 'shop', 'web', 'u', CAST(? AS INTEGER), CAST(? AS INTEGER), 1, 'x');",
      {part(3), part(4), part(5)});
  const state::Tables tables = database.read();
  for (const state::OddRow& row : tables.odd)
    check(state::setAside(database.get(), row).has_value(), "a row can be set aside");
  auto writer = state::TableWriter::of(database.get());
  check(writer.has_value(), "statements can be prepared");
  for (const auto& [server, inventory] : tables.content.inventories) {
    for (const auto& [name, entry] : inventory)
      check(writer->apply(entry).has_value(), "an entry can be written");
  }
  for (const auto& [key, known] : tables.content.identities)
    check(writer->apply(state::KnownObject{key, known}).has_value(), "an object can be written");
  const state::Tables again = database.read();
  check(again.odd.empty() && again.content.inventories == tables.content.inventories &&
            again.content.identities == tables.content.identities,
        "the state survives writing");
});

}  // namespace
}  // namespace rookery::fuzz
