// Mappings. The table of addresses is the process's; a pool's key in it is the pool object's address.
//
// A linked library has no handler for SIGBUS. What the kernel does when a page is touched that the file
// has grown over is done by the call that lets it grow, for this process; for files that another process
// lets grow there is pmemfile_mapping_fault.
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/mapping/map_calls.h"
#include "libpmemfile/mapping/size_change.h"

#include <cstdarg>
#include <sys/mman.h>

using namespace pmemfile;

namespace {

uint64_t key_of(PMEMfilepool *pool) {
    return reinterpret_cast<uint64_t>(pool);
}

const MappingCaller caller = {nullptr, [](void *, uint64_t pool_key) -> base::Result<Thread *> {
                                  Thread *thread = api::thread_of(reinterpret_cast<PMEMfilepool *>(pool_key));
                                  if (thread == nullptr)
                                      return base::error(errno);
                                  return thread;
                              }};

// This thread's place, for a call that a transaction cannot undo. Null with errno set.
Thread *thread_outside_transaction(PMEMfilepool *pool) {
    Thread *thread = api::thread_of(pool);
    if (thread == nullptr || thread->pool->transaction == nullptr)
        return thread;
    api::fail(EBUSY);
    return nullptr;
}

// A kernel's result as libc gives it.
long result_of(long result) {
    return base::is_error(result) ? api::fail(static_cast<int>(-result)) : result;
}

void *address_of(long result) {
    return reinterpret_cast<void *>(result_of(result));
}

uint64_t number_of(const void *address) {
    return reinterpret_cast<uint64_t>(address);
}

} // namespace

void api::note_size_change(PMEMfilepool *pool, InodeNumber inode) {
    mapping_file_cut(caller, key_of(pool), inode);
    mapping_file_grown(caller, key_of(pool), inode);
}

bool api::is_mapped(PMEMfilepool *pool) {
    return mapping_of_pool(key_of(pool));
}

void api::end_mappings(PMEMfilepool *pool) {
    mapping_drop_pool(caller, key_of(pool));
}

void *pmemfile_mmap(PMEMfilepool *pool, void *address, size_t length, int protection, int flags, PMEMfile *file,
                    pmemfile_off_t offset) {
    Thread *thread = thread_outside_transaction(pool);
    if (thread == nullptr)
        return MAP_FAILED;
    const bool is_anonymous = (flags & MAP_ANONYMOUS) != 0;
    if (!is_anonymous && (file == nullptr || pool->pool.is_private())) {
        api::fail(file == nullptr ? EBADF : ENODEV);
        return MAP_FAILED;
    }
    const MapArguments map = {number_of(address), length, protection, flags, static_cast<uint64_t>(offset), -1};
    if (is_anonymous) {
        const long mapped = mapping_map(caller, map, nullptr);
        return mapped == mapping_is_the_kernels ? ::mmap(address, length, protection, flags, -1, offset)
                                                : address_of(mapped);
    }
    const FileToMap what = {*thread, file->id, key_of(pool)};
    return address_of(mapping_map(caller, map, &what));
}

int pmemfile_munmap(PMEMfilepool *, void *address, size_t length) {
    const long result = mapping_unmap(caller, number_of(address), length);
    return result == mapping_is_the_kernels ? ::munmap(address, length) : static_cast<int>(result_of(result));
}

void *pmemfile_mremap(PMEMfilepool *pool, void *old_address, size_t old_length, size_t new_length, int flags, ...) {
    void *new_address = nullptr;
    if ((flags & MREMAP_FIXED) != 0) {
        va_list list;
        va_start(list, flags);
        new_address = va_arg(list, void *);
        va_end(list);
    }
    if (thread_outside_transaction(pool) == nullptr)
        return MAP_FAILED;
    const long result =
        mapping_remap(caller, number_of(old_address), old_length, new_length, flags, number_of(new_address));
    return result == mapping_is_the_kernels ? ::mremap(old_address, old_length, new_length, flags, new_address)
                                            : address_of(result);
}

int pmemfile_mprotect(PMEMfilepool *, void *address, size_t length, int protection) {
    const long result = mapping_protect(number_of(address), length, protection);
    return result == mapping_is_the_kernels ? ::mprotect(address, length, protection)
                                            : static_cast<int>(result_of(result));
}

int pmemfile_msync(PMEMfilepool *pool, void *address, size_t length, int flags) {
    if (thread_outside_transaction(pool) == nullptr)
        return -1;
    const long result = mapping_sync(caller, number_of(address), length, flags);
    return result == mapping_is_the_kernels ? ::msync(address, length, flags) : static_cast<int>(result_of(result));
}

int pmemfile_madvise(PMEMfilepool *, void *address, size_t length, int advice) {
    const long result = mapping_advise(caller, number_of(address), length, advice);
    return result == mapping_is_the_kernels ? ::madvise(address, length, advice) : static_cast<int>(result_of(result));
}

int pmemfile_mapping_fault(const void *address) {
    return mapping_fault(caller, number_of(address)) ? 1 : 0;
}
