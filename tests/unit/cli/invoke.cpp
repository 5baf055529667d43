#include "unit/cli/invoke.h"

#include <sstream>

#include "cli/cli.h"

namespace rookery::cli {

Invocation invoke(const std::vector<std::string>& arguments, const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  const int status = run(arguments, Console{.out = out, .err = err, .in = in});
  return {status, std::move(out).str(), std::move(err).str()};
}

}  // namespace rookery::cli
