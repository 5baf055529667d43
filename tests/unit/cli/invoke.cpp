#include "unit/cli/invoke.h"

#include <sstream>

#include "cli/cli.h"

namespace rookery::cli {

Invocation invoke(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int status = run(arguments, Console{.out = out, .err = err});
  return {status, std::move(out).str(), std::move(err).str()};
}

}  // namespace rookery::cli
