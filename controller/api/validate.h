#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/findings.h"
#include "yaml/yaml.h"

namespace rookery::api {

/// How much of a value may be repeated in a message.
enum class Quoting { Values, Nothing };

/// Checks `value` against a structural schema (Kubernetes' subset of OpenAPI v3) and tells every mistake in
/// it, unknown fields included. A null for a field that is not nullable is the same as no such field. Fills
/// in the schema's defaults, and takes out what is of no use (unknown, or of a wrong type: null in lists), so
/// that what remains has the types that the schema says. Patterns are left to checkPatterns.
void validate(const nlohmann::json& schema, nlohmann::json& value, const yaml::Places& places,
              Quoting quoting, Findings& findings);

/// Takes out of `value` the fields that the schema does not know, and nulls that stand for a field that is
/// not there, as an API server prunes them; nothing else is judged or changed. Returns the paths of the
/// unknown ones, for people: not more than `most` of them.
std::vector<std::string> prune(const nlohmann::json& schema, nlohmann::json& value, std::size_t most);

/// Checks strings against the schema's patterns. Apart from the rest, and last, because a field's own check
/// says better what is wrong with it, and Findings keeps the first word on a field.
void checkPatterns(const nlohmann::json& schema, const nlohmann::json& value, const yaml::Places& places,
                   Findings& findings);

/// `value` without the members that equal their default: the same for a spec that leaves them out and one
/// that does not, and the same after a field with a default has been added to the schema.
nlohmann::json withoutDefaults(const nlohmann::json& schema, nlohmann::json value);

/// `value` without the members that equal their default and that `written` does not have: who writes it over
/// `written` does not add what only went without saying.
nlohmann::json withoutAddedDefaults(const nlohmann::json& schema, nlohmann::json value,
                                    const nlohmann::json& written);

}  // namespace rookery::api
