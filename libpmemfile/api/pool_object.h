// pool_object: what stands behind PMEMfilepool and PMEMfile.
#pragma once

#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/include/libpmemfile-posix.h"
#include "libpmemfile/journal/transaction.h"

#include "libpmemfile/api/mutex.h"

#include <atomic>
#include <cerrno>
#include <memory>

struct pmemfile_file {
    pmemfile::OpenFileId id = 0;
    pmemfile::InodeNumber inode = 0;
    // In the pool's list, under its mutex.
    pmemfile_file *previous = nullptr, *next = nullptr;
    // While the pool is suspended: what is needed to open it again.
    uint32_t generation = 0, flags = 0;
    int64_t offset_bytes = 0;
    std::atomic<bool> closes_on_exec = false; // FD_CLOEXEC: told by fcntl, nothing else
    // Opened in this transaction, which is open still; closed should that be aborted.
    const pmemfile::Transaction *transaction = nullptr;
};

namespace pmemfile::api {

// What a thread has of a pool. On the lists of both; its thread frees it.
struct ThreadPlace {
    std::atomic<PMEMfilepool *> pool = nullptr; // null when that has been closed
    ThreadPlace *next_of_thread = nullptr, *next_of_pool = nullptr;
    Thread thread;
};

} // namespace pmemfile::api

struct pmemfilepool {
    pmemfile::Pool pool;
    pmemfile::Credentials credentials;
    dev_t device = 0;
    uint64_t file_size_limit_bytes = UINT64_MAX; // RLIMIT_FSIZE: asking at each write would be a system call

    unsigned char uuid[16] = {};
    bool is_suspended = false;

    pmemfile::api::Mutex mutex;
    PMEMfile *files BASE_GUARDED_BY(mutex) = nullptr; // all that are open
    pmemfile::InodeNumber directory BASE_GUARDED_BY(mutex) = 0;
    PMEMfile *directory_holder BASE_GUARDED_BY(mutex) = nullptr; // null while it is the root
    pmemfile::api::ThreadPlace *places = nullptr; // of threads, made at a thread's first call; pool_api.cpp guards them
};

namespace pmemfile::api {

// This thread's place in the pool. Null with errno set (EAGAIN, ENOMEM, ENODEV while it is suspended).
Thread *thread_of(PMEMfilepool *pool);
// Memory for a PMEMfile, asked for before the call that opens has an effect. ENOMEM.
using NewFile = std::unique_ptr<pmemfile_file>;
base::Result<NewFile> new_file();
// A PMEMfile for an open file description, in the pool's list.
PMEMfile *add_file(PMEMfilepool *pool, NewFile file, OpenFileId id, InodeNumber inode);
// Takes it out of the list and frees it.
void remove_file(PMEMfilepool *pool, PMEMfile *file);
// Commits the transaction that `thread` has open. EAGAIN, ENOBUFS, EIO, EROFS: it has been aborted.
base::Status commit_transaction(PMEMfilepool *pool, Thread &thread);
// Ends the transaction that `thread` has open in the pool, if any. Its files are closed.
void abort_transaction(PMEMfilepool *pool, Thread &thread);
// The size of a file may have changed by a call: its mappings in this process follow. Costs two loads when
// nothing is mapped.
void note_size_change(PMEMfilepool *pool, InodeNumber inode);
// Does this process map files of the pool?
bool is_mapped(PMEMfilepool *pool);
// Takes them out of the address space.
void end_mappings(PMEMfilepool *pool);
// An errno, and -1 as the result.
int fail(int number);

// Microseconds to nanoseconds. False with errno EINVAL when there are a million or more. `times` may be null.
bool exact_times(const struct timeval times[2], struct timespec exact[2]);

template <typename T> long give(const base::Result<T> &result) {
    return result.ok() ? static_cast<long>(*result) : fail(result.error().number());
}
inline int give(const base::Status &status) {
    return status.ok() ? 0 : fail(status.error().number());
}

// Where a path of a call begins: `dir`, or the pool's working directory. EFAULT for a null path.
base::Result<At> at_of(PMEMfilepool *pool, PMEMfile *dir, const char *path);
// The inode that the path leads to. Of `flags` AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH count: with this one an empty
// path is `dir` itself, whatever it is (EBADF: closed with its transaction).
base::Result<InodeHandle> find(PMEMfilepool *pool, Thread &thread, PMEMfile *dir, const char *path, int flags,
                               bool real_ids = false);

// Is a call that has failed worth making again? With ESTALE it is: a path led to an inode which went meanwhile. Where
// something ran out it is while dead processes had some of it.
bool is_worth_again(Thread &thread, int error_number);

// Runs `call(thread)`, a Status or a Result, and turns it into result and errno.
template <typename Call> long serve(PMEMfilepool *pool, Call call) {
    Thread *thread = thread_of(pool);
    if (thread == nullptr)
        return -1;
    for (;;) {
        auto result = call(*thread);
        if (const Transaction *transaction = thread->pool->transaction;
            transaction != nullptr && transaction->refused() == EAGAIN)
            return fail(EAGAIN);
        if (result.ok() || !is_worth_again(*thread, result.error().number()))
            return give(result);
    }
}

} // namespace pmemfile::api
