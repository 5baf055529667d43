#include "reconcile/servers.h"

#include <fmt/format.h>

#include <utility>

namespace rookery::reconcile {

Result<albatross::Request> Server::about(const api::ObjectKey& unikernel) const {
  const albatross::Name name = desired->nameOf(unikernel, base);
  albatross::Request request;
  request.label = name.label;
  if (name.path == base.path) return request;
  // The server applies the policies of a chain: they must be those that hold.
  const auto policy = policies.find({name.path, std::nullopt});
  if (policy == policies.end()) {
    return fail(Reason::NoPolicy, fmt::format("Namespace {} has no policy on {}: {} has never run there.",
                                              unikernel.nameSpace, desired->name(), unikernel.toString()));
  }
  request.domains.push_back({name.path.back(), policy->second});
  return request;
}

ServerPtr Servers::reached(Server server) {
  const std::lock_guard lock(mutex_);
  ServerPtr& known = servers_[server.desired->name()];
  if (known == nullptr || *known != server) known = std::make_shared<const Server>(std::move(server));
  return known;
}

void Servers::forget(const std::string& instance) {
  const std::lock_guard lock(mutex_);
  servers_.erase(instance);
}

ServerPtr Servers::find(const std::string& instance) const {
  const std::lock_guard lock(mutex_);
  const auto found = servers_.find(instance);
  return found == servers_.end() ? nullptr : found->second;
}

}  // namespace rookery::reconcile
