#pragma once

#include <chrono>

#include "cli/client_options.h"
#include "cli/failures.h"
#include "cli/running_controller.h"
#include "error.h"
#include "source/snapshot.h"

namespace rookery::cli {

/// Waits until the controller, which follows the same manifests, has read what `snapshot` declares, and until
/// each of its objects is Ready, or will not become so without somebody. Returns what did not become Ready.
/// Errors: as ApiClient::get; DeadlineExceeded.
Result<Failures> waitForController(const ClientOptions& client, const source::Snapshot& snapshot,
                                   std::chrono::milliseconds timeout);

}  // namespace rookery::cli
