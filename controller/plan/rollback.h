#pragma once

#include <string>

#include "albatross/name.h"
#include "albatross/wire.h"
#include "api/object.h"
#include "plan/desired.h"
#include "plan/inventory.h"
#include "plan/plan.h"

/// What is put back where an update fails, as values.
namespace rookery::plan {

/// Whether what ran well before is put back where an update does not get healthy.
bool takesBack(const api::Unikernel& spec);

/// What is tried, of which manifest: that is not tried again. No digest of arguments, which may be secret.
std::string attemptOf(const DesiredUnikernel& unikernel, const albatross::Name& name);

/// `mayWriteDown`: nobody can read where it stands who must not know the arguments.
Revision revisionOf(const Wanted& wanted, const albatross::Name& name, bool mayWriteDown);
bool isRevision(const Revision& revision, const Wanted& wanted, const albatross::Name& name);

/// What it takes to start a unikernel again as it was started, but for whether the server put its name first,
/// which that does not tell.
albatross::Arguments argumentsOf(const albatross::UnikernelInfo& running, bool addName);

/// A step is about to start `wanted`: unless that is what was well before, it has to prove itself. True: it
/// is tried from now on.
bool beginTrial(Entry& entry, const Wanted& wanted, const DesiredUnikernel& unikernel, SystemTime now);

}  // namespace rookery::plan
