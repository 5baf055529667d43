#include "serve/deployed_spec.h"

namespace rookery::serve {

using nlohmann::json;

json deployedSpec(const json& before, const std::optional<json>& config,
                  const std::optional<std::string>& instance) {
  json spec = config.value_or(before);
  const auto keep = [&](const char* field) {
    if (before.contains(field)) spec[field] = before.at(field);
  };
  keep("image");
  if (!config || !config->contains("instance")) keep("instance");
  if (instance) spec["instance"] = *instance;
  return spec;
}

}  // namespace rookery::serve
