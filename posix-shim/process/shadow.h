// shadow: copies of a pool's programs and libraries on the host, for the kernel and the program
// loader, which see no pool. A copy stands at the path that it has in the pool,
//
//   /dev/shm/pmemfile-<pool>.run-<uid>/bin/tool   of   <mount>/bin/tool
//
// (one of a process whose root is in the pool below a directory of that root, paths/shadow_path.h)
// so that $ORIGIN leads to the next one. Nobody but its user can change or execute it. A copy is
// used again as long as the file in the pool has not changed; it differs from that one only in names that lead into a
// pool (copied_elf.h). Copies take memory: those of removed files go when one in sixteen programs that start from a copy
// looks for them, all with the last process that leaves the pool. To programs these paths lead into
// the pool (paths/shadow_path.h).
#pragma once

#include "libpmemfile/fs/walk.h"
#include "posix-shim/process/context.h"

#include <string_view>

namespace shim {

// Copies the file `inode`, which is `inside` (absolute, canonical) in the pool, or below the process's root in it,
// unless that is done already. Its path is written into `to` of path_max_bytes; the length is returned. ENAMETOOLONG;
// EACCES when the place is not ours alone; errors of open, write and rename.
base::Result<size_t> shadow_copy(ThreadContext &context, pmemfile::Thread &thread, unsigned mount,
                                 pmemfile::InodeHandle inode, std::string_view inside, char *to);
// The place of a directory of the pool, which is made; its path as above.
base::Result<size_t> shadow_directory(unsigned mount, std::string_view inside, char *to);

// Where the copy of the file that is `inside` in the pool stands, or would stand; as above.
base::Result<size_t> shadow_path(unsigned mount, std::string_view inside, char *to);

// Removes the copies of what is not in the pool of `mount` any more (what this user cannot look up stays). Those that
// somebody executes go on without a name, as removed programs do. No other thread of the process runs yet.
void shadow_prune(ThreadContext &context, unsigned mount);

// The last one has left the pool of `mount`: its copies go. Those of other users stay until they look.
void shadow_remove(unsigned mount);

} // namespace shim
