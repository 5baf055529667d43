#include "fuzz/target.h"

#include <algorithm>
#include <iostream>
#include <string>

namespace rookery::fuzz {

namespace {

std::vector<Target>& known() {
  static std::vector<Target> all;
  return all;
}

constexpr std::string_view scissors = "\n----8<----\n";

}  // namespace

Target::Target(std::string_view called, void (*runs)(std::string_view)) : name(called), run(runs) {
  known().push_back(*this);
}

const std::vector<Target>& targets() { return known(); }

std::vector<std::string_view> partsOf(std::string_view input, std::size_t most) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < most) {
    const std::size_t end = input.find(scissors);
    if (end == std::string_view::npos) break;
    parts.push_back(input.substr(0, end + 1));  // with its line feed
    input.remove_prefix(end + scissors.size());
  }
  parts.push_back(input);
  return parts;
}

std::string_view partAt(const std::vector<std::string_view>& parts, std::size_t index) {
  return index < parts.size() ? parts[index] : std::string_view();
}

void expectTheSameInPieces(std::string_view input, const std::function<std::string(std::size_t)>& outcome) {
  const std::string whole = outcome(std::max<std::size_t>(input.size(), 1));
  // A long input in no more than some hundred pieces: each costs time.
  for (const std::size_t piece : {input.size() / 256 + 1, input.size() / 64 + 7}) {
    const std::string inPieces = outcome(piece);
    if (inPieces == whole) continue;
    std::cerr << "at once:\n" << whole << "\nin pieces of " << piece << ":\n" << inPieces << '\n';
    check(false, "what comes in pieces is what comes at once");
  }
}

}  // namespace rookery::fuzz
