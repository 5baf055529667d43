#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/manifest.h"

namespace rookery::api {

/// "line:column: field: message" of each problem, so that a table can hold them.
inline std::vector<std::string> describe(const std::vector<Problem>& problems) {
  std::vector<std::string> lines;
  for (Problem problem : problems) {
    problem.origin.file = "f";
    lines.push_back(problem.toString().substr(problem.origin.line == 0 ? 0 : 2));
  }
  return lines;
}

inline Manifest parse(std::string_view text, const std::filesystem::path& file = "/m/f.yaml") {
  return parseManifest(text, {.root = "/m", .file = file});
}

/// Of a Unikernel: a spec that goes on from the sixth line.
inline std::string unikernel(std::string_view spec) {
  return "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: web, namespace: shop}\nspec:\n"
         "  image: {path: web.hvt}\n" +
         std::string(spec);
}

}  // namespace rookery::api
