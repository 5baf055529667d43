#include "cli/terminal.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace rookery::cli {

bool wantsColour(bool isTerminal, const char* noColor, const char* term) {
  const bool minds = noColor != nullptr && *noColor != '\0';
  const bool dumb = term != nullptr && std::string_view(term) == "dumb";
  return isTerminal && !minds && !dumb;
}

Console standardConsole() {
  return {.out = std::cout,
          .err = std::cerr,
          .colour = wantsColour(::isatty(STDOUT_FILENO) != 0, std::getenv("NO_COLOR"), std::getenv("TERM")),
          .errTerminal = ::isatty(STDERR_FILENO) != 0,
          .in = std::cin};
}

}  // namespace rookery::cli
