#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "error.h"

namespace rookery::cli {

/// What `rookery describe` says of an object (JSON, as the API serves it), as kubectl describe lays it out:
/// what it is, its spec with the fields as a manifest writes them, its status with the conditions as a table,
/// and what happened to it. `events`: an array of core/v1 Events, or why they cannot be had. `console`: its
/// last lines, or why they cannot be had; empty: nothing is said of it.
std::string description(const nlohmann::json& object, const Result<nlohmann::json>& events,
                        const Result<std::string>& console, std::chrono::system_clock::time_point now);

}  // namespace rookery::cli
