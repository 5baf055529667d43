#pragma once

#include <string>
#include <vector>

namespace rookery::cli {

/// How a run of the program ended and what it wrote.
struct Invocation {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs the program in this process, without a terminal, with `input` on its standard input.
Invocation invoke(const std::vector<std::string>& arguments, const std::string& input = "");

}  // namespace rookery::cli
