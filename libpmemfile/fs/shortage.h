// shortage: a call that failed because something of the pool is used up, of which the dead may hold a part.
#pragma once

#include "libpmemfile/runtime/thread.h"

#include <cerrno>

namespace pmemfile {

// Of blocks, inodes and orphan slots, of open file descriptions, of advisory locks: what a process has that is killed.
constexpr bool is_shortage(int error_number) {
    return error_number == ENOSPC || error_number == ENFILE || error_number == ENOLCK;
}

// Settles the processes that have died. True when there were any: the call, which has changed nothing, is worth trying
// once more. Not in a transaction: false. Any thread, between two calls; a call of the kernel for each process.
bool shortage_relieve(Thread &thread);

} // namespace pmemfile
