#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rookery::notify {

/// The fields that a mapping of the file of --notifications may have: of the file itself (""), of
/// "receivers[]", "receivers[].match" and of each way ("receivers[].webhook", …). Sorted.
std::vector<std::string_view> fieldsOf(std::string_view mapping);

/// The ways to tell somebody: "commitStatus", "email", …
std::vector<std::string_view> wayNames();

/// All of them and what they mean, the types of notifications and the placeholders of templates, as a
/// document.
std::string settingsReference();

}  // namespace rookery::notify
