#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "albatross/client.h"
#include "reconcile/listener.h"
#include "reconcile/observed.h"
#include "reconcile/plan.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// Sends one command and tells `listener` how it ended.
asio::awaitable<albatross::CallResult> send(albatross::Client& client, albatross::Request request,
                                            std::string_view verb, const std::string& instance,
                                            Listener& listener);

/// Asks a server for everything that plan needs: one `unikernel info`, one `policy info` and, with
/// `blockDevices`, one `block info`, of the credential's own domain. Errors: as Client::call.
asio::awaitable<Result<Observed>> observe(albatross::Client& client, bool blockDevices, std::string instance,
                                          Listener& listener);

/// Whether plan needs to know the block devices of the instance.
bool needsBlockDevices(const Desired& desired);

/// The command that a step sends.
albatross::Command commandOf(const Step& step);

}  // namespace rookery::reconcile
