#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubernetes/client.h"
#include "kubernetes/deferred_entries.h"
#include "kubernetes/object_cache.h"
#include "state/state.h"

namespace rookery::kubernetes {

/// The state of objects that come from a cluster is kept on them: the inventory in annotations, with a
/// finalizer that keeps a Unikernel from vanishing before what runs of it (the same of a UnikernelVolume),
/// and another that keeps an AlbatrossInstance from vanishing before what the inventory says is there; so no
/// volume is needed, and a backup restores it. Identities are the API server's own. What belongs to other
/// sources is passed on. Thread-safe.
class ClusterState : public state::State {
 public:
  struct Options {
    std::set<std::string> namespaces = {};  // of the Unikernels that are followed; empty: all
    std::function<void(const std::string& message)> warn = [](const std::string&) {};
    /// How often it is asked whether something is left on an instance that waits for its deletion.
    std::chrono::milliseconds questionInterval{10'000};
    /// How long what is to be recorded soon waits for something more to ride with.
    std::chrono::milliseconds soon{1'000};
  };

  /// `mayWrite` says whether this process may change anything at all. All must outlive the state.
  ClusterState(Client& client, ObjectCache& cache, state::State& others,
               std::function<bool(const std::string& instance)> mayWrite, Options options);

  Result<void> held() const override { return others_.held(); }
  std::vector<plan::Entry> entries() const override;
  plan::SharedInventory inventoryOf(const std::string& serverKey) const override;
  plan::Inventories volumes() const override;
  asio::awaitable<Result<void>> record(plan::Entry entry) override;
  asio::awaitable<Result<void>> discard(plan::Entry entry) override;
  asio::awaitable<Result<void>> recordSoon(plan::Entry entry) override;
  std::optional<bool> restartChangesMemory(const std::string& serverKey) const override;
  void setRestartChangesMemory(const std::string& serverKey, bool changes) override;
  api::Identity identify(const api::ObjectKey& key, const std::string& specDigest,
                         api::SystemTime now) override;
  std::optional<api::Identity> identityOf(const api::ObjectKey& key) const override;
  std::set<api::ObjectKey> deletionRequests() const override { return others_.deletionRequests(); }
  void forgetIdentity(const api::ObjectKey& key) override { others_.forgetIdentity(key); }
  Result<void> saveIdentities() override { return others_.saveIdentities(); }
  std::optional<std::string> whyKept(const std::string& instance) const override;

  /// Lets objects go that are being deleted and of which nothing is ours, or which somebody asked to be
  /// released, where this process speaks for them; until the coroutine is cancelled. Whether something is
  /// left on an instance is asked of the API server, as it may be of a namespace that is not followed here;
  /// where those cannot be listed, of the Albatross server. Sees to it that instances have their finalizer
  /// that had none when something was recorded.
  asio::awaitable<void> letGo();

  /// Writes down what recordSoon() was told and nothing has overtaken, until the coroutine is cancelled.
  asio::awaitable<void> recordDeferred();

  /// An instance was looked at, and unikernels of these namespaces were seen there, whosever they are.
  void noteRunning(const std::string& instance, std::set<std::string> namespaces);
  void noteForgotten(const std::string& instance);

 private:
  using Entries = std::vector<plan::Entry>;
  /// What an object has of ours.
  struct Kept {
    Entries entries;
    bool held = false;     // has the finalizer
    bool deleted = false;  // is being deleted: a finalizer cannot be added any more
  };
  struct Change {
    api::ObjectKey object;
    std::string instance;  // whose holder may make it
    std::function<void(Kept& kept)> edit;
    bool mustExist = false;  // false: of an object that is gone nothing needs to be changed
    bool destroys = false;   // it is for a command that must not be sent once the object is released
  };
  static Change holding(const std::string& instance);
  asio::awaitable<Result<void>> apply(Change change);
  bool isKept(const plan::Entry& entry) const;
  asio::awaitable<void> recordDeferred(plan::Entry entry);
  asio::awaitable<Result<void>> recordElsewhere(plan::Entry entry);
  asio::awaitable<Result<void>> bury(plan::Entry entry);
  std::optional<Change> due(const CachedObject& cached, const std::set<std::string>& inUse) const;
  bool isFree(const CachedObject& cached) const;
  std::optional<std::string> declaredOn(const std::string& instance) const;
  asio::awaitable<bool> mayGo(std::string instance);
  std::optional<std::string> unknownOn(const std::string& instance, const Failure& failure) const;
  void noteKept(const std::string& instance, std::optional<std::string> why);
  void noteWaiting(const std::vector<CachedObjectPtr>& objects, const std::set<std::string>& inUse);
  void forgetAllBut(const std::set<std::string>& waiting);
  std::set<std::string> instancesInUse() const;

  Client& client_;
  ObjectCache& cache_;
  state::State& others_;
  const std::function<bool(const std::string& instance)> mayWrite_;
  const Options options_;
  DeferredEntries deferred_;
  /// An instance that waits for its deletion.
  struct Question {
    std::chrono::steady_clock::time_point first, next;  // when it was and is to be asked what is left there
    bool told = false;                                  // that it cannot be
  };
  std::map<std::string, Question> questions_;  // of letGo()
  struct Look {
    std::chrono::steady_clock::time_point time;
    std::set<std::string> namespaces;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Look> looks_;        // by instance, the last ones; under the mutex
  std::map<std::string, std::string> kept_;  // by instance that is being deleted, why; under the mutex
};

}  // namespace rookery::kubernetes
