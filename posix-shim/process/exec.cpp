// exec: the new image is told where its place in the pools is, and a program in a
// pool is brought to where the kernel can read it.
//
//   host program        execve(path, argv, environment')
//   script in a pool    its interpreter instead, with the script's path as argument
//   ELF file in a pool  copied to a memfd, execveat(memfd, "", argv, environment')
//
//   environment' = environment + LD_PRELOAD, PMEMFILE_POOLS, PMEMFILE_HANDOVER
//
// The places' descriptors lose close-on-exec for the length of the call. All memory
// is one mapping of its own, which the exec itself, or a failure, gives back.
#include "base/raw_syscall.h"
#include "base/user_copy.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/paths/user_string.h"
#include "posix-shim/process/process.h"
#include "posix-shim/process/settings.h"
#include "posix-shim/signals/deferral.h"

#include <cstring>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

namespace shim {
namespace {

using base::error;
using base::Result;
using base::Status;

constexpr unsigned max_script_depth = 5; // BINPRM_RECURSION of the kernel
constexpr unsigned added_arguments = 2 * max_script_depth;
constexpr size_t max_strings = 1u << 20;  // of argv or of the environment; E2BIG beyond
constexpr size_t script_line_bytes = 256; // BINPRM_BUF_SIZE

// The first line of a script.
struct ScriptLine {
    char text[script_line_bytes + 1];
    const char *interpreter = nullptr;
    const char *argument = nullptr;
};

// Working memory of one exec.
struct Scratch {
    size_t size_bytes;
    char **arguments; // argv of the program that is executed
    char **environment;
    char handover[handover_bytes];
    char preload[2 * pmemfile::path_max_bytes];
    char pools[sizeof(pools_value) + pools_variable.size()];
    char program[pmemfile::path_max_bytes]; // path of the program that was asked for
    char interpreter[max_script_depth][pmemfile::path_max_bytes];
    ScriptLine lines[max_script_depth];
};

char *user_pointer(long array, size_t index) {
    char *pointer = nullptr;
    base_user_copy(&pointer, reinterpret_cast<char *const *>(array) + index, sizeof(pointer));
    return pointer;
}

// Number of pointers before the null at the end. EFAULT, E2BIG.
Result<size_t> count_pointers(long array) {
    if (array == 0)
        return size_t{0}; // as Linux: like an empty list
    for (size_t count = 0; count < max_strings; count++) {
        char *pointer = nullptr;
        if (base_user_copy(&pointer, reinterpret_cast<char *const *>(array) + count, sizeof(pointer)) != 0)
            return error(EFAULT);
        if (pointer == nullptr)
            return count;
    }
    return error(E2BIG);
}

bool begins_with(const char *user, std::string_view prefix) {
    for (const char wanted : prefix) {
        char character = 0;
        if (base_user_copy(&character, user++, 1) != 0 || character != wanted)
            return false;
    }
    return true;
}

void append(char *to, size_t size_bytes, std::string_view text) {
    const size_t used = std::strlen(to);
    const size_t length = used + text.size() < size_bytes ? text.size() : size_bytes - used - 1;
    std::memcpy(to + used, text.data(), length);
    to[used + length] = 0;
}

// LD_PRELOAD: our library first, then what the application has there besides.
Status merge_preload(Scratch &scratch, const char *user_value) {
    const std::string_view own = preload_path;
    append(scratch.preload, sizeof(scratch.preload), preload_variable);
    append(scratch.preload, sizeof(scratch.preload), own);
    if (user_value == nullptr)
        return {};
    char *value = scratch.program; // not in use yet
    BASE_TRY_ASSIGN(size_t length, copy_user_string(value, sizeof(scratch.program), user_value));
    for (size_t begin = 0; begin < length;) {
        const size_t end = begin + std::strcspn(value + begin, ": ");
        const std::string_view library(value + begin, end - begin);
        if (!library.empty() && library != own) {
            append(scratch.preload, sizeof(scratch.preload), ":");
            append(scratch.preload, sizeof(scratch.preload), library);
        }
        begin = end + 1;
    }
    return {};
}

unsigned mount_of_pool(const pmemfile::Pool &pool) {
    unsigned mount = 0;
    while (mount + 1 < mount_count && &mounts[mount].pool != &pool)
        mount++;
    return mount;
}

class Exec {
public:
    Exec(Request &request, long user_arguments, long user_environment)
        : request_(request), user_arguments_(user_arguments), user_environment_(user_environment) {}
    ~Exec() {
        if (scratch_ != nullptr)
            base::raw_syscall(SYS_munmap, base::as_long(scratch_), static_cast<long>(scratch_->size_bytes));
    }
    Exec(const Exec &) = delete;
    Exec &operator=(const Exec &) = delete;

    Status prepare();
    // Executes what the call's path argument leads to. Comes back only with -errno.
    long run(const PathArgument &argument, bool empty_path, long flags);

private:
    ThreadContext &context() {
        return request_.context;
    }
    Result<long> pool_program(pmemfile::Thread &thread, pmemfile::InodeHandle handle, unsigned depth);
    Result<long> held_program(pmemfile::Thread &thread, pmemfile::InodeNumber inode, unsigned depth);
    Result<long> script(unsigned depth);
    Result<long> copied_program(pmemfile::Thread &thread, pmemfile::InodeNumber inode);
    // The kernel's exec, with our places handed over. -errno.
    long execute(long directory, const char *path, long flags);
    Status take_places(Handover &handover);
    void return_places(const Handover &handover, unsigned count);

    Request &request_;
    long user_arguments_;
    long user_environment_;
    Scratch *scratch_ = nullptr;
};

Status Exec::prepare() {
    BASE_TRY_ASSIGN(size_t argument_count, count_pointers(user_arguments_));
    BASE_TRY_ASSIGN(size_t environment_count, count_pointers(user_environment_));
    const size_t pointers = argument_count + added_arguments + 1 + environment_count + 4;
    const size_t size_bytes = sizeof(Scratch) + pointers * sizeof(char *);
    const long memory = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base::is_error(memory))
        return error(ENOMEM);
    scratch_ = reinterpret_cast<Scratch *>(memory);
    scratch_->size_bytes = size_bytes;
    // Room in front: each script level puts at most two words before.
    scratch_->arguments = reinterpret_cast<char **>(scratch_ + 1) + added_arguments;
    for (size_t i = 0; i < argument_count; i++)
        scratch_->arguments[i] = user_pointer(user_arguments_, i);
    if (argument_count == 0)
        scratch_->arguments[0] = nullptr;

    scratch_->environment = scratch_->arguments + argument_count + 1;
    const char *others = nullptr;
    size_t kept = 0;
    for (size_t i = 0; i < environment_count; i++) {
        char *variable = user_pointer(user_environment_, i);
        if (begins_with(variable, preload_variable))
            others = variable + preload_variable.size();
        else if (!begins_with(variable, pools_variable) && !begins_with(variable, handover_variable))
            scratch_->environment[kept++] = variable;
    }
    BASE_TRY(merge_preload(*scratch_, others));
    append(scratch_->pools, sizeof(scratch_->pools), pools_variable);
    append(scratch_->pools, sizeof(scratch_->pools), pools_value);
    scratch_->environment[kept++] = scratch_->preload;
    scratch_->environment[kept++] = scratch_->pools;
    scratch_->environment[kept++] = scratch_->handover;
    return {};
}

// A vfork child's image needs places of its own: its parent goes on with the old ones.
Status Exec::take_places(Handover &handover) {
    handover.process = base::raw_syscall(SYS_getpid);
    handover.directory = working_directory();
    for (; handover.place_count < mount_count; handover.place_count++) {
        const unsigned mount = handover.place_count;
        pmemfile::PoolPlace place = pmemfile::pool_place(mounts[mount].pool);
        if (context().is_vfork_child) {
            BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context(), mount));
            BASE_TRY_ASSIGN(place, pmemfile::pool_place_clone(*thread));
        }
        handover.places[mount] = place;
        pmemfile::pool_place_over_exec(place, true);
    }
    return {};
}

void Exec::return_places(const Handover &handover, unsigned count) {
    for (unsigned mount = 0; mount < count; mount++) {
        pmemfile::pool_place_over_exec(handover.places[mount], false);
        if (context().is_vfork_child)
            pmemfile::pool_place_cancel(*context().threads[mount], handover.places[mount]);
    }
}

long Exec::execute(long directory, const char *path, long flags) {
    Handover handover;
    if ((flags & AT_EMPTY_PATH) != 0) // the kernel would show the descriptor's number as the name
        std::memcpy(handover.command_name, context().host_path[1], sizeof(handover.command_name) - 1);
    const Status taken = take_places(handover);
    if (!taken.ok()) {
        return_places(handover, handover.place_count);
        return kernel_result(taken);
    }
    handover_write(scratch_->handover, handover);
    if (!context().is_vfork_child)
        signals_before_exec();
    const long result =
        base::raw_syscall(SYS_execveat, directory, base::as_long(path), base::as_long(scratch_->arguments),
                          base::as_long(scratch_->environment), flags);
    if (!context().is_vfork_child)
        signals_after_exec();
    return_places(handover, handover.place_count);
    return result;
}

// Parses "#! interpreter [argument]" as the kernel's binfmt_script does. False: it is no script.
Result<bool> parse_script(ScriptLine &line, size_t length) {
    line.text[length] = 0;
    if (length < 2 || line.text[0] != '#' || line.text[1] != '!')
        return false;
    char *end = static_cast<char *>(std::memchr(line.text, '\n', length));
    if (end == nullptr)
        end = line.text + std::strlen(line.text);
    *end = 0;
    while (end > line.text + 2 && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = 0;
    char *word = line.text + 2 + std::strspn(line.text + 2, " \t");
    if (*word == 0)
        return error(ENOEXEC);
    line.interpreter = word;
    word += std::strcspn(word, " \t");
    if (*word != 0) {
        *word++ = 0;
        line.argument = word + std::strspn(word, " \t");
    }
    return true;
}

// Line `depth` names the interpreter; scratch_->program is the script.
Result<long> Exec::script(unsigned depth) {
    const ScriptLine &line = scratch_->lines[depth];
    char **arguments = scratch_->arguments;
    // The interpreter is argv[0]; the script's path takes the place of the former argv[0].
    if (*arguments != nullptr)
        arguments++;
    *--arguments = depth == 0 ? scratch_->program : scratch_->interpreter[depth - 1];
    if (line.argument != nullptr)
        *--arguments = const_cast<char *>(line.argument);
    std::memcpy(scratch_->interpreter[depth], line.interpreter, std::strlen(line.interpreter) + 1);
    *--arguments = scratch_->interpreter[depth];
    scratch_->arguments = arguments;

    ThreadContext &context = request_.context;
    const std::string_view path = line.interpreter;
    std::memcpy(context.path[0], path.data(), path.size() + 1);
    BASE_TRY_ASSIGN(Route route,
                    route_string(context, 0, AT_FDCWD, {context.path[0], path.size()}, Care::exact_follow));
    for (unsigned times = 1;; times++) {
        if (route.where == Where::kernel || route.where == Where::kernel_rewritten)
            return execute(AT_FDCWD, route.where == Where::kernel ? scratch_->interpreter[depth] : route.host_path, 0);
        BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, route.mount));
        Result<pmemfile::InodeHandle> found = inode_of_route(*thread, route, true);
        if (found.ok())
            return pool_program(*thread, *found, depth + 1);
        if (found.error().number() != pmemfile::path_escapes)
            return found.error();
        BASE_TRY_ASSIGN(route, route_escaped(context, 0, route, times));
    }
}

// Copies the file to memory that the kernel can execute from.
Result<long> Exec::copied_program(pmemfile::Thread &thread, pmemfile::InodeNumber inode) {
    const char *slash = std::strrchr(scratch_->program, '/');
    const char *name = slash != nullptr && slash[1] != 0 ? slash + 1 : scratch_->program;
    char *shown = context().host_path[1];
    std::memset(shown, 0, 256);
    std::strncpy(shown, name, 200);
    const long copy = base::raw_syscall(SYS_memfd_create, base::as_long(shown), MFD_CLOEXEC);
    if (base::is_error(copy))
        return copy;
    long result = 0;
    for (uint64_t offset = 0;;) {
        struct iovec vector = {context().buffer, sizeof(context().buffer)};
        Result<size_t> length = pmemfile::data_read(thread, inode, offset, {&vector, 1});
        if (!length.ok()) {
            result = kernel_result(length);
            break;
        }
        if (*length == 0)
            break;
        result = base::raw_syscall(SYS_pwrite64, copy, base::as_long(context().buffer), static_cast<long>(*length),
                                   static_cast<long>(offset));
        if (base::is_error(result))
            break;
        offset += *length;
    }
    if (!base::is_error(result))
        result = execute(copy, "", AT_EMPTY_PATH);
    base::raw_syscall(SYS_close, copy);
    return result;
}

Result<long> Exec::held_program(pmemfile::Thread &thread, pmemfile::InodeNumber inode, unsigned depth) {
    BASE_TRY_ASSIGN(pmemfile::Attributes attributes, pmemfile::fs_attributes(thread, inode));
    if (!S_ISREG(attributes.mode))
        return error(EACCES);
    BASE_TRY(pmemfile::fs_access(thread, inode, X_OK, false));
    // Only the copy is executed: a set-user-id bit would have no effect, and not be noticed.
    const bool changes_owner = (attributes.mode & S_ISUID) != 0 && attributes.uid != process_credentials.euid;
    const bool changes_group =
        (attributes.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && attributes.gid != process_credentials.egid;
    if (changes_owner || changes_group)
        return error(EPERM);
    ScriptLine &line = scratch_->lines[depth < max_script_depth ? depth : 0];
    struct iovec vector = {line.text, script_line_bytes};
    BASE_TRY_ASSIGN(size_t length, pmemfile::data_read(thread, inode, 0, {&vector, 1}));
    BASE_TRY_ASSIGN(bool is_script, parse_script(line, length));
    if (!is_script)
        return copied_program(thread, inode);
    if (depth >= max_script_depth)
        return error(ELOOP);
    return script(depth);
}

Result<long> Exec::pool_program(pmemfile::Thread &thread, pmemfile::InodeHandle handle, unsigned depth) {
    ThreadContext &context = request_.context;
    if (context.vfork_opened_count == max_vfork_opened)
        return error(EAGAIN);
    BASE_TRY_ASSIGN(pmemfile::OpenFileId held, pmemfile::fs_open_inode(thread, handle, O_PATH));
    // If the exec is done nobody comes back here: a vfork child's parent closes it, else the new
    // image, which finds no descriptor for it.
    if (context.is_vfork_child)
        context.vfork_opened[context.vfork_opened_count++] = {mount_of_pool(*thread.pool), held};
    Result<long> result = held_program(thread, handle.number, depth);
    if (context.is_vfork_child)
        context.vfork_opened_count--;
    pmemfile::fs_close(thread, held, false);
    return result;
}

long Exec::run(const PathArgument &argument, bool empty_path, long flags) {
    if (empty_path) {
        Result<OpenArgument> open = open_argument(request_, argument.dirfd_index);
        if (!open.ok())
            return kernel_result(Status(open.error()));
        if (open->thread == nullptr)
            return execute(request_.args[argument.dirfd_index], "", flags);
        Result<pmemfile::InodeNumber> inode = inode_of_open(*open, true);
        if (!inode.ok())
            return kernel_result(inode);
        // As the kernel names it to an interpreter.
        scratch_->program[0] = 0;
        append(scratch_->program, sizeof(scratch_->program), "/dev/fd/");
        char digits[12] = {};
        unsigned at = sizeof(digits) - 1;
        auto number = static_cast<unsigned>(request_.args[argument.dirfd_index]);
        do
            digits[--at] = static_cast<char>('0' + number % 10);
        while ((number /= 10) != 0);
        append(scratch_->program, sizeof(scratch_->program), digits + at);
        return kernel_result(pool_program(*open->thread, pmemfile::InodeHandle(*inode), 0));
    }
    Result<size_t> length = copy_user_string(scratch_->program, sizeof(scratch_->program),
                                             reinterpret_cast<const char *>(request_.args[argument.path_index]));
    if (!length.ok())
        return kernel_result(length);
    const long result =
        serve_path(request_, argument, [&](pmemfile::Thread &thread, const Route &route) -> Result<long> {
            BASE_TRY_ASSIGN(pmemfile::InodeHandle handle, inode_of_route(thread, route, argument.follow_last));
            return pool_program(thread, handle, 0);
        });
    if (result != pass_to_kernel && result != pass_with_post)
        return result;
    return execute(argument.dirfd_index >= 0 ? request_.args[argument.dirfd_index] : AT_FDCWD,
                   reinterpret_cast<const char *>(request_.args[argument.path_index]), flags);
}

} // namespace

long serve_execve(Request &request) {
    Exec exec(request, request.args[1], request.args[2]);
    const Status prepared = exec.prepare();
    if (!prepared.ok())
        return kernel_result(prepared);
    return exec.run({-1, 0, true, Care::exact_follow}, false, 0);
}

long serve_execveat(Request &request) {
    const long flags = static_cast<int>(request.args[4]);
    if ((flags & ~long{AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}) != 0)
        return -EINVAL;
    Exec exec(request, request.args[2], request.args[3]);
    const Status prepared = exec.prepare();
    if (!prepared.ok())
        return kernel_result(prepared);
    char first = 1;
    const bool empty_path = (flags & AT_EMPTY_PATH) != 0 &&
                            copy_in(&first, reinterpret_cast<const void *>(request.args[1]), 1).ok() && first == 0;
    const bool follow_last = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    return exec.run({0, 1, follow_last, Care::exact_follow}, empty_path, flags);
}

} // namespace shim
