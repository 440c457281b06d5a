// A transaction belongs to the thread that began it: while it is open, the thread's place in the pool
// leads to the transaction's view, so that each call of the API takes part without knowing of it.
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/fs/orphan.h"

#include <utility>

namespace pmemfile::api {
namespace {

// Visits the files that were opened in the open transaction.
template <typename Each> void for_files_of_transaction(PMEMfilepool *pool, Each &&each) {
    const MutexGuard lock(pool->mutex);
    for (PMEMfile *file = pool->files; file != nullptr; file = file->next)
        if (file->is_of_transaction)
            each(*file);
}

} // namespace

void abort_transaction(PMEMfilepool *pool, Thread &thread) {
    if (thread.pool->transaction == nullptr)
        return;
    // Before the view goes: what they lead to may be in the view alone.
    for_files_of_transaction(pool, [&](PMEMfile &file) {
        fs_close(thread, file.id);
        file.id = 0;
        file.is_of_transaction = false;
    });
    pool->transaction.abort(thread);
    PMEMfile *holder = nullptr;
    {
        const MutexGuard lock(pool->mutex);
        if (pool->directory_holder != nullptr && pool->directory_holder->id == 0) {
            holder = std::exchange(pool->directory_holder, nullptr);
            pool->directory = pool->pool.superblock().root_inode;
        }
    }
    if (holder != nullptr)
        remove_file(pool, holder);
}

} // namespace pmemfile::api

using namespace pmemfile;

int pmemfile_tx_begin(PMEMfilepool *pool) {
    return static_cast<int>(api::serve(pool, [&](Thread &thread) {
        if (thread.pool->transaction != nullptr)
            return base::Status(base::error(EBUSY));
        return pool->transaction.begin(thread);
    }));
}

int pmemfile_tx_commit(PMEMfilepool *pool) {
    Thread *thread = api::thread_of(pool);
    if (thread == nullptr)
        return -1;
    if (thread->pool->transaction == nullptr)
        return api::fail(EINVAL);
    if (const int refused = pool->transaction.refused(); refused != 0) {
        api::abort_transaction(pool, *thread);
        return api::fail(refused);
    }
    api::for_files_of_transaction(pool, [](PMEMfile &file) { file.is_of_transaction = false; });
    return api::give(pool->transaction.commit(*thread, orphan_collect));
}

int pmemfile_tx_abort(PMEMfilepool *pool) {
    Thread *thread = api::thread_of(pool);
    if (thread == nullptr)
        return -1;
    if (thread->pool->transaction == nullptr)
        return api::fail(EINVAL);
    api::abort_transaction(pool, *thread);
    return 0;
}
