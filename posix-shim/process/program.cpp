// Programs in a pool cannot be executed where they are: the kernel wants a file of its own. That is
// a copy at the same path (shadow.h). Where there can be none (no name, /dev/shm is mounted noexec),
// a memory file, which needs no name and goes with its last user; $ORIGIN leads nowhere then.
#include "posix-shim/process/program.h"

#include "base/raw_syscall.h"
#include "intercept/include/pmemfile-intercept.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/open_path.h"
#include "libpmemfile/fs/walk.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/root_path.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr unsigned memory_file_executable = 0x10; // MFD_EXEC, Linux 6.3

Result<Program> held(Thread &thread, unsigned mount, InodeHandle inode) {
    Program program;
    program.thread = &thread;
    program.mount = mount;
    program.inode = inode.number;
    BASE_TRY_ASSIGN(program.holder, fs_open_inode(thread, inode, O_PATH));
    return program;
}

void name_of_open(ThreadContext &context, Thread &thread, unsigned mount, OpenFileId id, char *inside) {
    Result<size_t> length = fs_open_path(thread, id, inside, path_max_bytes - 1);
    if (length.ok())
        length = path_from_root(context, mount, inside, *length);
    inside[length.ok() ? *length : 0] = 0;
}

// The inode of `route`, and its path into `inside`.
Result<InodeHandle> find_named(ThreadContext &context, Thread &thread, const Route &route, bool follow_last,
                               char *inside) {
    inside[0] = 0;
    if (route.where == Where::descriptor) {
        name_of_open(context, thread, route.mount, route.id, inside);
        return inode_of_route(thread, route, follow_last);
    }
    const unsigned flags = walk_may_escape | (follow_last ? unsigned{walk_follow_last} : 0u);
    BASE_TRY_ASSIGN(const WalkResult found, walk(thread, route.start, route.path, flags));
    char name[name_max_bytes + 1]; // the walk's may lie where the directory's path is made
    const size_t name_bytes = std::min(found.name.size(), sizeof name);
    std::memcpy(name, found.name.data(), name_bytes);
    const Result<size_t> length =
        directory_path_from_root(context, route.mount, found.parent, inside, path_max_bytes - name_max_bytes - 2);
    size_t end = !length.ok() || *length == 1 ? 0 : *length; // the root is "/"
    if (length.ok() && found.name != "." && found.name != "..") {
        inside[end++] = '/';
        std::memcpy(inside + end, name, name_bytes);
        end += name_bytes;
    }
    inside[end] = 0;
    return found.handle();
}

Result<Program> follow(ThreadContext &context, Result<Route> route, bool follow_last, Program on_host, char *inside) {
    inside[0] = 0;
    for (unsigned times = 1;; times++) {
        BASE_TRY(route);
        if (route->where == Where::kernel)
            return on_host;
        if (route->where == Where::kernel_rewritten) {
            on_host.dirfd = AT_FDCWD;
            on_host.path = route->host_path;
            return on_host;
        }
        BASE_TRY_ASSIGN(Thread * thread, context_thread(context, route->mount));
        const Result<InodeHandle> inode = find_named(context, *thread, *route, follow_last, inside);
        if (inode.ok())
            return held(*thread, route->mount, *inode);
        if (inode.error().number() != path_escapes)
            return inode.error();
        route = route_escaped(context, 0, *route, follow_last ? Last::follow : Last::link, times);
    }
}

} // namespace

Result<Program> program_find(Request &request, long dirfd, const char *user_path, long flags, char *inside) {
    ThreadContext &context = request.context;
    inside[0] = 0;
    Program on_host;
    on_host.dirfd = dirfd;
    on_host.path = user_path;
    const bool follow_last = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    const Last last = follow_last ? Last::follow : Last::link;
    char first = 0;
    BASE_TRY(copy_in(&first, user_path, 1));
    if (first == 0) {
        if ((flags & AT_EMPTY_PATH) == 0)
            return error(ENOENT);
        BASE_TRY_ASSIGN(const DescriptorWord word, descriptor_lookup(context, dirfd));
        if (word == descriptor_own)
            return error(EBADF);
        if (!is_ours(word))
            return on_host;
        BASE_TRY_ASSIGN(Thread * thread, context_thread(context, word_mount(word)));
        BASE_TRY_ASSIGN(OpenFile * file, open_file_get(*thread, word_id(word)));
        name_of_open(context, *thread, word_mount(word), word_id(word), inside);
        return held(*thread, word_mount(word), InodeNumber{file->inode.load()});
    }
    BASE_TRY_ASSIGN(Program found,
                    follow(context, route_path(context, 0, dirfd, user_path, Care::quick, last), follow_last, on_host, inside));
    if (found.thread != nullptr)
        return found;
    // Before anything is made ready: shells and execvp try many names that are not there.
    const long missing = base::raw_syscall(SYS_faccessat, found.dirfd, base::as_long(found.path), F_OK);
    if (!base::is_error(missing))
        return found;
    if (missing != -ENOENT && missing != -ENOTDIR && missing != -ELOOP)
        return found;
    if (found.path == user_path) {
        BASE_TRY_ASSIGN(
            found, follow(context,
                          route_after_miss(context, 0, dirfd, user_path, last, true),
                          follow_last, on_host, inside));
        if (found.thread != nullptr || found.path != user_path)
            return found;
    }
    return error(static_cast<int>(-missing));
}

Result<Program> program_find_interpreter(Request &request, std::string_view path, char *inside) {
    ThreadContext &context = request.context;
    std::memcpy(context.path[0], path.data(), path.size());
    context.path[0][path.size()] = 0;
    Program on_host;
    on_host.dirfd = AT_FDCWD;
    on_host.path = path.data(); // NUL-terminated by parse_script's caller
    return follow(context, route_string(context, 0, AT_FDCWD, {context.path[0], path.size()}, Care::quick, Last::follow), true,
                  on_host, inside);
}

void program_release(const Program &program) {
    if (program.thread != nullptr)
        fs_close(*program.thread, program.holder, false);
}

Status program_head(const Program &program, char (&head)[program_head_bytes]) {
    std::memset(head, 0, sizeof head);
    if (program.thread != nullptr) {
        BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(*program.thread, program.inode));
        if (!S_ISREG(attributes.mode))
            return error(EACCES);
        BASE_TRY(fs_access(*program.thread, program.inode, X_OK, false));
        const iovec vector = {head, sizeof head};
        BASE_TRY(data_read(*program.thread, program.inode, 0, {&vector, 1}));
        return {};
    }
    struct stat status = {};
    const bool by_descriptor = program.path[0] == 0;
    if (base::is_error(base::raw_syscall(SYS_newfstatat, program.dirfd, base::as_long(program.path),
                                         base::as_long(&status), by_descriptor ? AT_EMPTY_PATH : 0)) ||
        !S_ISREG(status.st_mode))
        return {};
    const long descriptor = by_descriptor ? program.dirfd
                                          : base::raw_syscall(SYS_openat, program.dirfd, base::as_long(program.path),
                                                              O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (base::is_error(descriptor))
        return {};
    base::raw_syscall(SYS_pread64, descriptor, base::as_long(head), sizeof head, 0);
    if (!by_descriptor)
        base::raw_syscall(SYS_close, descriptor);
    return {};
}

namespace {

bool is_elf(const char (&head)[program_head_bytes]) {
    return std::memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS64;
}

} // namespace

bool program_is_static(const char (&head)[program_head_bytes]) {
    if (!is_elf(head))
        return false;
    Elf64_Ehdr header;
    std::memcpy(&header, head, sizeof header);
    // The interpreter's entry stands before all that are loaded.
    for (size_t i = 0; i < header.e_phnum; i++) {
        const uint64_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
        if (header.e_phoff > sizeof head || at + sizeof(Elf64_Phdr) > sizeof head)
            return false;
        Elf64_Phdr entry;
        std::memcpy(&entry, head + at, sizeof entry);
        if (entry.p_type == PT_INTERP || entry.p_type == PT_LOAD)
            return entry.p_type == PT_LOAD;
    }
    return false;
}

const char *program_goes_round(const Program &program, const char (&head)[program_head_bytes], const Credentials &who) {
    if (!is_elf(head))
        return nullptr;
    if (intercept_launches() == 0 && program_is_static(head))
        return "linked statically: it does not see the pools";
    struct stat status = {};
    if (base::is_error(base::raw_syscall(SYS_newfstatat, program.dirfd, base::as_long(program.path),
                                         base::as_long(&status), program.path[0] == 0 ? AT_EMPTY_PATH : 0)))
        return nullptr;
    const bool changes_user = (status.st_mode & S_ISUID) != 0 && (status.st_uid != who.euid || who.uid != who.euid);
    const bool changes_group =
        (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != who.egid;
    return changes_user || changes_group ? "set-id: it does not see the pools" : nullptr;
}

Result<bool> parse_script(const char (&head)[program_head_bytes], std::string_view *interpreter,
                          std::string_view *argument) {
    if (head[0] != '#' || head[1] != '!')
        return false;
    const auto is_blank = [](char character) { return character == ' ' || character == '\t'; };
    const std::string_view whole(head, strnlen(head, sizeof head));
    std::string_view line = whole.substr(0, whole.find('\n'));
    const bool is_cut = line.size() == sizeof head;
    line.remove_prefix(2);
    while (!line.empty() && is_blank(line.front()))
        line.remove_prefix(1);
    while (!line.empty() && is_blank(line.back()))
        line.remove_suffix(1);
    size_t end = 0;
    while (end < line.size() && !is_blank(line[end]))
        end++;
    if (end == 0 || (is_cut && end == line.size()))
        return error(ENOEXEC); // nothing there, or a name that goes on behind what we see
    *interpreter = line.substr(0, end);
    line.remove_prefix(end);
    while (!line.empty() && is_blank(line.front()))
        line.remove_prefix(1);
    *argument = line;
    return true;
}

Result<int> program_copy(ThreadContext &context, const Program &program, const char *name) {
    constexpr size_t memory_name_bytes_max = 249; // a longer one is EINVAL
    const size_t name_bytes = std::strlen(name);
    name += name_bytes > memory_name_bytes_max ? name_bytes - memory_name_bytes_max : 0;
    long descriptor = base::raw_syscall(SYS_memfd_create, base::as_long(name), MFD_CLOEXEC | memory_file_executable);
    if (descriptor == -EINVAL) // an older kernel, where all are executable
        descriptor = base::raw_syscall(SYS_memfd_create, base::as_long(name), MFD_CLOEXEC);
    if (base::is_error(descriptor))
        return error(static_cast<int>(-descriptor));
    uint64_t offset_bytes = 0;
    for (;;) {
        const iovec vector = {context.buffer, sizeof context.buffer};
        const Result<size_t> read = data_read(*program.thread, program.inode, offset_bytes, {&vector, 1});
        if (read.ok() && *read == 0)
            return static_cast<int>(descriptor);
        long written = read.ok() ? base::raw_syscall(SYS_write, descriptor, base::as_long(context.buffer),
                                                     static_cast<long>(*read))
                                 : -static_cast<long>(read.error().number());
        if (base::is_error(written)) {
            base::raw_syscall(SYS_close, descriptor);
            return error(static_cast<int>(-written));
        }
        offset_bytes += static_cast<uint64_t>(written);
    }
}

} // namespace shim
