#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "serve/resource.h"

namespace rookery::serve {

using Resources = std::vector<std::unique_ptr<Resource>>;

/// /api: the versions of the core group.
nlohmann::json coreVersions();
/// /apis: the other groups; /apis/GROUP: one of them, or null.
nlohmann::json groupList(const Resources& resources);
nlohmann::json groupNamed(const Resources& resources, std::string_view group);
/// /api/VERSION, /apis/GROUP/VERSION: the resources there, or null.
nlohmann::json resourceList(const Resources& resources, std::string_view group, std::string_view version);
/// /version: which Kubernetes' API this is like, so that kubectl knows what it can ask for.
nlohmann::json versionDocument();

}  // namespace rookery::serve
