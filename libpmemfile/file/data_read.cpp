// The idea: no lock, and no copy of the inode. Runs of the map are copied straight into the application's
// buffers under the inode's sequence counter; if it moved, all is copied again.
#include "libpmemfile/file/data.h"

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/file/user_cursor.h"
#include "libpmemfile/runtime/stripe.h"

#include <cstring>

namespace pmemfile {
namespace {

// Copies [offset, end) of the content that stands in the inode; returns bytes copied.
size_t copy_inline(const Inode &inode, uint64_t offset, uint64_t end, UserCursor &cursor) {
    if (end > inline_max_bytes)
        return 0; // the inode is damaged
    return cursor.copy_in(reinterpret_cast<const std::byte *>(inode.content.bytes) + offset, end - offset);
}

// The same of blocks. The buffers are not filled by a map that has changed since the section began.
size_t copy_blocks(const Pool &pool, const ReadSection &section, const Inode &inode, uint64_t offset, uint64_t end,
                   UserCursor &cursor) {
    uint64_t at = offset;
    while (at < end) {
        uint64_t index = at / block_size_bytes;
        MappedRun run = map_lookup(pool, inode, index, (end - 1) / block_size_bytes - index + 1);
        uint64_t run_end = std::min(end, (index + run.count) * block_size_bytes);
        uint64_t size = run_end - at;
        if (run.block == 0)
            size = std::min(size, block_size_bytes);
        const std::byte *from = run.block == 0 ? zero_block : pool.block(run.block) + (at - index * block_size_bytes);
        if (!section.valid())
            break;
        size_t copied = cursor.copy_in(from, size);
        at += copied;
        if (copied != size)
            break;
    }
    return at - offset;
}

// One buffer and one block, as most reads are, and nothing moves: bytes copied. 0 when it is anything else.
size_t read_in_block(Thread &thread, InodeNumber number, uint64_t offset, const struct iovec &buffer,
                     uint32_t generation) {
    const Pool &pool = *thread.pool;
    const Moment moment(thread, number);
    const Inode *home = pool.inode(number);
    if (!moment.is_calm() || pool.reads != nullptr || home == nullptr || (home->flags & inode_inline) != 0 ||
        is_other_use(home, generation))
        return 0;
    const uint64_t file_bytes = home->size_bytes;
    const uint64_t within = offset % block_size_bytes;
    if (offset >= file_bytes || buffer.iov_len > block_size_bytes - within)
        return 0;
    const size_t size = std::min<uint64_t>(buffer.iov_len, file_bytes - offset);
    const BlockNumber block = map_lookup(pool, *home, offset / block_size_bytes, 1).block;
    if (block == 0 || moment.has_passed() || base_user_copy(buffer.iov_base, pool.block(block) + within, size) != 0 ||
        moment.has_passed())
        return 0;
    return size;
}

} // namespace

base::Result<size_t> data_read(Thread &thread, InodeNumber number, uint64_t offset_bytes, const UserBuffers &buffers,
                               uint32_t generation) {
    if (buffers.count == 1) {
        if (const size_t done = read_in_block(thread, number, offset_bytes, buffers.vectors[0], generation))
            return done;
    }
    const Pool &pool = *thread.pool;
    size_t wanted = total_bytes(buffers);
    for (ReadSection section(thread, number); section.next();) {
        const Inode *home = pool.inode(number);
        const uint64_t file_bytes = home == nullptr ? 0 : home->size_bytes;
        const bool is_inline = home != nullptr && (home->flags & inode_inline) != 0;
        const bool is_stale = is_other_use(home, generation);
        if (!section.valid())
            continue;
        if (is_stale)
            return base::error(ESTALE);
        if (home == nullptr)
            return base::error(EUCLEAN);
        if (offset_bytes >= file_bytes)
            return size_t{0};
        size_t size = std::min<uint64_t>(wanted, file_bytes - offset_bytes);
        UserCursor cursor(buffers);
        size_t done = is_inline ? copy_inline(*home, offset_bytes, offset_bytes + size, cursor)
                                : copy_blocks(pool, section, *home, offset_bytes, offset_bytes + size, cursor);
        if (!section.valid())
            continue;
        if (done == 0 && size != 0)
            return base::error(is_inline && file_bytes > inline_max_bytes ? EUCLEAN : EFAULT);
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
