#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "albatross/client/client.h"
#include "albatross/wire.h"
#include "plan/desired.h"

namespace rookery::reconcile {

/// A server as the loop of its instance reached it last, for whoever asks it something beside the loop.
struct Server {
  std::shared_ptr<albatross::Client> client;
  plan::DesiredPtr desired;
  albatross::Name base;                                   // the credential's own domain
  std::map<albatross::Name, albatross::Policy> policies;  // as observed, by domain
  friend bool operator==(const Server&, const Server&) = default;

  /// A request about what runs, or ran, as the object of that name; without a command. Error: NoPolicy (its
  /// namespace has none on the server, so nothing can have run there).
  Result<albatross::Request> about(const api::ObjectKey& unikernel) const;
};
using ServerPtr = std::shared_ptr<const Server>;

/// The servers of all instances that were reached. Thread-safe.
class Servers {
 public:
  /// Returns what is known of it from now on.
  ServerPtr reached(Server server);
  void forget(const std::string& instance);
  /// Null: it was not reached yet, or is no instance of ours to command.
  ServerPtr find(const std::string& instance) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, ServerPtr> servers_;
};

}  // namespace rookery::reconcile
