#pragma once

#include <optional>
#include <string>

#include "http/message.h"
#include "serve/list_options.h"
#include "serve/representation.h"
#include "serve/resource.h"

namespace rookery::serve {

/// Answers a watch (`watch=true`): JSON events, one a line, until the time is over or the client goes.
///
/// Without a resourceVersion it begins with all objects as they are; with one, after that version. A version
/// that is too old is an ERROR event with a Status of code 410: the client must list again. What begins or
/// ceases to match the selectors is ADDED or DELETED. Bookmarks, where the client allows them, come every
/// minute and before the end. `resource` must outlive the answer.
http::Response watch(const Resource& resource, const std::optional<std::string>& nameSpace,
                     ListOptions options, const Representation& representation);

}  // namespace rookery::serve
