// attach: joins a pool that other processes may be using, or brings it up.
//
// First process: libpmemobj recovers the container, the journal is replayed,
// orphans are freed, the runtime segment is made. Later ones only map. While
// anyone is attached, a shared flock on the pool file keeps libpmemobj's own tools out.
#pragma once

#include "base/result.h"
#include "libpmemfile/pool/container.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// How the container is opened by a first attach (the preloaded shim loads
// libpmemfile-container.so for it; everybody else passes container_open).
using ContainerOpen = base::Result<ContainerInfo> (*)(const char *path, ContainerMessage *message);

struct AttachOptions {
    bool read_only = false;
    ContainerOpen container_open = nullptr;
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
                               PersistObserver *observer = nullptr);
// Leaves: open files of the process end. The last one out raises the watermark and removes the segment.
void pool_detach(Pool &pool);

// fork: in the child, before anything else touches the pool. Takes a process slot of
// its own, inherits the parent's open files and pins. The child's threads register anew.
base::Status pool_after_fork_child(Pool &pool);

// exec: makes the descriptors survive (clears close-on-exec) so that the new image can
// adopt slot, open files and pool lock; pool_exec_failed undoes it. For a vfork
// child (it shares memory with the parent and must leave `pool` as it is),
// pool_prepare_exec_in_vfork_child makes a slot of its own with the parent's references.
struct ExecHandover {
    int pool_descriptor = -1;
    int liveness_descriptor = -1;
    uint32_t process_slot = 0;
    uint64_t incarnation = 0;
};
base::Result<ExecHandover> pool_prepare_exec(Pool &pool);
void pool_exec_failed(Pool &pool, const ExecHandover &handover);
base::Result<ExecHandover> pool_prepare_exec_in_vfork_child(Thread &thread);
void pool_exec_failed_in_vfork_child(Thread &thread, const ExecHandover &handover);

} // namespace pmemfile
