#include "cli/failure.h"

#include <ostream>

#include "text.h"

namespace rookery::cli {

namespace {

/// A sentence of ours with much in it that somebody else wrote.
constexpr std::size_t longestMessage = 16 << 10;

}  // namespace

int failed(const Console& console, const Error& error) {
  const bool fromServer = error.reason == Reason::Refused;  // worded as a whole already
  say(console.err, fromServer ? "" : "error: ", error.message);
  return 1;
}

void say(std::ostream& out, std::string_view what, std::string_view message) {
  out << what << visible(message, longestMessage) << '\n';
}

}  // namespace rookery::cli
