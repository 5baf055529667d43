#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace rookery::reconcile {

/// A warning when everybody on this machine can read a private key's file, and what to do. Empty when not, or
/// when the file is not there.
std::optional<std::string> exposureOf(const std::filesystem::path& privateKey);

}  // namespace rookery::reconcile
