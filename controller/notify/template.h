#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "notify/notification.h"

namespace rookery::notify {

/// The names that a template may hold: $(NAME), as in the arguments of a unikernel (api/expand.h). A language
/// with loops and conditions would be a program in the file; each way of sending has its structure itself.
std::span<const std::string_view> placeholders();

/// A name in `text` that is no placeholder.
std::optional<std::string> unknownPlaceholder(std::string_view text);

/// `text` with the values of a notification, of a bounded length. What a value holds is not expanded again.
std::string fill(std::string_view text, const Notification& notification);

}  // namespace rookery::notify
