#include "error.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace rookery {

namespace {

constexpr std::string_view words[] = {
#define ROOKERY_REASON(word) #word,
#include "reasons.def"
#undef ROOKERY_REASON
};

}  // namespace

std::string_view toString(Reason reason) {
  const auto index = static_cast<std::size_t>(reason);
  check(index < std::size(words), "every Reason is in reasons.def");
  return words[index];
}

std::optional<Reason> reasonNamed(std::string_view word) {
  const auto found = std::ranges::find(words, word);
  if (found == std::end(words)) return std::nullopt;
  return static_cast<Reason>(found - std::begin(words));
}

void check(bool holds, std::string_view invariant) {
  if (holds) return;
  std::fprintf(stderr, "rookery: broken invariant: %.*s\n", static_cast<int>(invariant.size()),
               invariant.data());
  std::abort();
}

}  // namespace rookery
