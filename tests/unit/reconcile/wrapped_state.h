#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "state/state.h"

namespace rookery::reconcile {

/// State that can be otherwise than the one that it passes everything on to.
class WrappedState : public state::State {
 public:
  explicit WrappedState(state::State& real) : real_(real) {}

  /// Which entries cannot be written.
  std::function<bool(const plan::Entry& entry)> refuses = [](const plan::Entry&) { return false; };
  /// An instance that is being deleted, and kept.
  std::optional<std::string> kept = {};

  Result<void> held() const override { return real_.held(); }
  std::vector<plan::Entry> entries() const override { return real_.entries(); }
  plan::Inventories inventories() const override { return real_.inventories(); }
  plan::SharedInventory inventoryOf(const std::string& key) const override { return real_.inventoryOf(key); }
  asio::awaitable<Result<void>> record(plan::Entry entry) override {
    return refuses(entry) ? refuse() : real_.record(std::move(entry));
  }
  asio::awaitable<Result<void>> recordSoon(plan::Entry entry) override {
    return refuses(entry) ? refuse() : real_.recordSoon(std::move(entry));
  }
  asio::awaitable<Result<void>> discard(plan::Entry entry) override {
    return refuses(entry) ? refuse() : real_.discard(std::move(entry));
  }
  std::optional<bool> restartChangesMemory(const std::string& key) const override {
    return real_.restartChangesMemory(key);
  }
  void setRestartChangesMemory(const std::string& key, bool changes) override {
    real_.setRestartChangesMemory(key, changes);
  }
  api::Identity identify(const api::ObjectKey& key, const std::string& digest, SystemTime now) override {
    return real_.identify(key, digest, now);
  }
  std::optional<std::uint64_t> identityChanges() const override { return real_.identityChanges(); }
  std::optional<api::Identity> identityOf(const api::ObjectKey& key) const override {
    return real_.identityOf(key);
  }
  std::set<api::ObjectKey> deletionRequests() const override { return real_.deletionRequests(); }
  void forgetIdentity(const api::ObjectKey& key) override { real_.forgetIdentity(key); }
  Result<void> saveIdentities() override { return real_.saveIdentities(); }
  std::optional<std::string> whyKept(const std::string& instance) const override {
    return instance == kept ? std::optional<std::string>("It stays, for db/db.") : std::nullopt;
  }

 private:
  static asio::awaitable<Result<void>> refuse() {
    co_return fail(Reason::StateUnwritable, "The state directory cannot be written: it is full.");
  }

  state::State& real_;
};

}  // namespace rookery::reconcile
