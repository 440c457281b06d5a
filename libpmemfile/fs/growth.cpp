// The pool file is sparse and has its last size from the beginning, so that every process has mapped what may come:
//
//   pool file   [libpmemobj: tables, group 0, group 1]│[ hole: groups that are not in use              ]
//                                                     └─ groups_in_use = 2
//   grow        reserve the blocks of group 2 ─► its empty bitmaps, fence ─► groups_in_use = 3, fence
//
// The one word is the commit point. Before it nobody looks at the group; a crash leaves bitmaps that the next growth
// writes again.
#include "libpmemfile/fs/growth.h"

#include "base/raw_syscall.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/space/group.h"

namespace pmemfile {
namespace {

// A store into the new groups must not find the host's filesystem full (SIGBUS).
base::Status reserve(const Pool &pool, const GroupDescriptor &first, const GroupDescriptor &last) {
    if (pool.pool_descriptor < 0) // an image in memory
        return {};
    const uint64_t begin = first.first_block * block_size_bytes;
    const uint64_t end = (last.first_block + last.block_count) * block_size_bytes;
    const long reserved = base::raw_syscall(SYS_fallocate, pool.pool_descriptor, 0, static_cast<long>(begin),
                                            static_cast<long>(end - begin));
    return base::is_error(reserved) ? base::Status(base::error(static_cast<int>(-reserved))) : base::Status();
}

base::Status take_groups(Pool &pool, uint64_t from, uint64_t to) {
    const GroupDescriptor *groups = &group_descriptor(pool, 0);
    BASE_TRY(reserve(pool, groups[from], groups[to - 1]));
    for (uint64_t group = from; group < to; group++)
        group_write(pool.persist, groups[group]);
    if (!is_seeded(SeededFault::growth_without_fence) && !pool.persist.fence())
        return base::error(EIO);
    const PoolOffset word = pool.superblock_offset + offsetof(Superblock, groups_in_use);
    pool.persist.store64(word, groups_in_use_word(static_cast<uint32_t>(to)));
    pool.persist.flush(word, sizeof(uint64_t));
    return pool.persist.fence() ? base::Status() : base::Status(base::error(EIO));
}

} // namespace

base::Status fs_grow(Thread &thread, uint64_t size_bytes) {
    Pool &pool = *thread.pool;
    if (pool.transaction != nullptr)
        return base::error(EBUSY);
    if (pool.read_only || pool.segment->failed.load() != 0)
        return base::error(EROFS);
    const Superblock &superblock = pool.superblock();
    if ((superblock.features.incompatible & feature_growth) == 0)
        return base::error(EOPNOTSUPP);
    if (size_bytes > superblock.pool_size_bytes)
        return base::error(EFBIG);
    const RobustGuard growing(thread, pool.segment->growth_lock);
    const uint64_t present = groups_in_use(superblock);
    const uint64_t wanted = group_count_for_size(&group_descriptor(pool, 0), superblock.group_count, size_bytes);
    if (wanted <= present)
        return {};
    const base::Status taken = take_groups(pool, present, wanted);
    if (!taken.ok() && taken.error().number() == EIO)
        pool_mark_failed(pool);
    return taken;
}

} // namespace pmemfile
