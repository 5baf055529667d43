#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "api/object.h"
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
/// The same where each kind needs names. Error (UsageError): also that there are none.
Result<std::vector<ResourceArgument>> objectsNamed(const std::vector<std::string>& arguments);

/// For an argument that names an object of that kind: takes uk/web for web, and refuses alba/web.
CLI::Validator nameOfA(api::Kind kind);

}  // namespace rookery::cli
