// map_calls: mmap and its kin, on files of pools and on addresses that show them.
//
// One implementation for the C API and for the shim. Each takes the arguments of the call of its name and gives
// the kernel's result: an address, 0, or -errno. Any thread; they take the table's lock (mapping_table.h).
#pragma once

#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/mapping/mapping_table.h"

#include <climits>

namespace pmemfile {

// Nothing was done, for nothing of ours is concerned: the kernel is to be asked with the same arguments.
constexpr long mapping_is_the_kernels = LONG_MIN;

struct MapArguments {
    uint64_t address, length_bytes;
    int protection, flags;
    uint64_t offset_bytes;
    int descriptor; // of the kernel's, when it is no file of ours
};

// The file of ours that is to be mapped.
struct FileToMap {
    Thread &thread;
    OpenFileId id;
    uint64_t pool_key; // the caller's (MappingCaller)
};

// mmap(2) of `file`; or, with a null `file`, of something else, which may replace mappings of ours (MAP_FIXED).
// The mapping keeps the file's blocks by a pin of its own: it outlives the description. Errors as mmap(2)'s:
// EACCES, EBADF (O_PATH), EINVAL, ENODEV (no regular file), ENOMEM, EOPNOTSUPP, EOVERFLOW, EEXIST, EROFS, EUCLEAN.
long mapping_map(const MappingCaller &caller, const MapArguments &map, const FileToMap *file);
// munmap(2).
long mapping_unmap(const MappingCaller &caller, uint64_t address, uint64_t length_bytes);
// mprotect(2); pkey_mprotect(2) with a `key` other than no_key. EACCES: the file was not open for that.
constexpr int no_key = INT_MIN;
long mapping_protect(uint64_t address, uint64_t length_bytes, int protection, int key = no_key);
// mremap(2). MREMAP_DONTUNMAP is EINVAL, as for every shared file of Linux 5.7.
long mapping_remap(const MappingCaller &caller, uint64_t old_address, uint64_t old_length_bytes,
                   uint64_t new_length_bytes, int flags, uint64_t new_address);
// msync(2): with MS_SYNC the stores are durable when it returns.
long mapping_sync(const MappingCaller &caller, uint64_t address, uint64_t length_bytes, int flags);
// madvise(2). MADV_REMOVE punches a hole into the file (EACCES where it is not mapped shared, or not open for
// writing; errors of data_allocate). EPERM for what would hurt other files' bytes.
long mapping_advise(const MappingCaller &caller, uint64_t address, uint64_t length_bytes, int advice);
// remap_file_pages(2): EINVAL.
long mapping_remap_pages(uint64_t address, uint64_t length_bytes);

} // namespace pmemfile
