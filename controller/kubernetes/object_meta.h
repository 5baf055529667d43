#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_path.h"
#include "api/object.h"

namespace rookery::kubernetes {

using api::memberOf;
using api::numberAt;
using api::textAt;

/// metadata of an object, as far as it matters here.
struct ObjectMeta {
  std::string name, nameSpace, uid, resourceVersion;
  std::int64_t generation = 0;
  api::SystemTime creationTimestamp;
  std::optional<api::SystemTime> deletionTimestamp;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> finalizers;

  static ObjectMeta of(const nlohmann::json& object);
  bool hasFinalizer(std::string_view finalizer) const;
};

/// Whether `version` is newer than `other` of the same server. A resourceVersion is a number that rises;
/// where one is not, it counts as newer.
bool isNewer(const std::string& version, const std::string& other);

/// RFC 3339 in UTC with microseconds, as a Lease has them (metav1.MicroTime).
std::string toMicroTime(api::SystemTime time);

}  // namespace rookery::kubernetes
