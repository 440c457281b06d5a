// attach: joins a pool that other processes may be using, or brings it up.
//
// First process: the superblock is found, the journal is replayed,
// orphans are freed, the runtime segment is made. Later ones only map. While
// anyone is attached, a shared flock on the pool file keeps libpmemobj's own tools out.
#pragma once

#include "base/result.h"
#include "libpmemfile/pool/container.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// How a first attach learns size and medium of the pool file (the preloaded shim loads
// libpmemfile-container.so for it; everybody else passes container_describe).
using ContainerDescribe = base::Result<ContainerInfo> (*)(const char *path, ContainerMessage *message);

struct AttachOptions {
    bool read_only = false; // calls that would change the pool fail with EROFS; recovery is done all the same
    ContainerDescribe container_describe = nullptr;
    // A pool descriptor inherited over exec, or -1 (hazard 13).
    int inherited_pool_descriptor = -1;
    // Process slot to adopt after exec (its liveness descriptor was inherited), or -1.
    int inherited_liveness_descriptor = -1;
    uint32_t inherited_process_slot = 0;
    uint64_t inherited_incarnation = 0;
};

// Attaches. `pool` must stay where it is until pool_detach. Errors: ENOENT, EACCES, EISDIR,
// EINVAL (no pmemfile pool), EUCLEAN (damaged), EPROTONOSUPPORT (newer format),
// EBUSY (held by another container, or its segment is out of reach), ENOMEM, EAGAIN.
base::Status pool_attach(Pool &pool, const char *path, const AttachOptions &options, ContainerMessage *message);
// Attaches to a pool image in private memory, alone, with a private segment: for
// the crash explorer and for tools that look at a copy. Recovery has been run.
base::Status pool_attach_image(Pool &pool, std::byte *base, uint64_t size_bytes, PoolOffset superblock_offset,
                               PersistObserver *observer = nullptr, Medium medium = Medium::persistent_memory);
// Attaches to a private copy of a pool file that this process may only read: for reading, alone, while nobody
// who may change the pool is attached (others with copies may be). The journal is replayed in the copy. Errors of
// pool_attach; EBUSY when somebody else is attached.
base::Status pool_attach_copy(Pool &pool, const char *path, ContainerMessage *message);
// Leaves: open files of the process end. The last one out raises the watermark and removes the segment.
void pool_detach(Pool &pool);

// A process's place in a pool: its slot and the descriptors that keep it.
struct PoolPlace {
    int pool_descriptor = -1;
    int liveness_descriptor = -1;
    uint32_t process_slot = 0;
    uint64_t incarnation = 0;
};

// Makes a second place for a child, with this process's open files (fork, and a
// vfork child that execs, which must leave its parent's Pool as it is). Made before
// the fork, so that no moment exists in which nobody holds the child's files.
// EAGAIN, EMFILE.
base::Result<PoolPlace> pool_place_clone(Thread &thread);
// fork succeeded. In the child: the place is its own from now on; its threads
// register anew and it pins its mappings anew (mapping_pin.h).
void pool_place_adopt(Pool &pool, const PoolPlace &place);
// fork succeeded. In the parent: its copy of the child's descriptor is closed.
void pool_place_forget(const PoolPlace &place);
// The fork or exec failed: the place ends.
void pool_place_cancel(Thread &thread, const PoolPlace &place);
// exec: the place's descriptors survive it (or do so no more), so that the new image
// can adopt it by pool_attach (AttachOptions::inherited_*).
void pool_place_over_exec(const PoolPlace &place, bool survives);
// This process's own place.
PoolPlace pool_place(const Pool &pool);

} // namespace pmemfile
