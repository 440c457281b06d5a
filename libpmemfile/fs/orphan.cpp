// The idea: the orphan table names every inode that has work left: without a name and still
// in use, or half truncated. Who ends the last use, or the first process after a crash, does that work.
#include "libpmemfile/fs/orphan.h"

#include "libpmemfile/file/data.h"
#include "libpmemfile/journal/call.h"
#include "libpmemfile/journal/settle.h"
#include "libpmemfile/journal/transaction.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/stripe.h"

namespace pmemfile {
namespace {

const std::atomic<InodeNumber> *slots_of(const Pool &pool) {
    return pool.at<std::atomic<InodeNumber>>(pool.superblock().orphan_table_block * block_size_bytes);
}

// An inode that was freed can be made anew at this very moment, by somebody who needs no lock for a number that he has
// claimed. So not the inode alone says that there is work, for a part of it may be the former one's: the table has to.
bool is_in_table(const Pool &pool, const Inode &inode, InodeNumber number) {
    const uint32_t slot = inode.orphan_slot;
    return slot != 0 && slot <= pool.superblock().orphan_slots && slots_of(pool)[slot - 1].load() == number;
}

base::Status collect(Thread &thread, InodeNumber number) {
    Call call(thread);
    BASE_TRY(call.lock({number}));
    const Inode *inode = call.pool().inode(number);
    if (inode == nullptr || !is_in_table(call.pool(), *inode, number))
        return {}; // somebody else has freed it
    if (inode->link_count == 0)
        return inode_is_open(thread, number) ? base::Status{} : data_free_inode(call, number);
    if ((inode->flags & inode_truncating) != 0)
        return data_finish_truncate(call, number);
    return {};
}

// The common case is a file that has a name: no lock for it. But who removes the last name holds the
// lock while he looks for users; he may have seen ours, and not yet have stored the count.
bool has_name_surely(const Thread &thread, InodeNumber inode) {
    if (stripe_state(thread, inode).lock.word.load() != 0)
        return false;
    const Inode *home = thread.pool->everybodys().inode(inode);
    return home == nullptr || home->link_count != 0;
}

} // namespace

void orphan_collect(Thread &thread, InodeNumber inode) {
    if (thread.pool->read_only || has_name_surely(thread, inode))
        return;
    // In a transaction it stays in the table: whether somebody uses it is asked when that has ended.
    if (thread.pool->transaction != nullptr)
        return thread.pool->transaction->note_ended_use();
    // A failure (the medium's) leaves it in the orphan table: the next first attach tries again.
    static_cast<void>(collect(thread, inode));
}

base::Status orphan_collect_all(Thread &thread) {
    const Pool &pool = *thread.pool;
    if (pool.read_only)
        return {};
    const Superblock &superblock = pool.superblock();
    const auto *slots = slots_of(pool);
    base::Status done;
    for (uint64_t i = 0; i < superblock.orphan_slots; ++i) {
        const InodeNumber inode = slots[i].load();
        if (inode == 0)
            continue;
        if (pool.inode(inode) != nullptr)
            BASE_TRY(collect(thread, inode));
        else
            done = base::error(EUCLEAN); // or somebody else works on it at this moment
    }
    return done;
}

bool orphan_settle_dead(Thread &thread) {
    if (!settle_dead_processes(thread, orphan_collect))
        return false;
    // Besides the last uses that their deaths ended: the dead may have been about to collect.
    // A failure (the medium's) leaves the rest in the orphan table.
    static_cast<void>(orphan_collect_all(thread));
    return true;
}

} // namespace pmemfile
