// rendezvous: where the kernel keeps the other side of a pool's sockets and fifos.
//
// Their names, owners and permissions are in the pool; what meets there is the kernel's, in a short path
// (a socket's address has 107 characters):
//
//   /dev/shm/pmemfile-<pool>.s/<inode>-<generation>     the socket or fifo
//                             /<inode>-<generation>.a   of a socket: a symlink whose text is the address it was bound
//                             to
//
// The directory is one of paths/runtime_directory.h.
#pragma once

#include "base/result.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "posix-shim/process/mount.h"

#include <string_view>

namespace shim {

constexpr size_t rendezvous_path_bytes = 108; // as sun_path

// The place of an inode, which need not be there, into `to`. The directory is made. EACCES: somebody else's
// directory stands there; errors of mkdir.
base::Result<size_t> rendezvous_path(unsigned mount, const pmemfile::Attributes &inode,
                                     char (&to)[rendezvous_path_bytes]);
// The way back: which inode `path` is the place of. False: it is none of our mounts'.
bool rendezvous_inode(std::string_view path, unsigned *mount, pmemfile::InodeHandle *inode);
// A fifo at `path`, if there is none. -errno or 0.
long rendezvous_make_fifo(const char *path);
// A socket has been bound at `path`, for an application that asked for `address`. Nobody is kept from it: the pool's
// permissions are asked before. -errno or 0.
long rendezvous_note_bound(const char *path, std::string_view address);
// Before the bind: what an inode of the same number left there goes.
void rendezvous_clear(const char *path);
// The address that a socket at `path` was bound to, into `to` (at most `size_bytes`, no NUL); 0: `path` is no place of
// ours.
size_t rendezvous_address(std::string_view path, char *to, size_t size_bytes);
// The last one has left the pool.
void rendezvous_remove(unsigned mount);

} // namespace shim
