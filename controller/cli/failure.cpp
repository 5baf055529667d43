#include "cli/failure.h"

#include <ostream>

namespace rookery::cli {

int failed(const Console& console, const Error& error) {
  const bool fromServer = error.reason == Reason::Refused;  // worded as a whole already
  console.err << (fromServer ? "" : "error: ") << error.message << '\n';
  return 1;
}

}  // namespace rookery::cli
