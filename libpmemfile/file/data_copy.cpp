// The idea: a copy is a write whose buffers are the source's own blocks. Both inodes are
// locked, so that the blocks stay where they are; each step is one of data_write's, as atomic as those.
//
//   source   [..ss|ssss|    |ss..]
//              └──┬───┘└hole┘└┬┘
//   buffers     {  , zeros, }  ──► data_write_step ──► target
//
// The buffers are gathered anew for each step: where source and target are one file, a step may have
// moved blocks that the next one reads.
#include "libpmemfile/file/user_cursor.h"

#include <cstring>

namespace pmemfile {
namespace {

// More than what is promised to be one step has, however scattered it is.
constexpr unsigned max_pieces = 32;
static_assert(max_pieces > atomic_write_bytes / block_size_bytes + 1);

struct Source {
    struct iovec pieces[max_pieces];
    unsigned count = 0;
    uint64_t total_bytes = 0;
    std::byte inline_content[inline_max_bytes]; // the step may move it out of the inode
};

// [offset, offset + size) of the file, or as much of it as the pieces hold.
base::Status gather(const Pool &pool, const Inode &inode, uint64_t offset, uint64_t size, Source &source) {
    if (inode.flags & inode_inline) {
        if (offset + size > inline_max_bytes)
            return base::error(EUCLEAN);
        std::memcpy(source.inline_content, inode.content.bytes, inline_max_bytes);
        source.pieces[source.count++] = {source.inline_content + offset, size};
        source.total_bytes = size;
        return {};
    }
    while (size > 0 && source.count < max_pieces) {
        const uint64_t index = offset / block_size_bytes;
        const uint64_t in_block = offset % block_size_bytes;
        const MappedRun run = map_lookup(pool, inode, index, (in_block + size - 1) / block_size_bytes + 1);
        uint64_t piece = std::min(size, run.count * block_size_bytes - in_block);
        const std::byte *from = zero_block;
        if (run.block == 0)
            piece = std::min(piece, block_size_bytes);
        else
            from = pool.block(run.block) + in_block;
        source.pieces[source.count++] = {const_cast<std::byte *>(from), piece};
        source.total_bytes += piece;
        offset += piece;
        size -= piece;
    }
    return {};
}

} // namespace

base::Result<size_t> data_copy(Thread &thread, InodeNumber from, uint64_t from_offset_bytes, InodeNumber to,
                               uint64_t to_offset_bytes, uint64_t size_bytes, uint64_t size_limit_bytes) {
    Call call(thread);
    BASE_TRY(call.lock({from, to}));
    BASE_TRY(data_finish_truncate(call, to));
    const Inode *source = call.pool().inode(from);
    if (source == nullptr || call.pool().inode(to) == nullptr)
        return base::error(EUCLEAN);
    if (size_bytes == 0 || from_offset_bytes >= source->size_bytes)
        return size_t{0};
    const uint64_t limit = std::min(size_limit_bytes, file_max_bytes);
    if (to_offset_bytes >= limit)
        return base::error(EFBIG);
    size_bytes = std::min({size_bytes, source->size_bytes - from_offset_bytes, limit - to_offset_bytes});
    if (from == to && to_offset_bytes < from_offset_bytes + size_bytes &&
        from_offset_bytes < to_offset_bytes + size_bytes)
        return base::error(EINVAL);
    uint64_t done = 0;
    while (done < size_bytes) {
        Source step;
        base::Status gathered = gather(call.pool(), *source, from_offset_bytes + done, size_bytes - done, step);
        base::Result<size_t> written = gathered.error();
        if (gathered.ok()) {
            UserCursor cursor({step.pieces, step.count});
            written = data_write_step(call, to, cursor, to_offset_bytes + done, step.total_bytes);
        }
        if (!written.ok())
            return done != 0 ? base::Result<size_t>(done) : written.error();
        done += *written;
    }
    return size_t{done};
}

} // namespace pmemfile
