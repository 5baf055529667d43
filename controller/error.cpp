#include "error.h"

#include <cstdio>
#include <cstdlib>

namespace rookery {

std::string_view toString(Reason reason) {
  switch (reason) {
#define ROOKERY_REASON(word) \
  case Reason::word:         \
    return #word;
#include "reasons.def"
#undef ROOKERY_REASON
  }
  check(false, "every Reason is in reasons.def");
  return {};
}

void check(bool holds, std::string_view invariant) {
  if (holds) return;
  std::fprintf(stderr, "rookery: broken invariant: %.*s\n", static_cast<int>(invariant.size()),
               invariant.data());
  std::abort();
}

}  // namespace rookery
