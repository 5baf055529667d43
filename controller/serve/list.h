#pragma once

#include <optional>
#include <string>

#include "http/message.h"
#include "serve/list_options.h"
#include "serve/representation.h"
#include "serve/resource.h"

namespace rookery::serve {

/// Answers a list, piece by piece: a long one never stands in memory as a whole. Each part of a list that is
/// cut at a limit names the version of the first part, so that a watch from there misses nothing that changed
/// between the parts; 410 when that version is too old by now, 504 for one that is yet to come.
http::Response list(const Resource& resource, const std::optional<std::string>& nameSpace,
                    const ListOptions& options, const Representation& representation);

}  // namespace rookery::serve
