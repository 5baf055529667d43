#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "albatross/client/certificate.h"
#include "albatross/wire.h"
#include "error.h"

namespace rookery::benchmark {

/// A server on the loopback address, and who commands it.
struct RawServer {
  std::uint16_t port = 0;
  std::shared_ptr<const albatross::Credential> credential;
};

/// What is created on each server.
struct RawLoad {
  std::size_t count = 0;
  albatross::Domain domain;
  albatross::Arguments arguments;
  std::filesystem::path image;
};

struct RawCost {
  double seconds = 0;
  double cpu = 0;  // seconds, of all threads
};

/// The least that creating unikernels takes whoever does it: for each a certificate, a connection, the image
/// and the reply, one after the other by blocking calls, with nothing planned, watched or written down. A
/// thread for each server. Errors: what did not succeed, or did not come within half a minute. Needs SIGPIPE
/// to be ignored.
Result<RawCost> createPlainly(const std::vector<RawServer>& servers, const RawLoad& load);

/// Destroys what has that name on a server, as somebody else would. Errors: as above.
Result<void> destroyPlainly(const RawServer& server, const RawLoad& load, const std::string& name);

}  // namespace rookery::benchmark
