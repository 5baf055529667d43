#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "albatross/client/client.h"
#include "file/settling.h"
#include "image/lookout.h"
#include "image/pull/puller.h"
#include "plan/plan.h"
#include "probe/prober.h"
#include "reconcile/clock.h"
#include "reconcile/consoles.h"
#include "reconcile/instance_plans.h"
#include "reconcile/listener.h"
#include "reconcile/object_store.h"
#include "reconcile/rivals.h"
#include "reconcile/servers.h"
#include "reconcile/usage.h"
#include "state/state.h"
#include "trace/tracer.h"

namespace rookery::reconcile {

/// What an instance's loop shares with the others; must outlive it.
struct Environment {
  state::State& state;
  ObjectStore& objects;
  Listener& listener;
  std::chrono::milliseconds resync{30'000};
  /// What waits, waits by this one; so do the times that are told. Nobody sets it (clock.h).
  std::function<SystemTime()> now = steadyClock();
  /// What certificates are valid by.
  std::function<SystemTime()> wallTime = std::chrono::system_clock::now;
  std::function<std::unique_ptr<albatross::Client>(albatross::ClientOptions)> connect = albatross::makeClient;
  /// What may be done at all, by instance; empty: everything that plan decides. A step that may not ends the
  /// work there.
  std::function<bool(const std::string& instance, const plan::Step&)> permit = {};
  /// Folders besides the manifest roots that images may lie in.
  std::vector<std::filesystem::path> imageRoots = {};
  /// Has the images that manifests name by their digest alone; null: there are none.
  const image::ImageStore* imageStore = nullptr;
  /// Keeps the images that may have to be put back; null: none is kept.
  image::ImageStore* keptImages = nullptr;
  /// Reads the images that manifests name by path; null: whoever resolves a snapshot does. When find() says
  /// something else, somebody calls Controller::redistribute().
  image::Lookout* lookout = nullptr;
  /// Says whether a credential file is whole; null: the controller finds out by itself.
  file::Settling* settling = nullptr;
  /// The folder that the API writes, if there is one: see ImagePlaces.
  std::filesystem::path apiStore = {};
  /// Pulls the images that manifests name by URL. When find() says something else, somebody calls
  /// Controller::redistribute().
  image::Puller* puller = nullptr;
  /// Whether an instance is this process's to command ("": whether it speaks for the objects on none); empty:
  /// all are. Asked before each command; when it changes, somebody calls Controller::redistribute(). From any
  /// thread.
  std::function<bool(const std::string& instance)> holds = {};
  /// What instances have on the same server; null: each is taken to have its own.
  Rivals* rivals = nullptr;
  /// Told how each server is reached; null: nobody asks.
  Servers* servers = nullptr;
  /// What unikernels print; null: nobody reads it.
  Consoles* consoles = nullptr;
  /// Told what the unikernels use; null: no server is asked for statistics.
  UsageStore* usages = nullptr;
  /// Told what each instance's loop is about to do; null: nobody asks.
  InstancePlans* plans = nullptr;
  /// Asks a target of a health check whether it is well, as probe::Prober::probe does; empty: nobody asks,
  /// and what has a health check does not become Ready.
  std::function<void(probe::Target target, std::chrono::milliseconds patience, probe::Prober::Done done)>
      probe = {};
  /// The unikernels on a server that another Rookery of this machine counts as its own, each with its state
  /// directory: they are not adopted. Empty: nobody looks for one. From any thread.
  std::function<std::map<albatross::Name, std::filesystem::path>(const std::string& serverKey)>
      ownedElsewhere = {};
  /// What is remembered is not this process's any more (State::held): it has to stop. From any thread, and
  /// more than once.
  std::function<void(const Error& error)> stateLost = {};

  /// Records what takes how long; null: nobody does.
  const trace::Tracer* tracer = nullptr;

  /// What `holds` says, or that all are.
  bool commands(const std::string& instance) const { return !holds || holds(instance); }
  /// Whether something may be sent to an instance now. Errors: LeaseLost, and as State::held.
  Result<void> mayCommand(const std::string& instance) const;
};

}  // namespace rookery::reconcile
