// Calls that have nothing to do: each call was durable when it returned, and advice has no use on this medium. What is
// wrong with their arguments they say as Linux does.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/runtime/open_access.h"

#include <linux/fs.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// `check(open)` gives the call's error. EBADF: O_PATH.
template <typename Check> long nothing_to_do(Request &request, Check check) {
    const Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    const Result<InodeNumber> inode = inode_of_open(*open, false);
    if (!inode.ok())
        return kernel_result(Status(inode.error()));
    const Status checked = check(*open, *inode);
    return checked.ok() ? 0 : kernel_result(checked);
}

constexpr unsigned sync_range_flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

} // namespace

long serve_durable(Request &request) {
    return nothing_to_do(request, [](const OpenArgument &, InodeNumber) { return Status(); });
}

long serve_sync_file_range(Request &request) {
    return nothing_to_do(request, [&](const OpenArgument &, InodeNumber) -> Status {
        int64_t end = 0;
        const bool has_end = !__builtin_add_overflow(request.args[1], request.args[2], &end) && end >= 0;
        if ((static_cast<unsigned>(request.args[3]) & ~sync_range_flags) != 0 || request.args[1] < 0 || !has_end ||
            end < request.args[1])
            return error(EINVAL);
        return {};
    });
}

long serve_fadvise64(Request &request) {
    return nothing_to_do(request, [&](const OpenArgument &, InodeNumber) -> Status {
        const auto advice = static_cast<int>(request.args[3]);
        if (request.args[2] < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE)
            return error(EINVAL);
        return {};
    });
}

long serve_readahead(Request &request) {
    return nothing_to_do(request, [&](const OpenArgument &open, InodeNumber inode) -> Status {
        BASE_TRY_ASSIGN(const OpenFile *file, open_file_get(*open.thread, open.id));
        if (!may_read_by(file->flags.load()))
            return error(EBADF);
        BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(*open.thread, inode));
        if (!S_ISREG(attributes.mode) || request.args[2] < 0)
            return error(EINVAL);
        return {};
    });
}

} // namespace shim
