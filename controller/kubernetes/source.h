#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubernetes/client.h"
#include "kubernetes/object_cache.h"
#include "kubernetes/reflector.h"
#include "source/source.h"

namespace rookery::kubernetes {

/// How many Secrets are watched, on a connection each.
inline constexpr std::size_t maxWatchedSecrets = 256;

/// Which of the Secrets that `objects` name are watched: those of AlbatrossInstances before those of
/// Unikernels, and of the older object before those of the younger, so that a new object takes nothing from
/// another.
struct SecretChoice {
  std::set<api::ObjectKey> watched;  // at most maxWatchedSecrets
  std::set<api::ObjectKey> left;
};
SecretChoice chooseSecrets(const std::vector<CachedObjectPtr>& objects);

/// What the custom resources of a cluster declare, with the Secrets that they name and no others.
class Source : public source::Source {
 public:
  struct Options {
    std::vector<std::string> namespaces;  // of Unikernels and UnikernelPolicies; empty: all
    /// Told once of each reason for which something cannot be read, such as CRDs that are not installed.
    std::function<void(const std::string& message)> warn = [](const std::string&) {};
    std::chrono::milliseconds debounce{200};
    std::chrono::milliseconds debounceLimit{1'000};
  };

  /// Everything runs on `strand`, next() too. `client` and `cache` must outlive the source.
  Source(asio::any_io_executor strand, Client& client, ObjectCache& cache, Options options);
  ~Source() override;

  /// Begins to list and watch.
  void start();
  /// Ends that; next() then waits for nothing new.
  void stop();
  /// Something in the cache has changed. From any thread.
  void wake();

  source::SnapshotPtr scan() override;
  asio::awaitable<source::SnapshotPtr> next() override;

  /// Reads what others may have written just now, however late the watches are: before the first command to
  /// an instance that was another controller's. False: the API server cannot be asked.
  asio::awaitable<bool> refresh();

 private:
  class Collection;

  void addCollection(api::Kind kind, const std::string& nameSpace);
  void follow(const std::shared_ptr<Collection>& collection);
  void watchSecrets();
  bool synced() const;
  bool settled() const;
  asio::awaitable<void> lookAtDefinition();

  asio::any_io_executor strand_;
  Client& client_;
  ObjectCache& cache_;
  const Options options_;
  std::vector<std::shared_ptr<Collection>> collections_;
  std::map<api::ObjectKey, std::shared_ptr<Collection>> secrets_;
  std::set<api::ObjectKey> unwatched_;  // Secrets that are named, beyond maxWatchedSecrets
  asio::steady_timer event_;
  bool changed_ = true;
  std::optional<std::string> doomed_;  // the definition of Unikernels is being deleted
};

}  // namespace rookery::kubernetes
