#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/object.h"
#include "error.h"
#include "plan/inventory.h"

namespace rookery::state {

/// What the controller must remember beyond its own life: the inventory, and the objects' identities. What
/// record() and discard() were told has been made sure of when they return. Thread-safe.
class State {
 public:
  virtual ~State() = default;

  /// Whether what is remembered is still this process's to change; asked before each command. Error: it is
  /// not, and why.
  virtual Result<void> held() const = 0;

  /// Of unikernels and of volumes.
  virtual std::vector<plan::Entry> entries() const = 0;
  /// Those of unikernels, as cheap as they can be had.
  virtual plan::Inventories inventories() const { return plan::inventoriesOf(entries()); }
  virtual plan::SharedInventory inventoryOf(const std::string& serverKey) const = 0;
  /// Those of volumes. Where volumes cannot be remembered, there are none.
  virtual plan::Inventories volumes() const { return {}; }
  /// Errors: StateUnwritable; then nothing may be sent that needs the entry.
  virtual boost::asio::awaitable<Result<void>> record(plan::Entry entry) = 0;
  virtual boost::asio::awaitable<Result<void>> discard(plan::Entry entry) = 0;
  /// As record(), but it need not be durable when this returns: it rides on the next commit, at the latest a
  /// second later; who asks (entries(), inventoryOf()) sees it at once. For what a reply said: after a crash
  /// that is seen again.
  virtual boost::asio::awaitable<Result<void>> recordSoon(plan::Entry entry) {
    return record(std::move(entry));
  }

  /// Whether a restart was seen to change a unikernel's memory on this server; unknown: absent.
  virtual std::optional<bool> restartChangesMemory(const std::string& serverKey) const = 0;
  virtual void setRestartChangesMemory(const std::string& serverKey, bool changes) = 0;

  /// The identity of an object that is declared: created at first sight, with the next generation whenever
  /// specDigest is another than last time. Kept by saveIdentities().
  virtual api::Identity identify(const api::ObjectKey& key, const std::string& specDigest,
                                 api::SystemTime now) = 0;
  /// Another number than before whenever identify() may say something else of an object with the same digest
  /// than it said last. Nothing: it may at any time.
  virtual std::optional<std::uint64_t> identityChanges() const { return std::nullopt; }
  /// What was said of an object that was declared before, if it is known.
  virtual std::optional<api::Identity> identityOf(const api::ObjectKey& key) const = 0;
  /// Objects that are not declared any more because somebody asked for just them to be deleted.
  virtual std::set<api::ObjectKey> deletionRequests() const = 0;
  /// Of an AlbatrossInstance that is being deleted, and kept: what is left there, as sentences. From any
  /// thread.
  virtual std::optional<std::string> whyKept(const std::string& /*instance*/) const { return std::nullopt; }
  /// The object is gone: another of that key will be another object.
  virtual void forgetIdentity(const api::ObjectKey& key) = 0;
  /// Error: StateUnwritable.
  virtual Result<void> saveIdentities() = 0;
};

}  // namespace rookery::state
