#include "kubernetes/cluster.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <set>
#include <utility>

#include "kubernetes/cluster_state.h"
#include "kubernetes/object_cache.h"
#include "kubernetes/source.h"
#include "kubernetes/writer.h"

namespace rookery::kubernetes {

/// What a cluster is made of, and the coroutines that are under way: on the controller's strand, but for that
/// which renews the Leases, as nothing may hold it up.
struct Cluster::Tasks {
  Tasks(Cluster& cluster, const reconcile::ObjectStore& objects, const reconcile::EventCache& events)
      : cache(cluster.options_.imageFolder,
              [this] {
                if (source) source->wake();
              }),
        writer(
            cluster.client_, cache, objects, events, [&cluster] { return cluster.holds(""); },
            cluster.options_.warn) {}

  void spawn(const asio::any_io_executor& on, asio::awaitable<void> work) {
    auto signal = std::make_shared<asio::cancellation_signal>();
    tasks.push_back({on, signal});
    ++running;
    const auto done = [this, signal](const std::exception_ptr& failure) {
      check(!failure, "a cluster's coroutine does not throw");
      asio::post(ended->get_executor(), [this] {
        if (--running == 0) ended->cancel();
      });
    };
    asio::co_spawn(on, std::move(work), asio::bind_cancellation_slot(signal->slot(), done));
  }

  void cancel() const {
    for (const auto& [on, signal] : tasks)
      asio::post(on, [signal] { signal->emit(asio::cancellation_type::terminal); });
  }

  ObjectCache cache;
  std::optional<ClusterState> state;
  std::optional<Source> source;
  Writer writer;
  struct Task {
    asio::any_io_executor on;
    std::shared_ptr<asio::cancellation_signal> cancel;
  };
  std::vector<Task> tasks;
  std::size_t running = 0;
  std::optional<asio::steady_timer> ended;
};

Cluster::Cluster(Options options, const reconcile::ObjectStore& objects, const reconcile::EventCache& events)
    : options_(std::move(options)),
      client_(options_.config, {.warn = options_.warn}),  // the other one reads the same files
      leaseClient_(options_.config, {.timeout = options_.leases.renewDeadline / 3}),
      tasks_(std::make_unique<Tasks>(*this, objects, events)),
      leases_(leaseClient_, leaseOptions()) {}

Leases::Options Cluster::leaseOptions() {
  Leases::Options leases = options_.leases;
  leases.warn = options_.warn;
  leases.inform = options_.inform;
  leases.changed = [this] { redistribute_(); };
  leases.prepare = [this] { return tasks_->source->refresh(); };
  return leases;
}

Cluster::~Cluster() = default;

state::State& Cluster::keepState(state::State& others) {
  return tasks_->state.emplace(
      client_, tasks_->cache, others, [this](const std::string& instance) { return holds(instance); },
      ClusterState::Options{{options_.namespaces.begin(), options_.namespaces.end()}, options_.warn});
}

bool Cluster::holds(const std::string& instance) const { return leases_.holds(instance); }

source::Source& Cluster::start(const asio::any_io_executor& strand, const asio::any_io_executor& leaseStrand,
                               std::function<void()> redistribute) {
  redistribute_ = std::move(redistribute);
  tasks_->ended.emplace(strand, asio::steady_timer::time_point::max());
  tasks_->source.emplace(strand, client_, tasks_->cache,
                         Source::Options{.namespaces = options_.namespaces, .warn = options_.warn});
  tasks_->source->start();
  tasks_->spawn(leaseStrand, leases_.run());
  tasks_->spawn(strand, tasks_->writer.writeStatuses());
  tasks_->spawn(strand, tasks_->writer.writeEvents());
  tasks_->spawn(strand, tasks_->state->letGo());
  tasks_->spawn(strand, tasks_->state->recordDeferred());
  return *tasks_->source;
}

asio::awaitable<void> Cluster::stop() {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  tasks_->source->stop();
  tasks_->cancel();
  while (tasks_->running > 0) {
    (void)co_await tasks_->ended->async_wait(asio::as_tuple(asio::use_awaitable));
  }
  // What was posted before is over then. The executors do not live as long as the cluster.
  co_await asio::post(tasks_->ended->get_executor(), asio::use_awaitable);
  tasks_->source.reset();
  tasks_->ended.reset();
  tasks_->tasks.clear();
  client_.close();
  leaseClient_.close();
}

void Cluster::roundEnded(const std::string& instance, const reconcile::Round& round) {
  if (round.error || round.unchanged || !tasks_->state) return;
  std::set<std::string> namespaces;
  for (const auto& [counted, count] : round.unikernels) {
    if (count > 0) namespaces.insert(counted.first);
  }
  tasks_->state->noteRunning(instance, std::move(namespaces));
}

void Cluster::instanceForgotten(const std::string& instance) {
  if (tasks_->state) tasks_->state->noteForgotten(instance);
}

void Cluster::scanned(const source::Snapshot& snapshot) {
  std::set<std::string> instances;
  for (const api::ObjectKey& key : snapshot.declared) {
    if (key.kind == api::Kind::AlbatrossInstance) instances.insert(key.name);
  }
  leases_.setInstances(std::move(instances));
  tasks_->writer.scanned(snapshot);
}

}  // namespace rookery::kubernetes
