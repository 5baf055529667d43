#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace rookery::cli {

/// Lets an option have one of `words` and nothing else; what is refused names them all.
CLI::Validator oneOf(std::vector<std::string> words);

}  // namespace rookery::cli
