// The idea: the orphan table names every inode that has work left: without a name and still
// in use, or half truncated. Who ends the last use, or the first process after a crash, does that work.
#include "libpmemfile/fs/orphan.h"

#include "libpmemfile/file/data.h"
#include "libpmemfile/journal/call.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/stripe.h"

namespace pmemfile {
namespace {

base::Status collect(Thread &thread, InodeNumber number) {
    Call call(thread);
    BASE_TRY(call.lock({number}));
    const Inode *inode = call.pool().inode(number);
    if (inode == nullptr)
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
    const Inode *home = thread.pool->inode(inode);
    return home == nullptr || home->link_count != 0;
}

} // namespace

void orphan_collect(Thread &thread, InodeNumber inode) {
    // In a transaction it stays in the table: whether somebody uses it is asked after the commit.
    if (thread.pool->read_only || thread.pool->transaction != nullptr)
        return;
    if (has_name_surely(thread, inode))
        return;
    // A failure (the medium's) leaves it in the orphan table: the next first attach tries again.
    static_cast<void>(collect(thread, inode));
}

base::Status orphan_collect_all(Thread &thread) {
    const Pool &pool = *thread.pool;
    if (pool.read_only)
        return {};
    const Superblock &superblock = pool.superblock();
    const auto *slots = pool.at<OrphanSlot>(superblock.orphan_table_block * block_size_bytes);
    for (uint64_t i = 0; i < superblock.orphan_slots; ++i) {
        const InodeNumber inode = slots[i].inode;
        if (inode == 0)
            continue;
        if (pool.inode(inode) == nullptr)
            return base::error(EUCLEAN);
        BASE_TRY(collect(thread, inode));
    }
    return {};
}

} // namespace pmemfile
