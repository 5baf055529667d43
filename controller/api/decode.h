#pragma once

#include <filesystem>

#include "api/field.h"
#include "api/object.h"

/// From JSON that has been through validate() to the C++ types, with the checks that a schema cannot say.
/// Every mistake goes to the field's Findings; what is returned is good only when there was none.
namespace rookery::api {

Metadata decodeMetadata(const Field& metadata, Kind kind);

/// `folder`: absolute; what relative paths are relative to.
AlbatrossInstance decodeInstance(const Field& spec, const std::filesystem::path& folder);
Unikernel decodeUnikernel(const Field& spec, const std::filesystem::path& folder);
UnikernelPolicy decodePolicy(const Field& spec);
UnikernelVolume decodeVolume(const Field& spec, const std::filesystem::path& folder);

/// `manifest` is the whole document: a Secret has no spec.
Secret decodeSecret(const Field& manifest);

}  // namespace rookery::api
