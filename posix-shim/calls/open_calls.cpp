// open, openat, openat2, creat: a description in the pool, a token for it.
#include "posix-shim/calls/opening_fifo.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/proc_tables.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/mapping/caller.h"
#include "posix-shim/paths/clean_path.h"
#include "posix-shim/paths/user_string.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/mapping/size_change.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/fork_gate.h"
#include "posix-shim/process/working_directory.h"

#include <cstring>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <utility>

namespace shim {

using base::error;
using base::Result;
using namespace pmemfile;

namespace {

constexpr uint64_t large_file_flag = 0100000; // O_LARGEFILE, which glibc has as 0

// O_TMPFILE without the O_DIRECTORY that is part of it.
constexpr int unnamed_flag = O_TMPFILE & ~O_DIRECTORY;

// What is no file: a fifo is the kernel's, at its rendezvous; a device node has no effect, as on a mount with nodev.
// The permissions have been looked at.
Result<long> open_special(Request &request, const PathArgument &argument, Thread &thread, const Route &route,
                          bool follow_last) {
    BASE_TRY_ASSIGN(const InodeHandle inode, inode_of_route(thread, route, follow_last));
    BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(thread, inode));
    if (S_ISCHR(attributes.mode) || S_ISBLK(attributes.mode))
        return refused(request, EACCES, "device nodes have no effect in a pool");
    if (!S_ISFIFO(attributes.mode))
        return error(ENXIO);
    return open_fifo_of_pool(request, argument, thread, route, attributes, follow_last);
}

// `taken`: the number that it will have (descriptor_take). Set to -1 where it has it, or has given it back.
Result<long> open_at_number(Request &request, const PathArgument &argument, Thread &thread, const Route &route,
                            int flags, mode_t mode, unsigned walk, int &taken) {
    Result<OpenFileId> id = error(EINVAL);
    NoticedName name;
    if (route.where == Where::descriptor) {
        // Reopening /proc/self/fd/N: a description of its own for the same inode.
        if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
            return error(EEXIST);
        if ((flags & O_NOFOLLOW) != 0) {
            if ((flags & O_PATH) != 0)
                return pass_to_kernel; // the link itself
            return error(ELOOP);
        }
        BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, route.id));
        id = (flags & unnamed_flag) != 0 ? fs_open_unnamed(thread, file->inode.load(), flags, mode)
                                         : fs_open_inode(thread, file->inode.load(), flags & ~O_CREAT);
        if (Result<OpenFile *> again = error(EBADF); id.ok() && (again = open_file_get(thread, *id)).ok())
            (*again)->parent.store(file->parent.load());
    } else {
        const bool creates = (flags & O_CREAT) != 0;
        const bool follows = (flags & O_NOFOLLOW) == 0 && (!creates || (flags & O_EXCL) == 0);
        name = notice_name(thread, route.at(walk | (creates ? unsigned{walk_create} : 0u) |
                                            (follows ? unsigned{walk_follow_last} : 0u)));
        id = fs_open(thread, route.at(walk), flags, mode);
    }
    if (!id.ok() && id.error().number() == ENXIO) {
        descriptor_give_back(std::exchange(taken, -1)); // the kernel gives the lowest
        forks_wait_end(request.context);             // and may wait for the other end
        return open_special(request, argument, thread, route, argument.follow_last);
    }
    BASE_TRY(id);
    if ((flags & (O_TRUNC | O_PATH)) == O_TRUNC) {
        BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, *id));
        mapping_file_cut(mapping_caller(request.context), route.mount, file->inode.load());
    }
    if (route.where == Where::descriptor)
        tell_reopened(request.context, thread, route.mount, *id);
    if (name.is_noticed && (flags & unnamed_flag) == 0) {
        if (name.inode == 0)
            tell_created(thread, name, false);
        tell_opened(request.context, thread, route.mount, *id, name, flags);
    }
    return open_descriptor(request.context, thread, route.mount, *id, flags, std::exchange(taken, -1));
}

Result<long> open_in_pool(Request &request, const PathArgument &argument, Thread &thread, const Route &route, int flags,
                          mode_t mode, unsigned walk) {
    const ForksWait forks_wait(request.context);
    int taken = -1;
    if ((flags & (O_CREAT | O_TRUNC)) != 0 && (flags & O_PATH) == 0) {
        BASE_TRY_ASSIGN(taken, descriptor_take(request.context, route.mount, flags));
    }
    const Result<long> opened = open_at_number(request, argument, thread, route, flags, mode, walk, taken);
    descriptor_give_back(taken);
    return opened;
}

bool follows_last(int flags) {
    const bool is_new = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) && (flags & O_PATH) == 0;
    return (flags & O_NOFOLLOW) == 0 && !is_new;
}

// A relative path of the host's as an absolute one. Empty: it is too long, or its text alone does not tell.
std::string_view path_from_directory(ThreadContext &context, long dirfd, std::string_view path) {
    const Result<size_t> length = host_directory_path(dirfd, context.symlink, path_max_bytes);
    if (!length.ok())
        return {};
    char *text = context.host_path[0];
    bool exact = true;
    const size_t cleaned = clean_path(text, path_max_bytes, {context.symlink, *length}, path, &exact);
    return exact ? std::string_view(text, cleaned) : std::string_view();
}

long serve_open_form(Request &request, PathArgument argument, int flags, mode_t mode, unsigned walk) {
    argument.follow_last = follows_last(flags);
    if ((flags & (O_CREAT | unnamed_flag)) != 0 && (flags & O_PATH) == 0) {
        argument.is_name = (flags & O_CREAT) != 0;
        argument.care = Care::exact;
    }
    const long result = serve_path(request, argument, [&](Thread &thread, const Route &route) {
        return open_in_pool(request, argument, thread, route, flags, mode, walk);
    });
    if (result < 0 && result > last_answer)
        return arguments_first(result, [&] { return fs_check_open_flags(flags); });
    if (result != pass_with_post || request.again != Request::Again::no)
        return result;
    // The host's: its path is in the context still.
    std::string_view path = request.context.path[0];
    if (request.context.is_near_proc && !path.starts_with('/'))
        path = path_from_directory(request.context, dirfd_of(request, argument), path);
    if (!path.starts_with("/proc/") && path != "/etc/mtab")
        return result;
    const long table = open_proc_table(request.context, path, flags);
    return table == 0 ? result : table;
}

// open_how, as Linux checks it before it looks at the path.
base::Status check_how(const struct open_how &how) {
    constexpr uint64_t known_flags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |
                                     O_SYNC | O_ASYNC | O_DIRECT | large_file_flag | O_DIRECTORY | O_NOFOLLOW |
                                     O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;
    constexpr uint64_t path_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    constexpr uint64_t known_ways = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |
                                    RESOLVE_IN_ROOT | RESOLVE_CACHED;
    constexpr uint64_t two_roots = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
    const bool creates = (how.flags & (O_CREAT | unnamed_flag)) != 0;
    if ((how.flags & ~known_flags) != 0 || (how.resolve & ~known_ways) != 0 || (how.resolve & two_roots) == two_roots ||
        (how.mode & ~(creates ? 07777ull : 0)) != 0)
        return error(EINVAL);
    if ((how.flags & O_PATH) != 0 && (how.flags & ~path_flags) != 0)
        return error(EINVAL);
    // What a name's making or a file's cutting would have to wait for is in no cache; looking it up waits for nothing.
    if ((how.resolve & RESOLVE_CACHED) != 0 && (how.flags & (O_TRUNC | O_CREAT | unnamed_flag)) != 0)
        return error(EAGAIN);
    return {};
}

bool is_absolute(Request &request) {
    char first = 0;
    return copy_in(&first, reinterpret_cast<const void *>(request.args[1]), 1).ok() && first == '/';
}

// Does the path of an openat2 call begin at a directory of a pool?
bool begins_in_pool(Request &request, bool in_root) {
    if (!in_root && is_absolute(request))
        return root_directory().mount >= 0;
    if (static_cast<int>(request.args[0]) == AT_FDCWD)
        return working_directory().mount >= 0;
    const Result<DescriptorWord> word = descriptor_lookup(request.context, request.args[0]);
    return word.ok() && is_ours(*word);
}

// What the kernel has against the part of the path that lies on the host: EXDEV or ELOOP. (Below the mount point it
// finds nothing.)
base::Status host_refuses(Request &request, const PathArgument &argument, uint64_t resolve) {
    struct open_how how = {};
    how.resolve = resolve & (RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
    if (how.resolve == 0)
        return {};
    how.flags = O_PATH | O_CLOEXEC | (argument.follow_last ? 0u : static_cast<unsigned>(O_NOFOLLOW));
    const long found =
        base::raw_syscall(SYS_openat2, request.args[0], request.args[1], base::as_long(&how), sizeof how);
    if (!base::is_error(found))
        base::raw_syscall(SYS_close, found);
    return found == -EXDEV || found == -ELOOP ? base::Status(error(static_cast<int>(-found))) : base::Status();
}

// A name that is to be made, and has a slash behind it, is EISDIR, whatever a symlink of that name leads to.
bool ends_in_slash(Request &request) {
    char *path = request.context.path[0];
    const Result<size_t> length =
        copy_user_string(path, pmemfile::path_max_bytes, reinterpret_cast<const char *>(request.args[1]));
    return length.ok() && std::string_view(path, *length).ends_with('/');
}

} // namespace

long serve_open(Request &request) {
    return serve_open_form(request, {-1, 0}, static_cast<int>(request.args[1]), static_cast<mode_t>(request.args[2]),
                           0);
}

long serve_creat(Request &request) {
    return serve_open_form(request, {-1, 0}, O_CREAT | O_WRONLY | O_TRUNC, static_cast<mode_t>(request.args[1]), 0);
}

long serve_openat(Request &request) {
    return serve_open_form(request, {0, 1}, static_cast<int>(request.args[2]), static_cast<mode_t>(request.args[3]), 0);
}

long serve_openat2(Request &request) {
    struct open_how how;
    size_t size_bytes = static_cast<size_t>(request.args[3]);
    if (size_bytes < sizeof(how))
        return -EINVAL;
    // A newer, longer form: fine as long as what we do not know is zero.
    bool unknown_set = size_bytes > 4096;
    for (size_t at = sizeof(how); at < size_bytes && !unknown_set; at++) {
        char byte = 0;
        if (!copy_in(&byte, reinterpret_cast<const char *>(request.args[2]) + at, 1).ok())
            return -EFAULT;
        unknown_set = byte != 0;
    }
    if (base::Status copied = copy_in(&how, reinterpret_cast<void *>(request.args[2]), sizeof(how)); !copied.ok())
        return kernel_result(copied);
    unsigned walk = 0;
    if ((how.resolve & RESOLVE_NO_SYMLINKS) != 0)
        walk |= walk_no_symlinks;
    if ((how.resolve & RESOLVE_BENEATH) != 0)
        walk |= walk_beneath;
    if ((how.resolve & RESOLVE_IN_ROOT) != 0)
        walk |= walk_in_root;
    PathArgument argument{0, 1};
    argument.in_root = (walk & walk_in_root) != 0;
    argument.is_name = (how.flags & O_CREAT) != 0;
    argument.follow_last = follows_last(static_cast<int>(how.flags)) && !(argument.is_name && ends_in_slash(request));
    const bool stays = (how.resolve & RESOLVE_NO_XDEV) != 0;
    const bool begins_inside = begins_in_pool(request, argument.in_root);
    if ((how.flags & (O_CREAT | unnamed_flag)) != 0)
        argument.care = Care::exact;
    const auto open = [&](Thread &thread, const Route &route) -> Result<long> {
        if (unknown_set)
            return error(E2BIG);
        BASE_TRY(check_how(how));
        if ((how.resolve & RESOLVE_BENEATH) != 0 && is_absolute(request))
            return error(EXDEV);
        // A restricted walk must not be widened by our own on the host. (Where the kernel was asked first, it has met
        // nothing there.)
        if (!begins_inside && request.again == Request::Again::no)
            BASE_TRY(host_refuses(request, argument, how.resolve));
        const bool is_link = is_magic_link(route) && !argument.follow_last;
        if (route.is_through_link && !is_link && (how.resolve & (RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)) != 0)
            return error(ELOOP);
        if (stays && !begins_inside)
            return error(EXDEV);
        const Result<long> opened = open_in_pool(request, argument, thread, route, static_cast<int>(how.flags),
                                                 static_cast<mode_t>(how.mode), walk);
        return stays && !opened.ok() && opened.error().number() == path_escapes ? Result<long>(error(EXDEV)) : opened;
    };
    return arguments_first(serve_path(request, argument, open), [&]() -> base::Status {
        BASE_TRY(check_how(how));
        return fs_check_open_flags(static_cast<int>(how.flags));
    });
}

} // namespace shim
