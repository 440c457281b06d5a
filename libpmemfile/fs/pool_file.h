// pool_file: the pool as a file: mapping it, locking it, and the name of the
// runtime file that belongs to it.
#pragma once

#include "base/result.h"
#include "libpmemfile/persist/persist.h"
#include "libpmemfile/runtime/pool.h"

#include <sys/stat.h>

namespace pmemfile {

// PMEM_IS_PMEM_FORCE, which says what libpmem believes of a medium: 2 when it is 1, 1 for any other value, 0: not set.
uint32_t environment_forces();

// Maps the whole pool file shared and writable, aligned to 2 MiB so that huge
// pages are possible. Real persistent memory is mapped with MAP_SYNC. Where the kernel
// refuses that (the filesystem is mounted without DAX by now), the medium is an ordinary file (hazard 29),
// unless the environment says otherwise.
base::Result<Persist> map_pool_file(int descriptor, uint64_t size_bytes, Medium medium);
void unmap_pool_file(Persist &persist);

// True when a process is attached to the pool at `path` (or another program
// has locked it).
bool is_pool_in_use(const char *path);

// "/dev/shm/pmemfile-<device>-<inode number>" of the pool file into the pool's `segment_path`, and the name of the
// shim's token file beside it.
void name_runtime_files(Pool &pool, const struct stat &pool_status);

// Who has the pool file open and may change the pool holds this lock on it (of the open file description, so forked
// processes and those that an exec made hold the same one), for those to see who may only read it. `type` F_RDLCK or
// F_UNLCK.
void lock_as_writer(int pool_descriptor, short type);
// Is there one who holds it?
bool is_held_by_writer(int pool_descriptor);

// The kernel's id of this boot, 16 bytes; zeros when it cannot be read.
void read_boot_id(uint8_t boot_id[16]);

// Moves a descriptor to a high number, out of the program's way; close-on-exec as asked.
int move_descriptor_high(int descriptor, bool close_on_exec);

} // namespace pmemfile
