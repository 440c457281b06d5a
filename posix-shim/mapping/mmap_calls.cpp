// mmap and its kin: registers to the arguments of libpmemfile/mapping/map_calls.h, and back.
#include "libpmemfile/mapping/map_calls.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/mapping/caller.h"

#include <sys/mman.h>

namespace shim {

using namespace pmemfile;

static_assert(mapping_is_the_kernels == pass_to_kernel);

namespace {

uint64_t unsigned_of(const Request &request, unsigned index) {
    return static_cast<uint64_t>(request.args[index]);
}

int int_of(const Request &request, unsigned index) {
    return static_cast<int>(request.args[index]);
}

} // namespace

long serve_mmap(Request &request) {
    const MapArguments map{unsigned_of(request, 0), unsigned_of(request, 1), int_of(request, 2),
                           int_of(request, 3),      unsigned_of(request, 5), int_of(request, 4)};
    const MappingCaller caller = mapping_caller(request.context);
    if (map.offset_bytes % page_bytes != 0 || (map.flags & MAP_ANONYMOUS) != 0)
        return mapping_map(caller, map, nullptr);
    base::Result<OpenArgument> open = open_argument(request, 4);
    if (!open.ok())
        return kernel_result(base::Status(open.error()));
    if (open->thread == nullptr)
        return mapping_map(caller, map, nullptr);
    const FileToMap file{*open->thread, open->id, open->mount};
    return mapping_map(caller, map, &file);
}

long serve_munmap(Request &request) {
    return mapping_unmap(mapping_caller(request.context), unsigned_of(request, 0), unsigned_of(request, 1));
}

long serve_mprotect(Request &request) {
    const int key = request.number == SYS_pkey_mprotect ? int_of(request, 3) : no_key;
    return mapping_protect(unsigned_of(request, 0), unsigned_of(request, 1), int_of(request, 2), key);
}

long serve_mremap(Request &request) {
    return mapping_remap(mapping_caller(request.context), unsigned_of(request, 0), unsigned_of(request, 1),
                         unsigned_of(request, 2), int_of(request, 3), unsigned_of(request, 4));
}

long serve_msync(Request &request) {
    return mapping_sync(mapping_caller(request.context), unsigned_of(request, 0), unsigned_of(request, 1),
                        int_of(request, 2));
}

long serve_madvise(Request &request) {
    return mapping_advise(mapping_caller(request.context), unsigned_of(request, 0), unsigned_of(request, 1),
                          int_of(request, 2));
}

long serve_remap_file_pages(Request &request) {
    return mapping_remap_pages(unsigned_of(request, 0), unsigned_of(request, 1));
}

} // namespace shim
