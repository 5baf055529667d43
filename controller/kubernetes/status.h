#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "api/status.h"

namespace rookery::kubernetes {

/// The status of one of our kinds as api::toJson writes it. Nothing: it has no Ready condition with a reason
/// that we know, as that of another version of this program.
std::optional<api::Status> statusFromJson(const nlohmann::json& status);

/// The merge patch (RFC 7396) that makes `before` become `after`; null where they are equal.
nlohmann::json mergePatch(const nlohmann::json& before, const nlohmann::json& after);

}  // namespace rookery::kubernetes
