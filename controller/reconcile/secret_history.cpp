#include "reconcile/secret_history.h"

#include <algorithm>

namespace rookery::reconcile {

plan::FormerSecrets SecretHistory::note(const api::ObjectKey& unikernel,
                                        const std::vector<std::string>* secrets) {
  const auto found = unikernels_.find(unikernel);
  if (found == unikernels_.end()) {
    if (secrets != nullptr && !secrets->empty()) unikernels_[unikernel].now = *secrets;
    return {};
  }
  Known& known = found->second;
  if (secrets != nullptr && known.now != *secrets) {
    for (std::string& secret : known.now) {
      std::erase(known.former, secret);
      known.former.insert(known.former.begin(), std::move(secret));
    }
    known.former.resize(std::min(known.former.size(), most));
    known.now = *secrets;
  }
  plan::FormerSecrets former{known.former};
  if (secrets == nullptr) former.values.insert(former.values.end(), known.now.begin(), known.now.end());
  return former;
}

void SecretHistory::keepOnly(const std::function<bool(const api::ObjectKey&)>& isDeclared) {
  std::erase_if(unikernels_, [&](const auto& item) { return !isDeclared(item.first); });
}

}  // namespace rookery::reconcile
