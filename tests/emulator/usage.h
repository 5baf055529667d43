#pragma once

#include "albatross/wire.h"
#include "emulator/resources.h"

namespace rookery::emulator {

/// What the statistics daemon would say of a guest: figures that grow with its age, at rates that differ from
/// each other, so that a reader who mixes two up is found out. Per second: 20 ms of system and 5 ms of user
/// time, a page fault, and on each interface 1,000 bytes in 10 packets sent by the guest (input of the host's
/// tap) and 3,000 in 20 received (its output). Resident: a quarter of its memory.
albatross::data::Statistics usageOf(const Unikernel& unikernel, albatross::Time now);

}  // namespace rookery::emulator
