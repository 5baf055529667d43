#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "error.h"

/// Fuzzing: each target takes bytes in as one of the program's doors does, and aborts (check()) where what
/// must hold of them does not.
namespace rookery::fuzz {

/// A way in. One that is defined, in a file of its own, is known to the program that it is linked into.
struct Target {
  Target(std::string_view name, void (*run)(std::string_view input));

  std::string_view name;
  void (*run)(std::string_view input);
};

/// Those that this program has.
const std::vector<Target>& targets();

/// The parts of an input that holds several: `----8<----` stands on a line of its own between them. No more
/// than `most`: the last one holds the rest.
std::vector<std::string_view> partsOf(std::string_view input, std::size_t most);

/// The same part, or none where there are not as many.
std::string_view partAt(const std::vector<std::string_view>& parts, std::size_t index);

/// What comes of bytes that come in at once must come of them in pieces, too. `outcome`: in pieces of that
/// size.
void expectTheSameInPieces(std::string_view input, const std::function<std::string(std::size_t)>& outcome);

}  // namespace rookery::fuzz
