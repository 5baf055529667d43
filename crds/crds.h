#pragma once

#include <span>
#include <string_view>

namespace rookery::crds {

/// A file of crds/ as it was when the program was built: a CustomResourceDefinition in YAML.
struct File {
  std::string_view name;  // "unikernels.yaml"
  std::string_view text;
};

/// All of them, sorted by name. They live as long as the program.
std::span<const File> files();

}  // namespace rookery::crds
