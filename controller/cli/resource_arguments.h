#pragma once

#include <string>
#include <vector>

#include "cli/api_resource.h"

namespace rookery::cli {

/// A kind that a command line names, and which of its objects: none named means all.
struct ResourceArgument {
  ApiResource resource;
  std::vector<std::string> names = {};
};

/// What `arguments` name, as kubectl understands them: a kind or several between commas (`all`: unikernels,
/// their policies and instances), then names of objects of each; or `kind/name` only, any number of them.
/// Each kind once, in the order of its first mention. Error (UsageError): says what is wrong.
Result<std::vector<ResourceArgument>> resourcesNamed(const std::vector<std::string>& arguments);

}  // namespace rookery::cli
