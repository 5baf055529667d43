#pragma once

#include <nlohmann/json.hpp>

#include "api/object.h"
#include "api/schema.h"

namespace rookery::api {

/// What a printer column shows of an object (JSON, as the API serves it), as Kubernetes' API server makes the
/// cells of a custom resource's table
/// (k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor):
///
///   string           text; what is no string stands there as compact JSON
///   integer, number, boolean   the value
///   date             the age at `now` ("5m2s"), "<invalid>" when it is no timestamp
///
/// Null where the object has no value, or one of another type than the column's.
nlohmann::json cellOf(const nlohmann::json& object, const Column& column, SystemTime now);

}  // namespace rookery::api
