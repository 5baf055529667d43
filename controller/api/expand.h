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

/// Whether a name stands for something of the instance that a unikernel runs on, and is for nobody to define:
/// INSTANCE_NAME, INSTANCE_LABEL_…
bool isInstanceVariable(std::string_view name);
/// The values of those, of an instance with that name and these labels. Of labels whose keys come to the same
/// name, the first by key counts.
std::map<std::string, std::string> instanceVariables(const std::string& instance,
                                                     const std::map<std::string, std::string>& labels);

/// A Kubernetes quantity ("32Mi", "1Gi") in whole Mi. Error (InvalidManifest): not a quantity, not whole Mi,
/// or a bare number (suggests the same number with Mi).
Result<std::int64_t> parseMi(std::string_view quantity);

/// A duration as Kubernetes writes it ("5s", "10m", "1h30m", "250ms"), positive. Error: InvalidManifest.
Result<std::chrono::milliseconds> parseDuration(std::string_view text);

}  // namespace rookery::api
