// changed_root: the directory that a caller's paths do not leave (chroot(2)).
#pragma once

#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

struct ChangedRoot {
    const Thread *thread = nullptr; // whose walks it is of
    InodeNumber directory = 0;
};
// Of the running thread; who has one says so before each of its calls. Absolute paths, and symlinks to them, begin
// there, and `..` does not leave it: a walk that began elsewhere can leave the pool by `..` all the same, as on Linux.
extern constinit thread_local ChangedRoot changed_root;

} // namespace pmemfile
