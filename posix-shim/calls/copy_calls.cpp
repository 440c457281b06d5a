// copy_file_range, between two files of one pool. Across filesystems Linux says EXDEV, and programs copy by read and
// write; before that it says what is wrong with the two, whosever they are.
#include "posix-shim/calls/file_side.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/size_limit.h"

#include "libpmemfile/fs/open_calls.h"

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// The offset of a copy: behind the pointer in register `index`; null there: the shared one.
struct CopyOffset {
    void *user;
    int64_t bytes = 0;

    CopyOffset(const Request &request, int index) : user(reinterpret_cast<void *>(request.args[index])) {}
    Status read() {
        return user == nullptr ? Status{} : copy_in(&bytes, user, sizeof(bytes));
    }
    int64_t *pointer() {
        return user == nullptr ? nullptr : &bytes;
    }
    Status write_back() const {
        return user == nullptr ? Status{} : copy_out(user, &bytes, sizeof(bytes));
    }
};

// Of a file of ours and one of the host's, or of another pool.
Status error_across(const FileSide &from, const FileSide &to) {
    if (S_ISDIR(from.mode) || S_ISDIR(to.mode))
        return error(EISDIR);
    if (!S_ISREG(from.mode) || !S_ISREG(to.mode))
        return error(EINVAL);
    return error(from.may_read && to.may_write && !to.appends ? EXDEV : EBADF);
}

Result<long> copy_range(Request &request, const FileSide &from, const FileSide &to) {
    CopyOffset from_offset(request, 1);
    CopyOffset to_offset(request, 3);
    BASE_TRY(from_offset.read());
    BASE_TRY(to_offset.read());
    if (static_cast<unsigned>(request.args[5]) != 0)
        return error(EINVAL);
    if (!from.is_ours() || !to.is_ours() || from.open.mount != to.open.mount)
        return error_across(from, to).error();
    const uint64_t limit = file_size_limit();
    const long done =
        limited_write(kernel_result(fs_copy_range(*from.open.thread, from.open.id, from_offset.pointer(), to.open.id,
                                                  to_offset.pointer(), static_cast<size_t>(request.args[4]), limit)),
                      limit);
    told(request.context, from.open, Event::access, done);
    told(request.context, to.open, Event::modify, done);
    if (done > 0) {
        BASE_TRY(from_offset.write_back());
        BASE_TRY(to_offset.write_back());
    }
    return done;
}

} // namespace

long serve_copy_file_range(Request &request) {
    const Result<FileSides> sides = file_sides(request, 0, 2);
    if (!sides.ok())
        return kernel_result(Status(sides.error()));
    if (!sides->any_is_ours())
        return pass_to_kernel;
    return sides->are_open() ? kernel_result(copy_range(request, sides->first, sides->second)) : -EBADF;
}

} // namespace shim
