#include "posix-shim/descriptors/open_fifo.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/paths/descriptor_path.h"
#include "posix-shim/paths/rendezvous.h"

#include <cerrno>
#include <fcntl.h>

namespace shim {

namespace {

// In which directory it was opened: who has it open already knows.
pmemfile::InodeNumber parent_of(const pmemfile::Pool &pool, pmemfile::InodeNumber inode) {
    const uint32_t end = pool.segment->open_file_high_water.load();
    for (uint32_t index = 0; index < end && index < pmemfile::max_open_files; index++) {
        const pmemfile::OpenFile &file = pool.segment->open_files()[index];
        if (file.nonce.load() != 0 && file.inode.load() == inode && file.parent.load() != 0)
            return file.parent.load();
    }
    return 0;
}

base::Result<OpenFileId> open_inode(pmemfile::Thread &thread, const pmemfile::InodeHandle &inode) {
    base::Result<OpenFileId> id = pmemfile::fs_open_inode(thread, inode, O_PATH);
    if (id.ok() || id.error().number() != ESTALE)
        return id;
    // It has lost its name, and who has it open keeps it; or the number is another one's by now.
    id = pmemfile::fs_open_inode(thread, inode.number, O_PATH);
    BASE_TRY(id);
    const base::Result<pmemfile::Attributes> attributes = pmemfile::fs_attributes(thread, inode.number);
    if (attributes.ok() && attributes->generation == inode.generation)
        return id;
    pmemfile::fs_close(thread, *id, false);
    return base::error(ESTALE);
}

} // namespace

OpenFileId open_fifo_hold(ThreadContext &context, long descriptor, unsigned *mount) {
    char path[rendezvous_path_bytes + sizeof " (deleted)"];
    const DescriptorPath link(descriptor);
    const long length = base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long(link.text()), base::as_long(path),
                                          static_cast<long>(sizeof path));
    pmemfile::InodeHandle inode;
    if (base::is_error(length) || !rendezvous_inode({path, static_cast<size_t>(length)}, mount, &inode))
        return 0;
    const base::Result<pmemfile::Thread *> thread = context_thread(context, *mount);
    if (!thread.ok())
        return 0;
    const base::Result<OpenFileId> id = open_inode(**thread, inode);
    if (!id.ok())
        return 0;
    if (const base::Result<pmemfile::OpenFile *> file = pmemfile::open_file_get(**thread, *id); file.ok())
        (*file)->parent.store(parent_of(*(*thread)->pool, inode.number));
    return *id;
}

} // namespace shim
