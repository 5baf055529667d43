#include "reconcile/inventory.h"

#include <algorithm>

namespace rookery::reconcile {

bool Entry::sent(const std::string& digest) const {
  return std::find(digests.begin(), digests.end(), digest) != digests.end() ||
         (pending && pending->image == digest);
}

void Entry::remember(const std::string& digest) {
  if (digest.empty()) return;
  std::erase(digests, digest);
  digests.insert(digests.begin(), digest);
  if (digests.size() > maxDigests) digests.resize(maxDigests);
}

}  // namespace rookery::reconcile
