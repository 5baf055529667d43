#pragma once

#include <string>

namespace rookery::api {

/// A value for metadata.uid: a new random UUID (RFC 4122, version 4).
std::string newUid();

}  // namespace rookery::api
