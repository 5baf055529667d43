#pragma once

#include <optional>
#include <string>

#include "api/object.h"
#include "error.h"
#include "plan/desired.h"
#include "plan/observed.h"

namespace rookery::plan {

/// Why `unikernel` could not run on the instance that `desired` is about, in place of what runs there under
/// its name, as the instance was seen last and with the policies that are declared for it: NoPolicy, and
/// those of World::cannotRun. What else is about to change there does not count, nor do boot arguments. What
/// is suspended does not run.
std::optional<Error> cannotRun(const Desired& desired, const Observed& observed,
                               const api::Object& unikernel);

/// NoPolicy: none is known for the namespace on the instance, and none is declared.
Error noPolicy(const std::string& nameSpace, const std::string& instance);

}  // namespace rookery::plan
