// The idea: the size changes in one record, and the blocks go with it as far as
// they fit. What does not fit is freed in further records, from the end down;
// meanwhile the inode stands in the orphan table, flagged inode_truncating.
//
// Invariant: bytes of the tail block beyond the size are zero. Shrinking zeroes
// them, in the record (golden rule); growing does so again, for stores through
// mappings may have left bytes there.
#include "libpmemfile/file/data.h"

#include "libpmemfile/file/data_share.h"
#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/file/xattr_area.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>
#include <fcntl.h>

namespace pmemfile {
namespace {

// Where the rest of the block begins that byte `offset` lies in; 0: nothing there.
PoolOffset tail_of(const Pool &pool, const Inode &inode, uint64_t offset) {
    if (offset % block_size_bytes == 0 || (inode.flags & inode_inline))
        return 0;
    MappedRun run = map_lookup(pool, inode, offset / block_size_bytes, 1);
    return run.block == 0 ? 0 : run.block * block_size_bytes + offset % block_size_bytes;
}

// One record's worth of freeing; leaves the inode in the orphan table if more is to come.
base::Result<bool> truncate_step(Call &call, InodeNumber number, Inode &inode, uint64_t first) {
    BASE_TRY_ASSIGN(bool done, map_truncate_step(call, inode, first));
    if (!done) {
        inode.flags |= inode_truncating;
        if (inode.orphan_slot == 0 && !is_seeded(SeededFault::truncation_not_noted)) {
            BASE_TRY_ASSIGN(inode.orphan_slot, orphan_slot_take(call, number));
        }
        return false;
    }
    if (inode.flags & inode_truncating) {
        inode.flags &= static_cast<uint16_t>(~inode_truncating);
        if (inode.link_count != 0) { // without a name it stays an orphan
            orphan_slot_release(call, inode.orphan_slot);
            inode.orphan_slot = 0;
        }
    }
    return true;
}

base::Status shrink(Call &call, InodeNumber number, Inode inode, uint64_t size) {
    if (inode.flags & inode_inline) {
        if (size < inline_max_bytes)
            std::memset(inode.content.bytes + size, 0, inline_max_bytes - size);
        inode.size_bytes = size;
        store_changes(call, number, inode);
        return call.commit();
    }
    bool mapped = is_mapped_writable(call.thread(), number);
    PoolOffset tail = tail_of(call.pool(), inode, size);
    uint64_t tail_bytes = block_size_bytes - size % block_size_bytes;
    if (tail != 0 && is_seeded(SeededFault::tail_zeroed_in_place))
        BASE_TRY(data_zero_directly(call, tail, tail_bytes));
    else if (tail != 0 && !mapped)
        call.zero(tail, tail_bytes);
    inode.size_bytes = size;
    BASE_TRY_ASSIGN(bool done, truncate_step(call, number, inode, blocks_of(size)));
    store_changes(call, number, inode);
    BASE_TRY(call.commit());
    // Mapped: only now are these bytes beyond the end. A cut before leaves bytes that growing zeroes.
    if (tail != 0 && mapped)
        BASE_TRY(data_zero_directly(call, tail, tail_bytes));
    return done ? base::Status{} : data_finish_truncate(call, number);
}

} // namespace

base::Status data_zero_directly(Call &call, PoolOffset target, uint64_t size_bytes) {
    call.begin_direct_stores();
    call.pool().persist.zero(target, size_bytes);
    call.pool().persist.flush(target, size_bytes);
    call.end_direct_stores();
    return call.fence_data();
}

base::Status data_grow(Call &call, InodeNumber number, Inode inode, uint64_t size) {
    if (is_mapped_writable(call.thread(), number))
        BASE_TRY(zero_gap_directly(call, inode, size));
    else if (PoolOffset tail = tail_of(call.pool(), inode, inode.size_bytes))
        call.zero(tail, block_size_bytes - inode.size_bytes % block_size_bytes);
    if ((inode.flags & inode_inline) && size > inline_max_bytes)
        BASE_TRY(move_inline_out(call, number, inode));
    inode.size_bytes = size;
    store_changes(call, number, inode);
    return call.commit();
}

base::Status data_unshare_cut_block(Call &call, InodeNumber number, uint64_t offset) {
    const uint64_t index = offset / block_size_bytes;
    if (is_seeded(SeededFault::cut_block_not_parted))
        return {};
    return offset % block_size_bytes == 0 ? base::Status{} : data_unshare(call, number, index, index + 1);
}

base::Status move_inline_out(Call &call, InodeNumber number, Inode &inode) {
    unsigned char bytes[inline_max_bytes];
    std::memcpy(bytes, inode.content.bytes, sizeof(bytes));
    std::memset(&inode.content, 0, sizeof(inode.content));
    inode.flags &= static_cast<uint16_t>(~inode_inline);
    inode.height = 0;
    if (inode.size_bytes == 0)
        return {};
    BASE_TRY_ASSIGN(BlockNumber block, allocate_block(call));
    const size_t size = std::min<uint64_t>(inode.size_bytes, sizeof(bytes));
    if (is_mapped_writable(call.thread(), number)) {
        // What is stored through the mapping next must not be undone by a record that is applied again.
        std::byte *scratch = call.thread().data;
        std::memset(scratch, 0, block_size_bytes);
        std::memcpy(scratch, bytes, size);
        call.pool().persist.store_nt(block * block_size_bytes, scratch, block_size_bytes);
        BASE_TRY(call.fence_data());
    } else {
        call.zero(block * block_size_bytes, block_size_bytes);
        call.store(block * block_size_bytes, bytes, size);
    }
    BlockRun run{block, 1};
    return map_set(call, inode, 0, std::span(&run, 1));
}

base::Status move_inline_and_commit(Call &call, InodeNumber number) {
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    if ((inode.flags & inode_inline) == 0)
        return {};
    BASE_TRY(move_inline_out(call, number, inode));
    store_changes(call, number, inode);
    return call.commit();
}

base::Status zero_gap_directly(Call &call, const Inode &inode, uint64_t offset_bytes) {
    PoolOffset tail = tail_of(call.pool(), inode, inode.size_bytes);
    if (tail == 0 || offset_bytes <= inode.size_bytes)
        return {};
    uint64_t block_end = blocks_of(inode.size_bytes) * block_size_bytes;
    return data_zero_directly(call, tail, std::min(offset_bytes, block_end) - inode.size_bytes);
}

base::Status data_finish_truncate(Call &call, InodeNumber number) {
    for (;;) {
        const Inode *home = call.pool().inode(number);
        if (home == nullptr)
            return base::error(EUCLEAN);
        if ((home->flags & inode_truncating) == 0)
            return {};
        Inode inode = *home;
        BASE_TRY(truncate_step(call, number, inode, blocks_of(inode.size_bytes)));
        store_changes(call, number, inode);
        BASE_TRY(call.commit());
    }
}

base::Status data_truncate(Thread &thread, InodeNumber number, uint64_t size_bytes, uint32_t generation) {
    if (size_bytes > file_max_bytes)
        return base::error(EFBIG);
    Call call(thread);
    BASE_TRY(call.lock({number}));
    if (is_other_use(call.pool().inode(number), generation))
        return base::error(ESTALE);
    BASE_TRY(data_prepare_change(call, number));
    BASE_TRY(data_unshare_cut_block(call, number, size_bytes));
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    touch(call.thread(), inode);
    return size_bytes <= inode.size_bytes ? shrink(call, number, inode, size_bytes)
                                          : data_grow(call, number, inode, size_bytes);
}

base::Status data_free_inode(Call &call, InodeNumber number) {
    for (;;) {
        BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
        inode.link_count = 0;
        inode.size_bytes = 0;
        if (inode.xattr_block != 0)
            BASE_TRY(xattr_release(call, inode));
        BASE_TRY_ASSIGN(bool done, truncate_step(call, number, inode, 0));
        if (!done) {
            store_changes(call, number, inode);
            BASE_TRY(call.commit());
            continue;
        }
        orphan_slot_release(call, inode.orphan_slot);
        inode.orphan_slot = 0;
        inode.magic = 0; // stale numbers are noticed; the generation stays
        inode.mode = 0;
        inode.flags = 0;
        inode.height = 0;
        // Whole line, also when equal to home: the caller's record may hold an earlier store of it.
        call.store(number * inode_size_bytes, &inode, cache_line_bytes);
        release_inode(call, number);
        return call.commit();
    }
}

} // namespace pmemfile
