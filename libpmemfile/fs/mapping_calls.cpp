// The idea: pin first, then make blocks exist. Once the pin stands, no block of
// the pool is used again and writers to this file store in place, so what
// data_materialise finds or makes stays where it is.
#include "libpmemfile/fs/mapping_calls.h"

#include "libpmemfile/file/data_gather.h"
#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/watermark.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <cstring>

namespace pmemfile {
namespace {

// The kernel would not give a process as many mappings. Where this cannot be done it may say so itself.
void gather_pieces(Thread &thread, InodeNumber number, uint64_t first_block, uint64_t block_count) {
    Call call(thread);
    if (block_count <= map_pieces_max || !call.lock({number}).ok())
        return;
    const Inode *inode = call.pool().inode(number);
    if (inode == nullptr || (inode->flags & inode_inline) != 0 || is_mapped(thread, number))
        return;
    const uint64_t end =
        std::min(first_block + block_count, (inode->size_bytes + block_size_bytes - 1) / block_size_bytes);
    if (is_scattered(call.pool(), *inode, first_block, end))
        static_cast<void>(data_gather(call, number, first_block, end));
}

} // namespace

base::Result<uint32_t> fs_map_begin(Thread &thread, InodeNumber inode, uint64_t first_block, uint64_t block_count,
                                    bool shared, bool writable, uint32_t generation) {
    bool writable_shared = shared && writable;
    uint32_t pin = 0;
    const bool may_change = !thread.pool->read_only;
    if (may_change && thread.pool->transaction == nullptr)
        gather_pieces(thread, inode, first_block, block_count);
    {
        Call call(thread);
        call.lock_volatile({inode});
        const Inode *home = call.pool().inode(inode);
        if (is_other_use(home, generation))
            return base::error(ESTALE);
        if (home == nullptr)
            return base::error(EUCLEAN);
        if (!may_change && (home->flags & inode_inline) != 0)
            return base::error(EROFS); // a page of its own is what it has not
        BASE_TRY_ASSIGN(pin, mapping_pin_add(thread, inode, writable_shared));
        // A transaction that has changed the file and not yet committed would make such a record: it is overtaken.
        if (writable_shared)
            stripe_state(thread, inode).last_lsn.store(thread.pool->segment->last_lsn.fetch_add(1) + 1);
        // A live record that names bytes of the file would undo stores of the mapping (golden rule).
        base::Status raised = writable_shared ? watermark_raise_all(thread) : base::Status{};
        if (!raised.ok()) {
            mapping_pin_remove(thread, pin);
            return raised.error();
        }
    }
    base::Status made;
    if (may_change)
        made = data_materialise(thread, inode, first_block, writable_shared ? block_count : 0);
    if (!made.ok()) {
        fs_map_end(thread, pin);
        return made.error();
    }
    return pin;
}

base::Result<MappedRun> fs_map_run(Thread &thread, InodeNumber number, uint64_t block_index, uint64_t limit) {
    for (ReadSection section(thread, number); section.next();) {
        const Inode *home = thread.pool->inode(number);
        if (home == nullptr) {
            if (section.valid())
                return base::error(EUCLEAN);
            continue;
        }
        Inode inode;
        std::memcpy(&inode, home, sizeof(inode));
        MappedRun run = map_lookup(*thread.pool, inode, block_index, limit);
        if (section.valid())
            return run;
    }
    return base::error(EUCLEAN);
}

void fs_map_end(Thread &thread, uint32_t pin) {
    if (InodeNumber inode = mapping_pin_remove(thread, pin))
        orphan_collect(thread, inode);
}

base::Status fs_map_sync(Thread &thread, InodeNumber number, uint64_t offset_bytes, uint64_t length_bytes) {
    uint64_t index = offset_bytes / block_size_bytes;
    uint64_t end = length_bytes == 0 ? index : (offset_bytes + length_bytes - 1) / block_size_bytes + 1;
    while (index < end) {
        BASE_TRY_ASSIGN(MappedRun run, fs_map_run(thread, number, index, end - index));
        if (run.block != 0)
            thread.pool->persist.flush(run.block * block_size_bytes, run.count * block_size_bytes);
        index += std::max<uint64_t>(run.count, 1);
    }
    return thread.pool->persist.fence() ? base::Status{} : base::error(EIO);
}

} // namespace pmemfile
