#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rookery::reconcile {

/// A warning when everybody on this machine can read a file that should be private, and what to do. Empty
/// when not, or when the file is not there. `what` says what the file is.
std::optional<std::string> exposureOf(const std::filesystem::path& file,
                                      std::string_view what = "private key");

}  // namespace rookery::reconcile
