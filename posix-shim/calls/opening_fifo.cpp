#include "posix-shim/calls/opening_fifo.h"

#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"

#include <utility>

namespace shim {

using base::Result;
using base::Status;
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

} // namespace

Status opening_fifo_begin(ThreadContext &context, Thread &thread, const Route &route, InodeHandle inode,
                          bool follow_last) {
    BASE_TRY_ASSIGN(const OpenFileId id, fs_open_inode(thread, inode, O_PATH));
    if (const Result<OpenFile *> file = open_file_get(thread, id); file.ok())
        (*file)->parent.store(parent_of(thread, route, follow_last));
    context.opening_fifo = {route.mount, id};
    return {};
}

void opening_fifo_forget(ThreadContext &context) {
    if (context.opening_fifo.id == 0) [[likely]]
        return;
    const OpeningFifo fifo = std::exchange(context.opening_fifo, {});
    if (const Result<Thread *> thread = context_thread(context, fifo.mount); thread.ok())
        fs_close(**thread, fifo.id, false);
}

bool opening_fifo_post(ThreadContext &context, const intercept_call &call) {
    if (context.opening_fifo.id == 0 || context.is_vfork_child ||
        (call.nr != SYS_open && call.nr != SYS_openat && call.nr != SYS_openat2 && call.nr != SYS_creat))
        return false;
    if (base::is_error(call.result)) {
        opening_fifo_forget(context);
        return true;
    }
    const OpeningFifo fifo = std::exchange(context.opening_fifo, {});
    descriptor_opened_fifo(context, static_cast<int>(call.result), fifo.mount, fifo.id);
    return true;
}

} // namespace shim
