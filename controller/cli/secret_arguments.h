#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::cli {

/// What in a boot argument is better not written down where everybody reads it.
struct SecretArgument {
  std::size_t index = 0;  // of the argument
  std::size_t begin = 0;  // where in it the secret begins, which goes to its end
  std::string name;       // what a message calls it: "--password", or "argument 3"
};

/// The arguments that look like secrets: by their names (`--password=…`, `--token …`), or by their values
/// (PEM, JSON Web Tokens, URLs with a password, `…password=…` within, long random-looking words). And those
/// that are no text, which no manifest can hold as they are. One too many is hidden rather than one too few.
/// In the order of `arguments`.
std::vector<SecretArgument> secretsAmong(const std::vector<std::string>& arguments);

}  // namespace rookery::cli
