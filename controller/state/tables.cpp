#include "state/tables.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "yaml/writer.h"

namespace rookery::state {

using nlohmann::json;

namespace {

constexpr std::string_view schema = R"(
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
CREATE TABLE entries (        -- which unikernels are ours
  server    TEXT NOT NULL,    -- the digest of its public key
  name      TEXT NOT NULL,    -- on that server
  instance  TEXT NOT NULL,    -- from here to `object` for people: `entry` says it all
  kind      TEXT NOT NULL,
  namespace TEXT NOT NULL,
  object    TEXT NOT NULL,
  entry     TEXT NOT NULL,
  PRIMARY KEY (server, name)
) STRICT;
CREATE TABLE servers (
  server                 TEXT PRIMARY KEY,
  restart_changes_memory INTEGER NOT NULL
) STRICT;
CREATE TABLE objects (        -- what tells an object from another of the same name
  kind        TEXT NOT NULL,
  namespace   TEXT NOT NULL,
  name        TEXT NOT NULL,
  uid         TEXT NOT NULL,
  created     INTEGER NOT NULL,   -- times are milliseconds since 1970
  deleted     INTEGER,            -- when somebody asked for it
  generation  INTEGER NOT NULL,
  spec_digest TEXT NOT NULL,
  PRIMARY KEY (kind, namespace, name)
) STRICT;
CREATE TABLE deletions (      -- what objects say that nobody declares any more
  kind      TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name      TEXT NOT NULL,
  manifest  TEXT NOT NULL,
  root      TEXT NOT NULL,
  file      TEXT NOT NULL,
  PRIMARY KEY (kind, namespace, name),
  FOREIGN KEY (kind, namespace, name) REFERENCES objects ON DELETE CASCADE
) STRICT;
CREATE TABLE set_aside (      -- rows that were not what they should be
  origin  TEXT NOT NULL,
  key     TEXT NOT NULL,
  content TEXT NOT NULL
) STRICT;
)";

/// A database of a release that knew no volumes has no such table: it is made when it is opened for writing.
constexpr std::string_view volumesTable = R"(
CREATE TABLE IF NOT EXISTS volumes (  -- which block devices are ours, as `entries` says it of unikernels
  server    TEXT NOT NULL,
  name      TEXT NOT NULL,
  instance  TEXT NOT NULL,
  kind      TEXT NOT NULL,
  namespace TEXT NOT NULL,
  object    TEXT NOT NULL,
  entry     TEXT NOT NULL,
  PRIMARY KEY (server, name)
) STRICT;
)";

/// Nor has that of one that told nobody of anything.
constexpr std::string_view notesTable = R"(
CREATE TABLE IF NOT EXISTS notes (  -- what waits to be told to somebody, and what was
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
)";

DatabaseError damage(std::string message) { return {SQLITE_CORRUPT, 0, std::move(message)}; }

/// Error: what SQLite finds damaged, in its words.
DatabaseResult<void> checkIntegrity(Database& database) {
  std::string found;
  auto checked = database.run("PRAGMA quick_check(1);", [&](const Row& row) { found = row.text(0); });
  if (checked && found != "ok") return std::unexpected(damage(found));
  return checked;
}

DatabaseResult<void> readEntries(Database& database, const std::string& table, Tables& tables) {
  const bool volumes = table == "volumes";
  return database.run(fmt::format("SELECT rowid, server, name, entry FROM {};", table), [&](const Row& row) {
    const std::string server = row.text(1), name = row.text(2);
    try {
      plan::Entry entry = plan::entryFromJson(json::parse(row.text(3), nullptr, false));
      if (entry.serverKey == server && entry.name.toString() == name && entry.isVolume() == volumes) {
        albatross::Name known = entry.name;
        tables.content.inventoryFor(volumes, server).set(std::move(known), std::move(entry));
        return;
      }
    } catch (const json::exception&) {  // as one that is another's
    }
    tables.odd.push_back({table, row.integer(0), server + " " + name});
  });
}

/// Whether there is a table that former releases did not make.
DatabaseResult<bool> hasTable(Database& database, std::string_view name) {
  bool known = false;
  auto read =
      database.run(fmt::format("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{}';", name),
                   [&](const Row&) { known = true; });
  if (!read) return std::unexpected(read.error());
  return known;
}

DatabaseResult<void> readVolumes(Database& database, Tables& tables) {
  const auto known = hasTable(database, "volumes");
  if (!known) return std::unexpected(known.error());
  return *known ? readEntries(database, "volumes", tables) : DatabaseResult<void>();
}

DatabaseResult<void> readNotes(Database& database, Content& content) {
  const auto known = hasTable(database, "notes");
  if (!known) return std::unexpected(known.error());
  if (!*known) return {};
  return database.run("SELECT key, value FROM notes;",
                      [&](const Row& row) { content.notes[row.text(0)] = row.text(1); });
}

DatabaseResult<void> readServers(Database& database, Content& content) {
  return database.run("SELECT server, restart_changes_memory FROM servers;", [&](const Row& row) {
    content.restartChangesMemory[row.text(0)] = row.integer(1) != 0;
  });
}

/// Throws json::exception where it is none.
Known knownFrom(const Row& row) {
  Known known{{row.text(4), plan::timeFromJson(row.integer(5)), std::nullopt, row.integer(7)}, row.text(8)};
  if (!row.isNull(6)) known.identity.deletionTimestamp = plan::timeFromJson(row.integer(6));
  known.manifest = row.text(9);
  known.root = row.text(10);
  known.file = row.text(11);
  return known;
}

DatabaseResult<void> readObjects(Database& database, Tables& tables) {
  constexpr std::string_view select =
      "SELECT objects.rowid, kind, namespace, name, uid, created, deleted, generation, spec_digest,"
      " manifest, root, file FROM objects LEFT JOIN deletions USING (kind, namespace, name);";
  return database.run(select, [&](const Row& row) {
    const auto kind = api::kindNamed(row.text(1));
    try {
      if (kind) {
        tables.content.identities[{*kind, row.text(2), row.text(3)}] = knownFrom(row);
        return;
      }
    } catch (const json::exception&) {  // as one of another kind
    }
    tables.odd.push_back(
        {"objects", row.integer(0), fmt::format("{} {}/{}", row.text(1), row.text(2), row.text(3))});
  });
}

}  // namespace

DatabaseResult<void> createTables(Database& database) {
  if (auto created = database.run(schema); !created) return created;
  return database.run(fmt::format("INSERT INTO meta VALUES ('schemaVersion', {});", schemaVersion));
}

DatabaseResult<Tables> readTables(Database& database) {
  Tables tables;
  const auto takeVersion = [&](const Row& row) { tables.version = row.integer(0); };
  auto read = database.run("SELECT value FROM meta WHERE key = 'schemaVersion';", takeVersion);
  if (read && tables.version > schemaVersion) return tables;
  if (read && tables.version != schemaVersion) return std::unexpected(damage("it has no schema version"));
  if (read) read = checkIntegrity(database);
  if (read) read = readEntries(database, "entries", tables);
  if (read) read = readVolumes(database, tables);
  if (read) read = readServers(database, tables.content);
  if (read) read = readObjects(database, tables);
  if (read) read = readNotes(database, tables.content);
  if (!read) return std::unexpected(read.error());
  return tables;
}

DatabaseResult<void> setAside(Database& database, const OddRow& row) {
  const char* const content = row.table == "objects" ? "uid" : "entry";
  auto copy = database.prepare(
      fmt::format("INSERT INTO set_aside SELECT ?, ?, {} FROM {} WHERE rowid = ?;", content, row.table));
  auto remove = database.prepare(fmt::format("DELETE FROM {} WHERE rowid = ?;", row.table));
  if (!copy) return std::unexpected(copy.error());
  if (!remove) return std::unexpected(remove.error());
  auto moved = copy->run({row.table, row.key, row.id});
  return moved ? remove->run({row.id}) : moved;
}

DatabaseResult<TableWriter> TableWriter::of(Database& database) {
  DatabaseResult<void> prepared = database.run(volumesTable);
  if (prepared) prepared = database.run(notesTable);
  if (!prepared) return std::unexpected(prepared.error());
  const auto prepare = [&](std::string_view sql) {
    auto statement = database.prepare(sql);
    if (statement) return *std::move(statement);
    prepared = std::unexpected(statement.error());
    return Statement(nullptr);
  };
  // In place of what is there: an upsert, as `INSERT OR REPLACE` would take along what refers to the row.
  const auto prepareEntries = [&](std::string_view table) {
    auto put = prepare(
        fmt::format("INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " instance = excluded.instance, kind = excluded.kind, namespace = excluded.namespace,"
                    " object = excluded.object, entry = excluded.entry;",
                    table));
    return EntryStatements{std::move(put),
                           prepare(fmt::format("DELETE FROM {} WHERE server = ? AND name = ?;", table))};
  };
  Statements statements{
      prepareEntries("entries"),
      prepareEntries("volumes"),
      prepare("INSERT INTO servers VALUES (?, ?) ON CONFLICT DO UPDATE SET"
              " restart_changes_memory = excluded.restart_changes_memory;"),
      prepare("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
              " uid = excluded.uid, created = excluded.created, deleted = excluded.deleted,"
              " generation = excluded.generation, spec_digest = excluded.spec_digest;"),
      prepare("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?;"),
      prepare("INSERT INTO deletions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
              " manifest = excluded.manifest, root = excluded.root, file = excluded.file;"),
      prepare("DELETE FROM deletions WHERE kind = ? AND namespace = ? AND name = ?;"),
      prepare("INSERT INTO notes VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value;"),
      prepare("DELETE FROM notes WHERE key = ?;")};
  if (!prepared) return std::unexpected(prepared.error());
  return TableWriter(std::move(statements));
}

DatabaseResult<void> TableWriter::apply(const Change& change) {
  return std::visit([this](const auto& each) { return write(each); }, change);
}

DatabaseResult<void> TableWriter::write(const plan::Entry& entry) {
  // A path need not be UTF-8. One that is not is of no source after a restart, and so nothing of it is
  // pruned.
  const std::string name = entry.name.toString(), text = yaml::dump(plan::toJson(entry));
  EntryStatements& table = entry.isVolume() ? statements_.volumes : statements_.entries;
  return table.put.run({entry.serverKey, name, entry.instance, api::toString(entry.object.kind),
                        entry.object.nameSpace, entry.object.name, text});
}

DatabaseResult<void> TableWriter::write(const EntryKey& erased) {
  const std::string name = erased.name.toString();
  return (erased.volume ? statements_.volumes : statements_.entries).erase.run({erased.serverKey, name});
}

DatabaseResult<void> TableWriter::write(const ServerMemory& memory) {
  return statements_.putServer.run({memory.serverKey, std::int64_t{memory.restartChangesMemory}});
}

DatabaseResult<void> TableWriter::write(const KnownObject& object) {
  const auto& [key, known] = object;
  const std::string_view kind = api::toString(key.kind);
  const auto& deleted = known.identity.deletionTimestamp;
  auto put = statements_.putObject.run({kind, key.nameSpace, key.name, known.identity.uid,
                                        plan::toMillis(known.identity.creationTimestamp),
                                        deleted ? Parameter(plan::toMillis(*deleted)) : Parameter(nullptr),
                                        known.identity.generation, known.specDigest});
  if (!put) return put;
  if (known.manifest.empty()) return statements_.eraseDeletion.run({kind, key.nameSpace, key.name});
  return statements_.putDeletion.run(
      {kind, key.nameSpace, key.name, known.manifest, known.root.native(), known.file.native()});
}

DatabaseResult<void> TableWriter::write(const api::ObjectKey& erased) {
  return statements_.eraseObject.run({api::toString(erased.kind), erased.nameSpace, erased.name});
}

DatabaseResult<void> TableWriter::write(const Note& note) {
  return note.value ? statements_.putNote.run({note.key, *note.value})
                    : statements_.eraseNote.run({note.key});
}

}  // namespace rookery::state
