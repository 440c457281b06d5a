// handed_place: is a place that an exec has left still what it was?
//
// A mount is a pool, not a name: a pool's file that is renamed, removed or replaced while somebody has it mounted stays
// his, over each exec. So a place is known by the random number of the runtime segment that its descriptor leads to.
#pragma once

#include "posix-shim/process/mount.h"
#include "posix-shim/process/settings.h"

namespace shim {

// A number that stands for the text of PMEMFILE_POOLS.
uint64_t pools_mark(std::string_view pools);
// The place that was left to us for mount `index`, whose pool has that path now; null: there is none, or it has been
// closed or is another pool's (a program without us that stood in between may have changed descriptors and
// environment).
const pmemfile::PoolPlace *handed_place(const Handover &handover, unsigned index, uint64_t mark, const char *path);
// What is mounted there is what the giver had mounted.
bool is_handed_pool(const Handover &handover, const Mount &mount, unsigned index);
// A place that was left to a program without us is not ours, but its descriptors came along.
void close_foreign_places(const Handover &handover);

} // namespace shim
