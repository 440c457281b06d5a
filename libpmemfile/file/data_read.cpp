// The idea: no lock. Runs of the map are copied straight into the application's
// buffers under the inode's sequence counter; if it moved, all is copied again.
#include "libpmemfile/file/data.h"

#include "libpmemfile/file/user_cursor.h"
#include "libpmemfile/runtime/stripe.h"

#include <cstring>

namespace pmemfile {
namespace {

// Copies [offset, end) of the file; returns bytes copied.
size_t copy_range(const Pool &pool, const Inode &inode, uint64_t offset, uint64_t end, UserCursor &cursor) {
    if (inode.flags & inode_inline) {
        if (end > inline_max_bytes)
            return 0; // garbage: valid() will fail, or the inode is damaged
        return cursor.copy_in(reinterpret_cast<const std::byte *>(inode.content.bytes) + offset, end - offset);
    }
    uint64_t at = offset;
    while (at < end) {
        uint64_t index = at / block_size_bytes;
        MappedRun run = map_lookup(pool, inode, index, (end - 1) / block_size_bytes - index + 1);
        uint64_t run_end = std::min(end, (index + run.count) * block_size_bytes);
        uint64_t size = run_end - at;
        if (run.block == 0)
            size = std::min(size, block_size_bytes);
        const std::byte *from = run.block == 0 ? zero_block : pool.block(run.block) + (at - index * block_size_bytes);
        size_t copied = cursor.copy_in(from, size);
        at += copied;
        if (copied != size)
            break;
    }
    return at - offset;
}

} // namespace

base::Result<size_t> data_read(Thread &thread, InodeNumber number, uint64_t offset_bytes, const UserBuffers &buffers) {
    const Pool &pool = *thread.pool;
    size_t wanted = total_bytes(buffers);
    for (ReadSection section(thread, number); section.next();) {
        const Inode *home = pool.inode(number);
        if (home == nullptr) {
            if (section.valid())
                return base::error(EUCLEAN);
            continue;
        }
        Inode inode;
        std::memcpy(&inode, home, sizeof(inode));
        if (!section.valid())
            continue; // do not fill buffers by the map of a torn inode
        if (offset_bytes >= inode.size_bytes)
            return size_t{0};
        size_t size = std::min<uint64_t>(wanted, inode.size_bytes - offset_bytes);
        UserCursor cursor(buffers);
        size_t done = copy_range(pool, inode, offset_bytes, offset_bytes + size, cursor);
        if (!section.valid())
            continue;
        if (done == 0 && size != 0) {
            bool damaged = (inode.flags & inode_inline) && inode.size_bytes > inline_max_bytes;
            return base::error(damaged ? EUCLEAN : EFAULT);
        }
        return done;
    }
    return base::error(EUCLEAN);
}

base::Result<uint64_t> data_seek(Thread &thread, InodeNumber number, uint64_t offset_bytes, bool want_hole) {
    const Pool &pool = *thread.pool;
    for (ReadSection section(thread, number); section.next();) {
        const Inode *home = pool.inode(number);
        if (home == nullptr) {
            if (section.valid())
                return base::error(EUCLEAN);
            continue;
        }
        Inode inode;
        std::memcpy(&inode, home, sizeof(inode));
        if (!section.valid())
            continue;
        if (offset_bytes >= inode.size_bytes)
            return base::error(ENXIO);
        uint64_t end = (inode.size_bytes - 1) / block_size_bytes + 1;
        uint64_t index = offset_bytes / block_size_bytes;
        bool found = (inode.flags & inode_inline) && !want_hole;
        if (inode.flags & inode_inline)
            index = want_hole ? end : index;
        // A sound map has at most one run a pointer; nodes that lead to each other have no end of them.
        uint64_t runs_left = (std::min(inode.block_count, pool.block_limit()) + 1) * pointers_per_node;
        while (!found && index < end) {
            if (runs_left-- == 0)
                break;
            MappedRun run = map_lookup(pool, inode, index, end - index);
            if ((run.block == 0) == want_hole) {
                found = true;
                break;
            }
            index += run.count;
        }
        if (!section.valid())
            continue;
        if (!found && index < end)
            return base::error(EUCLEAN);
        if (!found) // the end of the file counts as a hole
            return want_hole ? base::Result<uint64_t>(inode.size_bytes) : base::error(ENXIO);
        return std::max(offset_bytes, index * block_size_bytes);
    }
    return base::error(EUCLEAN);
}

} // namespace pmemfile
