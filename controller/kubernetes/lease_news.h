#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <vector>

#include "kubernetes/client.h"

namespace rookery::kubernetes {

/// Tells people which replica commands what: in the log, and as Events about the Leases, as client-go's
/// leader election has them. On the strand of Leases::run().
class LeaseNews {
 public:
  /// `nameSpace`: of the Leases.
  LeaseNews(std::string nameSpace, std::string identity,
            std::function<void(const std::string& message)> inform);

  /// `what`: which is commanded by who holds the Lease.
  void gained(const std::string& lease, const std::string& what);
  void lost(const std::string& lease, const std::string& what);
  /// Somebody else holds it; said once of each.
  void standsBy(const std::string& lease, const std::string& holder);

  /// Whether publish() has something to do, and nobody does it.
  bool wait() const { return !unpublished_.empty() && !publishing_; }
  /// Writes the Events of what was gained and lost since. One that cannot be written is let go: the log has
  /// it.
  boost::asio::awaitable<void> publish(Client& client);

 private:
  void tell(const std::string& lease, const std::string& message);

  struct News {
    std::string lease, message;
  };
  const std::string nameSpace_, identity_;
  const std::function<void(const std::string& message)> inform_;
  std::string holder_;  // that standsBy() was told of last
  std::vector<News> unpublished_;
  bool publishing_ = false;
};

}  // namespace rookery::kubernetes
