#pragma once

#include <nlohmann/json.hpp>

#include "api/findings.h"
#include "api/yaml.h"

namespace rookery::api {

/// How much of a value may be repeated in a message.
enum class Quoting { Values, Nothing };

/// Checks `value` against a structural schema (Kubernetes' subset of OpenAPI v3) and tells every mistake in
/// it, unknown fields included. Fills in the schema's defaults, and takes out what is of no use (unknown, or
/// of a wrong type: null in lists), so that what remains has the types that the schema says. Patterns are
/// left to checkPatterns.
void validate(const nlohmann::json& schema, nlohmann::json& value, const Places& places, Quoting quoting,
              Findings& findings);

/// Checks strings against the schema's patterns. Apart from the rest, and last, because a field's own check
/// says better what is wrong with it, and Findings keeps the first word on a field.
void checkPatterns(const nlohmann::json& schema, const nlohmann::json& value, const Places& places,
                   Findings& findings);

/// `value` without the members that equal their default: the same for a spec that leaves them out and one
/// that does not, and the same after a field with a default has been added to the schema.
nlohmann::json withoutDefaults(const nlohmann::json& schema, nlohmann::json value);

/// `value` without the members that equal their default and that `written` does not have: who writes it over
/// `written` does not add what only went without saying.
nlohmann::json withoutAddedDefaults(const nlohmann::json& schema, nlohmann::json value,
                                    const nlohmann::json& written);

}  // namespace rookery::api
