// A transaction belongs to the thread that began it: while it is open, the thread's place in the pool
// leads to the transaction's view, so that each call of the API takes part without knowing of it.
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/fs/orphan.h"

#include <new>
#include <utility>

namespace pmemfile::api {
namespace {

// The files that were opened in this transaction are the pool's, or are closed with it.
void end_files_of(PMEMfilepool *pool, Thread &thread, const Transaction *transaction, bool close) {
    const MutexGuard lock(pool->mutex);
    for (PMEMfile *file = pool->files; file != nullptr; file = file->next) {
        if (file->transaction != transaction)
            continue;
        file->transaction = nullptr;
        if (close)
            fs_close(thread, std::exchange(file->id, 0));
    }
    if (!close || pool->directory_holder == nullptr || pool->directory_holder->id != 0)
        return;
    // The holder goes with the pool's next change of directory.
    pool->directory = pool->pool.superblock().root_inode;
}

} // namespace

base::Status commit_transaction(PMEMfilepool *pool, Thread &thread) {
    if (const int refused = thread.pool->transaction->refused(); refused != 0) {
        abort_transaction(pool, thread);
        return base::error(refused);
    }
    const std::unique_ptr<Transaction> transaction(thread.pool->transaction);
    const base::Status done = transaction->commit(thread);
    end_files_of(pool, thread, transaction.get(), !done.ok());
    return done;
}

void abort_transaction(PMEMfilepool *pool, Thread &thread) {
    const std::unique_ptr<Transaction> transaction(thread.pool->transaction);
    if (transaction == nullptr)
        return;
    // Before the view goes: what they lead to may be in the view alone.
    end_files_of(pool, thread, transaction.get(), true);
    transaction->abort(thread);
}

} // namespace pmemfile::api

using namespace pmemfile;

int pmemfile_tx_begin(PMEMfilepool *pool) {
    return static_cast<int>(api::serve(pool, [&](Thread &thread) {
        std::unique_ptr<Transaction> transaction(new (std::nothrow) Transaction);
        if (transaction == nullptr)
            return base::Status(base::error(ENOMEM));
        const base::Status begun = transaction->begin(thread, orphan_collect);
        if (begun.ok())
            static_cast<void>(transaction.release()); // the thread's view leads to it
        return begun;
    }));
}

int pmemfile_tx_commit(PMEMfilepool *pool) {
    Thread *thread = api::thread_of(pool);
    if (thread == nullptr)
        return -1;
    if (thread->pool->transaction == nullptr)
        return api::fail(EINVAL);
    const base::Status done = api::commit_transaction(pool, *thread);
    return api::give(done);
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
