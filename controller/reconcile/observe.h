#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

#include "albatross/client/client.h"
#include "plan/desired.h"
#include "plan/observed.h"
#include "plan/plan.h"
#include "reconcile/listener.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// Sends one command and tells `listener` how it ended.
asio::awaitable<albatross::CallResult> send(albatross::Client& client, albatross::Request request,
                                            std::string_view verb, const std::string& instance,
                                            Listener& listener);

/// Asks a server for everything that plan needs: one `unikernel info`, one `policy info` and, with
/// `blockDevices`, one `block info`, of the credential's own domain. `known`: the era of the server, if
/// somebody has found it out; else it is, with the newest form first. Errors: as Client::call.
asio::awaitable<Result<plan::Observed>> observe(albatross::Client& client, bool blockDevices,
                                                std::string instance, Listener& listener,
                                                std::optional<albatross::Era> known = std::nullopt);

/// Whether plan needs to know the block devices of the instance.
bool needsBlockDevices(const plan::Desired& desired);

/// The command that a step sends.
albatross::Command commandOf(const plan::Step& step);

}  // namespace rookery::reconcile
