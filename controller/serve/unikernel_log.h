#pragma once

#include "http/message.h"
#include "http/target.h"
#include "reconcile/consoles.h"
#include "reconcile/object_store.h"

namespace rookery::serve {

/// What a unikernel has printed, as `kubectl logs` asks for it: text, a line each. Parameters: follow,
/// tailLines, sinceSeconds, sinceTime, timestamps, limitBytes, and previous: what was printed before its
/// present life instead of in it; allLives, which is not kubectl's: both. Of one that does not run, all that
/// its server has kept is its log. Failures (Status): 400 for a parameter, 503 for a server that cannot be
/// asked. The answer is cut off when what it follows ends otherwise than by its client. `consoles` must
/// outlive it.
http::Response unikernelLog(const http::Target& target, const reconcile::ObjectView& unikernel,
                            reconcile::Consoles& consoles);

}  // namespace rookery::serve
