#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "albatross/name.h"
#include "api/object.h"
#include "plan/inventory.h"

namespace rookery::state {

/// What is known of an object.
struct Known {
  api::Identity identity;
  std::string specDigest;
  std::string manifest = {};                   // of one that nobody declares any more, as JSON; else empty
  std::filesystem::path root = {}, file = {};  // that it came from

  /// Nobody declares it any more: what it says is kept here.
  void keep(const api::Object& object);
  friend bool operator==(const Known&, const Known&) = default;
};

/// All that is remembered.
struct Content {
  plan::Inventories inventories;                     // of unikernels
  plan::Inventories volumes;                         // the same of block devices
  std::map<std::string, bool> restartChangesMemory;  // by server key
  std::map<api::ObjectKey, Known> identities;
  std::map<std::string, std::string> notes;  // of others than the reconciler, by keys of theirs

  /// Where an entry is kept, or is to be.
  plan::SharedInventory& inventoryFor(bool volume, const std::string& serverKey) {
    return (volume ? volumes : inventories)[serverKey];
  }
};

/// An entry, by what tells it from others.
struct EntryKey {
  std::string serverKey;
  albatross::Name name;
  bool volume = false;  // a unikernel and a volume may have one name
  friend auto operator<=>(const EntryKey&, const EntryKey&) = default;
};

struct ServerMemory {
  std::string serverKey;
  bool restartChangesMemory;
};

struct KnownObject {
  api::ObjectKey key;
  Known known;
};

struct Note {
  std::string key;
  std::optional<std::string> value;  // nothing: there is none any more
};

/// What is to be written: an entry, that there is none, …
using Change = std::variant<plan::Entry, EntryKey, ServerMemory, KnownObject, api::ObjectKey, Note>;

}  // namespace rookery::state
