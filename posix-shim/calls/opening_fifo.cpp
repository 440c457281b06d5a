#include "posix-shim/calls/opening_fifo.h"

#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/rendezvous.h"
#include "posix-shim/table/waiting_call.h"

#include <cstring>

namespace shim {

using base::error;
using base::Result;
using namespace pmemfile;

namespace {

// The directory that the fifo was found in.
InodeNumber parent_of(Thread &thread, const Route &route, bool follow_last) {
    if (route.where == Where::descriptor) {
        const Result<OpenFile *> former = open_file_get(thread, route.id);
        return former.ok() ? (*former)->parent.load() : 0;
    }
    const Result<WalkResult> found =
        walk(thread, route.start, route.path, follow_last ? unsigned{walk_follow_last} : 0u);
    return found.ok() ? found->parent : 0;
}

// The kernel opens what the registers say; a description keeps the inode meanwhile.
Result<long> open_kept(Request &request, Thread &thread, const Route &route, const Attributes &fifo,
                       InodeNumber parent) {
    // By a number that is open nobody finds another inode, and this one may have no name any more.
    const bool is_open = route.where == Where::descriptor;
    BASE_TRY_ASSIGN(const OpenFileId id, is_open
                                             ? fs_open_inode(thread, fifo.inode, O_PATH)
                                             : fs_open_inode(thread, InodeHandle{fifo.inode, fifo.generation}, O_PATH));
    if (const Result<OpenFile *> file = open_file_get(thread, id); file.ok())
        (*file)->parent.store(parent);
    const long *args = request.args;
    const long opened = waiting_call(request, request.number, {args[0], args[1], args[2], args[3], args[4], args[5]});
    if (opened < 0)
        fs_close(thread, id, false);
    else
        descriptor_opened_fifo(request.context, static_cast<int>(opened), route.mount, id);
    return opened;
}

} // namespace

Result<long> open_fifo_of_pool(Request &request, const PathArgument &argument, Thread &thread, const Route &route,
                               const Attributes &fifo, bool follow_last) {
    ThreadContext &context = request.context;
    const InodeNumber parent = parent_of(thread, route, follow_last);
    if (route.is_open_fifo) // the link leads to it, also when it has lost its name, and its rendezvous with that
        return context.is_vfork_child ? Result<long>(pass_to_kernel) : open_kept(request, thread, route, fifo, parent);
    char path[rendezvous_path_bytes];
    BASE_TRY_ASSIGN(const size_t length, rendezvous_path(route.mount, fifo, path));
    if (const long made = rendezvous_make_fifo(path); base::is_error(made))
        return error(static_cast<int>(-made));
    Route at_rendezvous;
    std::memcpy(context.host_path[0], path, length + 1);
    at_rendezvous.host_path = context.host_path[0];
    if (context.is_vfork_child) { // it remembers nothing
        rewrite(request, argument, at_rendezvous);
        return pass_to_kernel;
    }
    rewrite(request, argument, at_rendezvous);
    return open_kept(request, thread, route, fifo, parent);
}

} // namespace shim
