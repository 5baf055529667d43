#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/object.h"

/// What a schema does not say of its fields, and the small fleet in which they are tried.
namespace rookery::simulation {

/// What FieldCases has, as far as it is known of a field: values, vain, wrong, quiet, leaves.
nlohmann::json hintOf(api::Kind kind, const std::string& path);
/// What a document needs besides, to have that field: a merge patch.
nlohmann::json setupOf(api::Kind kind, const std::string& path);
/// Another one is another object, or means nothing.
bool isIdentity(const std::string& path);

/// Texts that match, and that do not although they look so; none: the pattern does not tell what is meant.
std::vector<nlohmann::json> textsOfPattern(const std::string& pattern);
std::vector<nlohmann::json> mistakesOfPattern(const std::string& pattern);

/// The object of the kind whose fields are tried, and all others.
nlohmann::json documentOf(api::Kind kind);
std::vector<nlohmann::json> othersThan(api::Kind kind);

}  // namespace rookery::simulation
