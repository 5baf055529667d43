#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>

#include "reconcile/environment.h"
#include "reconcile/instance_loops.h"

namespace rookery::reconcile {

using InstancePreviews = std::map<std::string, InstanceLoop::Preview>;

/// One look at each of `instances`, all at once, and what would be done there; a second at those that turn
/// out to have something in common. Changes nothing. Runs on the awaiting coroutine's executor, which must be
/// a strand, and the looks on strands of their own on `executor`. What is broken off by cancelling says so
/// itself. `environment`, which must have `rivals`, must outlive the coroutine.
asio::awaitable<InstancePreviews> previewInstances(asio::any_io_executor executor,
                                                   const Environment& environment, Instances instances);

}  // namespace rookery::reconcile
