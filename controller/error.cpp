#include "error.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace rookery {

std::string_view toString(Reason reason) {
  static constexpr std::string_view words[] = {
#define ROOKERY_REASON(word) #word,
#include "reasons.def"
#undef ROOKERY_REASON
  };
  const auto index = static_cast<std::size_t>(reason);
  check(index < std::size(words), "every Reason is in reasons.def");
  return words[index];
}

void check(bool holds, std::string_view invariant) {
  if (holds) return;
  std::fprintf(stderr, "rookery: broken invariant: %.*s\n", static_cast<int>(invariant.size()),
               invariant.data());
  std::abort();
}

}  // namespace rookery
