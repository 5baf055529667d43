#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>

#include "albatross/client/client.h"
#include "image/image.h"
#include "image/reader.h"
#include "plan/desired.h"
#include "plan/inventory.h"
#include "plan/observed.h"
#include "reconcile/environment.h"
#include "reconcile/servers.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// Keeps in the image store what may have to be put back (healthCheck.rollback): a file may hold another
/// image by then. On the strand of the instance's loop.
class KeptImages {
 public:
  /// `environment` must outlive it.
  explicit KeptImages(const Environment& environment) : environment_(environment) {}

  /// The images that `desired`'s unikernels were well with, as far as they are in the store, by their digest.
  std::map<std::string, image::Image> find(const plan::Desired& desired,
                                           const plan::Observed& observed) const;

  /// A copy of a file. Errors: as image::Reader and image::ImageStore::Incoming.
  asio::awaitable<Result<void>> copy(image::Image file) const;
  /// Of what runs as `unikernel` on `server`, which is to have that digest. Errors: as Client::call,
  /// Server::about and image::ImageStore::Incoming; DigestMismatch, ProtocolError.
  asio::awaitable<Result<void>> fetch(std::string digest, api::ObjectKey unikernel, Server server);

 private:
  const Environment& environment_;
};

}  // namespace rookery::reconcile
