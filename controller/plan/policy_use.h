#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "albatross/wire.h"
#include "api/status.h"
#include "plan/observed.h"

namespace rookery::plan {

/// A policy on a server, and what of it is used: by everything in its domain and below, as the server counts.
struct PolicyUse {
  albatross::Policy limit;
  api::Use used;
  friend bool operator==(const PolicyUse&, const PolicyUse&) = default;
};

/// Of the policies of namespaces that the server has, and under "" that of the credential's own domain: of
/// the root domain, it is the machine. Those of deeper domains are left out, and of more than mostPolicies
/// the last.
std::map<std::string, PolicyUse> policyUse(const Observed& observed);

inline constexpr std::size_t mostPolicies = 1'000;

}  // namespace rookery::plan
