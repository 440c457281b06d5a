// What the calls with paths and descriptors share: arguments in, structures out.
#include "posix-shim/calls/path_call.h"

#include "base/user_copy.h"
#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

Result<InodeHandle> inode_of_route(Thread &thread, const Route &route, bool follow_last, unsigned extra_flags) {
    if (route.where == Where::descriptor) {
        if (!follow_last)
            return error(EINVAL);
        BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, route.id));
        BASE_TRY_ASSIGN(const InodeHandle inode, open_inode(thread, *file, route.id));
        return InodeHandle{inode.number}; // a name it may have lost
    }
    unsigned flags = walk_may_escape | extra_flags | (follow_last ? unsigned{walk_follow_last} : 0u);
    BASE_TRY_ASSIGN(WalkResult found, walk(thread, route.start, route.path, flags));
    return found.handle();
}

long open_descriptor(ThreadContext &context, Thread &thread, unsigned mount, OpenFileId id, int flags, int taken) {
    const long descriptor = descriptor_open(context, mount, id, flags, taken);
    if (base::is_error(descriptor)) {
        fs_close(thread, id, false);
        companion_close(mount, id);
    }
    return descriptor;
}

} // namespace shim
