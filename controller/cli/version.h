#pragma once

#include "serve/metrics.h"

namespace rookery::cli {

/// This build: its version and the git revision that it was configured at ("unknown" outside of a work tree).
serve::BuildInfo buildInfo();

}  // namespace rookery::cli
