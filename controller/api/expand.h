#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

namespace rookery::api {

/// `$(NAME)` replaced by its value, `$$(NAME)` by `$(NAME)`, as Kubernetes expands a container's arguments; a
/// reference to a name that is not in `values` is left as it stands, as Kubernetes does.
std::string expand(std::string_view text, const std::map<std::string, std::string>& values);

/// The names that `text` refers to.
std::vector<std::string> references(std::string_view text);

/// A Kubernetes quantity ("32Mi", "1Gi") in whole Mi. Error (InvalidManifest): not a quantity, not whole Mi,
/// or a bare number (suggests the same number with Mi).
Result<std::int64_t> parseMi(std::string_view quantity);

/// A duration as Kubernetes writes it ("5s", "10m", "1h30m", "250ms"), positive. Error: InvalidManifest.
Result<std::chrono::milliseconds> parseDuration(std::string_view text);

}  // namespace rookery::api
