#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/object.h"
#include "plan/desired.h"

namespace rookery::reconcile {

/// Remembers what Secrets put into the arguments of unikernels: one that runs has, and its console keeps,
/// what it was started with, after the Secret has become another. In memory alone. One thread at a time.
class SecretHistory {
 public:
  static constexpr std::size_t most = 16;  // former secrets of one unikernel

  /// These are the unikernel's secrets now; null: they cannot be told. Returns those that were before.
  plan::FormerSecrets note(const api::ObjectKey& unikernel, const std::vector<std::string>* secrets);
  /// The others are declared no more.
  void keepOnly(const std::function<bool(const api::ObjectKey&)>& isDeclared);

 private:
  struct Known {
    std::vector<std::string> now, former;  // `former`: the newest first
  };
  std::map<api::ObjectKey, Known> unikernels_;  // those that have, or had, some
};

}  // namespace rookery::reconcile
