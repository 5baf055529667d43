#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace rookery::serve {

/// What a deployment makes of the spec `before` of a Unikernel that exists, but for its image, which stays:
/// only what somebody gave changes. `config` is a whole spec without image; one that does not place the
/// unikernel leaves it where it is. `instance` is where it is to run from now on.
nlohmann::json deployedSpec(const nlohmann::json& before, const std::optional<nlohmann::json>& config,
                            const std::optional<std::string>& instance);

}  // namespace rookery::serve
