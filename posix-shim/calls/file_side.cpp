// Ours say it by their description, the kernel's by two calls.
#include "posix-shim/calls/file_side.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/runtime/open_access.h"

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

void note_flags(FileSide &side, uint32_t flags) {
    side.is_open = true;
    side.may_read = may_read_by(flags);
    side.may_write = may_write_by(flags);
    side.appends = (flags & O_APPEND) != 0;
    side.is_nonblocking = (flags & O_NONBLOCK) != 0;
    side.makes_packets = (flags & O_DIRECT) != 0;
}

Status look_at(FileSide &side) {
    if (side.is_ours()) {
        BASE_TRY_ASSIGN(const OpenFile *file, open_file_get(*side.open.thread, side.open.id));
        const uint32_t flags = file->flags.load();
        if ((flags & O_PATH) != 0)
            return {};
        note_flags(side, flags);
        BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(*side.open.thread, file->inode.load()));
        side.mode = attributes.mode;
        return {};
    }
    const long flags = base::raw_syscall(SYS_fcntl, side.descriptor, F_GETFL);
    struct stat status = {};
    if (base::is_error(flags) || (flags & O_PATH) != 0 ||
        base::is_error(base::raw_syscall(SYS_fstat, side.descriptor, base::as_long(&status))))
        return {};
    note_flags(side, static_cast<uint32_t>(flags));
    side.mode = status.st_mode;
    return {};
}

} // namespace

Result<FileSides> file_sides(Request &request, int first, int second) {
    FileSides sides;
    BASE_TRY_ASSIGN(sides.first.open, open_argument(request, first));
    BASE_TRY_ASSIGN(sides.second.open, open_argument(request, second));
    sides.first.descriptor = request.args[first];
    sides.second.descriptor = request.args[second];
    if (sides.any_is_ours()) {
        BASE_TRY(look_at(sides.first));
        BASE_TRY(look_at(sides.second));
    }
    return sides;
}

} // namespace shim
