// open_fifo: an open fifo of a pool.
//
// What goes through it is the kernel's: the descriptor is that of the fifo at the rendezvous (paths/rendezvous.h). What
// it tells of itself is the pool's inode's. Which one that is says the place's name, so dup, fork, exec and descriptor
// passing need no help; a description (O_PATH) that this process has for each such number keeps the inode when its last
// name goes.
#pragma once

#include "posix-shim/descriptors/descriptor_table.h"

namespace shim {

// A description for the inode whose fifo `descriptor` is, and its mount; 0: it is no fifo of a pool, or the inode has
// gone.
OpenFileId open_fifo_hold(ThreadContext &context, long descriptor, unsigned *mount);

} // namespace shim
