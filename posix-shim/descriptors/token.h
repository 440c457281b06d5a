// token: the kernel's descriptor that stands for an open file description of a pool.
//
// The pool's token file opened with access mode 3 (neither readable nor
// writable); its file position is the OpenFileId. So dup, close-on-exec, fork,
// exec and descriptor passing are the kernel's work, and a call that slips past
// us fails with EBADF.
#pragma once

#include "libpmemfile/runtime/open_file.h"
#include "posix-shim/process/mount.h"

namespace shim {

// Makes the mount's token file if need be (beside the runtime file; mode 0666, so that a process which
// gives up its user id can still open files) and learns its identity. Constructor time. -errno.
long token_file_open(Mount &mount, const char *path);
// A new token; returns its number or -errno (EMFILE ...). `flags`: O_CLOEXEC counts.
long token_create(const Mount &mount, pmemfile::OpenFileId id, int flags);

// Is `descriptor` a token? mount -1: no (or not open at all: then `open` is false).
struct TokenIdentity {
    int mount = -1;
    bool open = false;
    bool may_be_fifo = false; // the kernel's fifo, on the filesystem where those of pools are (open_fifo.h)
    pmemfile::OpenFileId id = 0;
    bool is_directory = false; // of the host
    uint64_t device = 0, inode = 0;
};
TokenIdentity token_decode(long descriptor);

} // namespace shim
